"""Validates plans before they run: a model's answer or a person's edit becomes steps or is refused.

Everything that can be known before the first step starts is checked here and reported in words that
the model can act on. Pure, so that a replay finds the same faults.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, cast

from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.events.kinds.plans import PlanStep
from playhead.events.spec.agent import AgentSpec, ToolSpec
from playhead.events.spec.plan import PlanRules
from playhead.projections.plan.plan import OWN, PLANNING, Plan
from playhead.projections.plan.references import (
    ID,
    ITEM,
    holds_references,
    only_reference,
    references,
    unreadable,
)
from playhead.projections.state.run_state import RunState
from playhead.tools.calls.approval import matches_schema
from playhead.tools.tool import canonical
from playhead.tools.validation.answer import parse_output
from playhead.tools.validation.arguments import check, suggest_tool

RESERVED = frozenset({ITEM, PLANNING, "main"})

MOST_FAULTS = 8
"""Maximum number of faults reported at once."""

AGAIN = "\nAnswer with the whole plan again, mended."

SHAPE: dict[str, Json] = {
    "type": "object",
    "properties": {
        "steps": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "description": {"type": "string"},
                    "tool": {"type": "string"},
                    "arguments": {"type": ["object", "string", "null"]},
                    "depends_on": {"type": ["array", "null"], "items": {"type": "string"}},
                    "for_each": {"type": ["string", "null"]},
                },
                "required": ["id", "tool"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["steps"],
    "additionalProperties": False,
}
"""The shape that is accepted as a plan; the model is asked for a stricter one."""


def parse_plan(
    answer: str, agent: AgentSpec, plan: Plan
) -> tuple[tuple[PlanStep, ...], str | None]:
    """The steps of an answer, or a message to the model that says why they cannot run."""
    value, error = parse_output(SHAPE, answer)
    if error is not None:
        return (), error
    assert isinstance(value, dict)
    return read_plan(value["steps"], agent, plan)


def read_plan(
    value: object, agent: AgentSpec, plan: Plan
) -> tuple[tuple[PlanStep, ...], str | None]:
    """Correctly shaped steps as steps that can run: all references resolve, and all steps end.

    `plan` is the existing plan: its finished steps may be referred to.
    """
    given: list[Any] = cast("Any", value) if isinstance(value, list) else []
    found = [_step(cast("dict[str, Any]", each)) for each in given if isinstance(each, dict)]
    unread = [each for each in found if isinstance(each, str)]
    steps = [_complete(each, agent) for each in found if isinstance(each, PlanStep)]
    faults = unread or list(_faults(steps, agent, plan))
    if not faults:
        return tuple(_with_end(steps, plan)), None
    told = "\n".join(f"- {fault}" for fault in faults[:MOST_FAULTS])
    more = f"\n- and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
    return (), f"This plan cannot run:\n{told}{more}{AGAIN}"


def edited_plan(text: str, state: RunState) -> tuple[PlanStep, ...]:
    """A person's plan, as JSON, for a run whose plan is under review. Raises UsageError."""
    plan = state.plan
    if plan is None or plan.waits is None:
        msg = f"run {state.run} has no plan that waits for review"
        raise UsageError(msg)
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"the plan cannot be read as JSON: {error}"
        raise UsageError(msg) from error
    steps, fault = parse_plan(text, state.agent, plan)
    if fault is not None:
        raise UsageError(fault.removesuffix(AGAIN))
    return steps


def _step(fields: Mapping[str, Json]) -> PlanStep | str:
    """A step, or why it is not a valid one."""
    arguments = fields.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError) as error:
            return f"step {fields['id']}: arguments cannot be read as JSON: {error}"
    if not isinstance(arguments, dict):
        return f"step {fields['id']}: arguments must be a JSON object"
    return PlanStep.model_validate({
        "id": fields["id"],
        "description": fields.get("description") or fields["id"],
        "tool": fields["tool"],
        "arguments": arguments,
        "depends_on": fields.get("depends_on") or (),
        "for_each": fields.get("for_each") or None,
    })  # fmt: skip


def _complete(step: PlanStep, agent: AgentSpec) -> PlanStep:
    """The step with implied parts: references are dependencies; an agent's task is the step's."""
    spec = _tool(agent, step.tool)
    if spec is not None and spec.performer == "agent" and not step.arguments:
        step = step.model_copy(update={"arguments": {"task": step.description}})
    wanted = dict.fromkeys([*step.depends_on, *(name for name in _referred(step) if name != ITEM)])
    return step.model_copy(update={"depends_on": tuple(wanted)})


def _tool(agent: AgentSpec, name: str) -> ToolSpec | None:
    return next((tool for tool in agent.tools if tool.name == name), None)


def _referred(step: PlanStep) -> Iterator[str]:
    for value in (step.arguments, step.description, step.for_each):
        yield from (found.id for found in references(value))


