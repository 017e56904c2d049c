"""Influence: what had used a record, folded run by run: replies that saw it, what they led to.

A reply that saw it is influenced, so are the calls it wished, their results, a summary that covers
it, the answer; and what saw those. What a user said later is not.
"""

from collections.abc import Iterable, Iterator

from playhead.events.event import Event
from playhead.events.kinds import OUTCOMES
from playhead.events.learning import ContextCompressed, FactLearned
from playhead.events.model_calls import ModelRequested
from playhead.events.record import Record
from playhead.projections.fold import fold
from playhead.projections.run_state import RunState

FOLLOWS = frozenset({
    "tool_requested", "tool_started", "step_finished", "answer_reached", "extraction_ended",
    "run_finished",
})  # fmt: skip
"""Kinds that are influenced by what decided them."""

Mark = tuple[str, int]
"""(run, seq) of a record."""


def spread(state: RunState, records: Iterable[Record], marks: set[Mark]) -> Iterator[Record]:
    """The run's records that had used a marked one; they are marked too.

    `state` is the run's before its first record.
    """
    for record in records:
        fold(state, record)
        if _used(state, record, record.event, marks):
            marks.add((state.run, record.seq))
            yield record


def _used(state: RunState, record: Record, event: Event, marks: set[Mark]) -> bool:
    run = state.run
    match event:
        case ModelRequested(purpose="step", step=step):
            pieces = state.steps[step].context.pieces
            return any((piece.run, seq) in marks for piece in pieces for seq in piece.sources)
        case ModelRequested():
            return (run, record.cause or 0) in marks
        case ContextCompressed(covers=covers):
            return any(c.run == r and c.first <= n <= c.last for c in covers for r, n in marks)
        case FactLearned(sources=sources):
            return any((run, seq) in marks for seq in sources)
        case _ if event.kind in OUTCOMES or event.kind in FOLLOWS:
            return (run, record.cause or 0) in marks or _answers_a_marked_call(event, run, marks)
        case _:
            return False


def _answers_a_marked_call(event: Event, run: str, marks: set[Mark]) -> bool:
    return event.kind == "tool_started" and (run, getattr(event, "call", 0)) in marks
