"""What a guardrail would have judged in a recorded run, and what its verdicts would have meant.

The texts are those that came in, before any guardrail of the run itself had replaced them. After a
verdict other than to allow, the run would have gone another way: what follows it is counted all
the same, so that a trial over many runs finds every text that the guardrail stops.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from playhead.events.kinds.child_runs import ChildFinished, ChildStarted
from playhead.events.kinds.model_calls import ModelAnswered, ModelRequested
from playhead.events.kinds.runs import MessageReceived, RunStarted
from playhead.events.kinds.tool_calls import AttemptStarted, ToolFailed, ToolSucceeded
from playhead.events.record import Record
from playhead.events.registry import ENDINGS
from playhead.events.spec.guardrails import GuardrailSpec, Place, Verdict
from playhead.projections.state.fold import fold
from playhead.projections.state.guarded import input_text, is_answer, outcome_text
from playhead.projections.state.run_state import RunState


class JudgedText(NamedTuple):
    """A text that a guardrail may judge."""

    seq: int
    on: Place
    text: str
    tool: str | None = None
    """For results."""


class TriedVerdict(NamedTuple):
    """A verdict that the guardrail would have given; only those that do not allow are kept."""

    seq: int
    on: Place
    verdict: str
    text: str


class GuardrailTrial(NamedTuple):
    """A guardrail on one recorded run."""

    run: str
    status: str
    """finished, failed, cancelled or open."""
    judged: int
    """Texts that it would have judged."""
    verdicts: tuple[TriedVerdict, ...]

    @property
    def wrong(self) -> bool:
        """Whether it would have blocked a run that finished well."""
        return self.status == "finished" and any(v.verdict == "block" for v in self.verdicts)


def judged_texts(records: Iterable[Record]) -> Iterator[JudgedText]:
    """Every text of a run that a guardrail could judge, in order."""
    state = RunState("trial")
    for record in records:
        fold(state, record)
        match record.event, state.asked(record):
            case (RunStarted() | MessageReceived()) as event, _:
                yield JudgedText(record.seq, "input", input_text(event))
            case (ToolSucceeded() | ToolFailed() | ChildFinished()) as outcome, (
                AttemptStarted() | ChildStarted()
            ) as asked if asked.call in state.closed:
                text, call = outcome_text(outcome), state.closed[asked.call]
                if text is not None:
                    yield JudgedText(record.seq, "result", text, call.requested.tool)
            case ModelAnswered() as reply, ModelRequested(step=name) if is_answer(
                state.steps[name], reply
            ):
                yield JudgedText(record.seq, "answer", state.steps[name].said)
            case _:
                pass


def try_guardrail(
    records: Iterable[Record], rule: GuardrailSpec, verdict: Callable[[str], Verdict]
) -> GuardrailTrial:
    """Try it on one run's records; `verdict` judges a text. Raises IndexError for no records."""
    told = list(records)
    texts = [t for t in judged_texts(told) if t.on == rule.on and _is_for(rule, t)]
    found = [(text, verdict(text.text)) for text in texts]
    return GuardrailTrial(
        told[-1].run,
        ENDINGS.get(told[-1].event.kind, "open"),
        len(texts),
        tuple(
            TriedVerdict(text.seq, text.on, given.verdict, given.text)
            for text, given in found
            if given.verdict != "allow"
        ),
    )


def _is_for(rule: GuardrailSpec, text: JudgedText) -> bool:
    return rule.tools is None or text.tool in rule.tools