def _faults(steps: Sequence[PlanStep], agent: AgentSpec, plan: Plan) -> Iterator[str]:
    """All faults, in the order of the steps; cycles last."""
    rules = agent.plan
    if not steps:
        yield "it has no steps"
    if len(steps) > rules.max_steps:
        yield f"it has {len(steps)} steps; at most {rules.max_steps} may be planned"
    ids = {step.id for step in steps}
    done, seen = set(plan.staying(steps)), set[str]()
    for step in steps:
        for fault in (*_wrong_id(step.id, seen, plan), *_wrong_step(step, agent, ids, done)):
            yield f"step {step.id}: {fault}"
        seen.add(step.id)
    cycle = _cycle(steps)
    if cycle:
        yield f"these steps wait for each other: {' -> '.join(cycle)}"


def _wrong_id(id: str, seen: set[str], plan: Plan) -> Iterator[str]:  # noqa: A002
    if not ID.fullmatch(id):
        yield "an id is 1 to 40 letters, digits, _ and -, with a letter first"
    if id in RESERVED:
        yield f"{id} is a word of ours: give it another id"
    if id in seen:
        yield "two steps have this id"
    if id in plan.kept:
        yield "a step with this id is done already: refer to it, or give a new one another id"
    elif any(plan.nodes[name].had_side_effects for name in plan.kept if _whole(name) == id):
        yield (
            "some of its elements are done and had side effects: refer to them, or give a new one "
            "another id"
        )


def _wrong_step(step: PlanStep, agent: AgentSpec, ids: set[str], done: set[str]) -> Iterator[str]:
    bases = ids | done | {_whole(name) for name in done}
    for other in step.depends_on:
        if other not in bases:
            yield f"it depends on {other}, which is not a step of it (for a plain ${{ write $${{)"
    for text in unreadable([step.description, step.arguments]):
        yield (
            f"{text} is not a reference: write ${{id}}, with .name and [0] after the id for a part "
            "of the result (for a plain ${ write $${)"
        )
    if step.for_each is not None and only_reference(step.for_each) is None:
        yield f"for_each must be one reference to a list, such as ${{id}}, not {step.for_each!r}"
    if step.for_each is None and ITEM in _referred(step):
        yield "${item} means something only in a step with for_each"
    if step.tool in OWN:
        return
    spec = _tool(agent, step.tool)
    if spec is None:
        unknown = suggest_tool(step.tool, [*(tool.name for tool in agent.tools), *OWN])
        yield " ".join(filter(None, (unknown.message, unknown.hint)))
    else:
        yield from _wrong_arguments(step.arguments, spec)


def _wrong_arguments(arguments: Mapping[str, Json], spec: ToolSpec) -> Iterator[str]:
    """Check arguments against the schema, as far as they are known before the plan runs."""
    wrong = check(spec, arguments, unknown=holds_references)
    if wrong is not None:
        yield f"{wrong.message}. {wrong.hint or ''}".rstrip()


def _cycle(steps: Iterable[PlanStep]) -> list[str]:
    """The ids of one cycle, with the first one repeated at the end; empty if there is none."""
    behind = {step.id: step.depends_on for step in steps}
    clear: set[str] = set()
    for start in behind:
        path: list[str] = []
        todo = [(start, False)]
        while todo:
            name, left = todo.pop()
            if left:
                clear.add(path.pop())
            elif name in path:
                return [*path[path.index(name) :], name]
            elif name not in clear:
                path.append(name)
                todo.append((name, True))
                todo += [(other, False) for other in behind.get(name, ())]
    return []


def _with_end(steps: list[PlanStep], plan: Plan) -> list[PlanStep]:
    """The steps with a last `synthesize` that depends on every step without a dependent.

    It comes last, which makes its result the answer.
    """
    awaited = {_whole(other) for step in steps for other in step.depends_on}
    ends = [n for n, step in enumerate(steps) if step.tool == "synthesize"]
    end = next((n for n in reversed(ends) if steps[n].id not in awaited), None)
    others = [step for n, step in enumerate(steps) if n != end]
    used = {_whole(other) for step in others for other in step.depends_on}
    open_steps = [step.id for step in others if step.id not in used]
    kept = [name for name in plan.staying(steps) if _whole(name) not in used]
    if end is None:
        taken = {step.id for step in steps} | set(plan.kept)
        name = next(n for n in ("answer", *(f"answer{n}" for n in range(2, 99))) if n not in taken)
        last = PlanStep(id=name, description="Answer the goal.", tool="synthesize")
    else:
        last = steps[end]
    heard = last.depends_on or kept
    return [*others, last.model_copy(update={"depends_on": _once(*heard, *open_steps)})]


def _once(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _whole(name: str) -> str:
    """The step that a name belongs to; a name may be one of its elements."""
    return name.partition("[")[0]


def binding_of(steps: Sequence[PlanStep]) -> str:
    """SHA-256 (hex) of what a person approves: exactly these steps."""
    return sha256(canonical([step.model_dump(mode="json") for step in steps])).hexdigest()


def wants_review(rules: PlanRules, steps: Sequence[PlanStep]) -> bool:
    """Whether a person must approve these steps before they run."""
    if rules.review != "matches":
        return rules.review == "always"
    document: dict[str, Json] = {"steps": [step.model_dump(mode="json") for step in steps]}
    return matches_schema(rules.review_schema or {}, document)
