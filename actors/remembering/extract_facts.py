"""How the memory role learns: extracted facts are recorded if a record supports them. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from playhead.actors.requests.side_request import ask_extraction, attempt_after
from playhead.events.event import Event, Json
from playhead.events.kinds.facts import ExtractionEnded, FactLearned
from playhead.events.kinds.model_calls import ExtractionRequested, ModelAnswered, ModelFailed
from playhead.events.record import Record
from playhead.events.spec.memory import FactSchema, Scope
from playhead.events.usage import text_of
from playhead.projections.prompt.fact_extraction import REPLY
from playhead.projections.state.run_state import RunState
from playhead.tools.validation.answer import misfit, parse_output


def extraction_due(state: RunState) -> bool:
    """Whether facts must be extracted before the run may end."""
    return state.agent.memory.facts is not None and bool(state.steps) and not state.extracted


def begin(state: RunState) -> Sequence[Event]:
    """Ask for the facts."""
    return _or_ended(ask_extraction(state, next(reversed(state.steps))))


def _learned(state: RunState, answered: ModelAnswered) -> Sequence[Event]:
    """The facts that have a source and match the schema; then the run may end."""
    schema = state.agent.memory.facts
    if schema is None:
        return [ExtractionEnded(learned=0)]
    reply, wrong = parse_output(REPLY, text_of(answered.content))
    if wrong is not None:
        return [ExtractionEnded(learned=0, error=wrong[:500])]
    given = cast("list[dict[str, Any]]", cast("dict[str, Any]", reply)["facts"])
    known = state.texts_by_record().keys()
    facts = [fact for each in given for fact in _fact(schema, each, known, state.scope)]
    return [*facts, ExtractionEnded(learned=len(facts), refused=len(given) - len(facts))]


def on_outcome(
    state: RunState, record: Record, asked: ExtractionRequested, ended: ModelAnswered | ModelFailed
) -> Sequence[Event]:
    """The facts; without a reply ask again, or end without facts."""
    if isinstance(ended, ModelAnswered):
        return _learned(state, ended)
    again = attempt_after(state, record, asked, ended)
    if again is None:
        return _or_ended(f"{ended.error}: {ended.message}")
    return _or_ended(ask_extraction(state, asked.step, again))


def _or_ended(asked: ExtractionRequested | str) -> Sequence[Event]:
    if isinstance(asked, str):
        return [ExtractionEnded(learned=0, error=asked[:500])]
    return [asked]


def _fact(
    schema: FactSchema, given: Mapping[str, Any], known: Any, scope: Scope
) -> Iterator[FactLearned]:
    sources = [seq for seq in given["sources"] if seq in known]
    entity = schema.entity or given.get("entity", "").strip()
    properties = cast("dict[str, Any]", schema.json_schema.get("properties", {}))
    shape = properties.get(given["field"])
    if not sources or not entity or shape is None:
        return
    if misfit(_field(schema.json_schema, shape), given["value"]) is None:
        yield FactLearned(
            schema_name=schema.name, entity=entity, field=given["field"], value=given["value"],
            sources=tuple(sources), quote=given.get("quote", ""),
            confidence=float(given.get("confidence", 0.5)), namespace=scope.namespace,
            fork=scope.fork,
        )  # fmt: skip


def _field(schema: dict[str, Json], shape: dict[str, Json]) -> dict[str, Json]:
    return {**shape, "$defs": schema["$defs"]} if "$defs" in schema else shape
