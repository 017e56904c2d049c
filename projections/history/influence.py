"""Influence: what had used a record, folded run by run: replies that saw it, what they led to.

A reply that saw it is influenced, so are the calls it wished, their results, a summary that covers
it, the answer; and what saw those: runs that it started, memories and facts that were stored from
it, runs that were told of them. What a user said later is not.
"""

from collections.abc import Iterable, Iterator
from typing import Any, cast

from playhead.events.event import Event
from playhead.events.kinds.child_runs import ChildFinished, ChildStarted
from playhead.events.kinds.context import ContextCompressed
from playhead.events.kinds.facts import FactLearned
from playhead.events.kinds.memory import MemoryRecalled
from playhead.events.kinds.model_calls import ModelCall, ModelRequested
from playhead.events.kinds.runs import RunStarted
from playhead.events.kinds.tool_calls import AttemptStarted, MemoryToolStarted, ToolSucceeded
from playhead.events.record import Record
from playhead.events.registry import ENDINGS, OUTCOMES
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState

FOLLOWS = frozenset({
    "tool_requested", "tool_started", "memory_tool_started", "step_finished",
    "answer_reached", "extraction_ended", "run_finished", "step_started", "child_started",
    "memory_stored",
})  # fmt: skip
"""Kinds that are influenced by what decided them."""

Mark = tuple[str, int]
"""(run, seq) of a record."""

ANSWER = -1
"""In place of a seq: whatever the run came to."""


def spread(state: RunState, records: Iterable[Record], marks: set[Mark]) -> Iterator[Record]:
    """The run's records that had used a marked one; they are marked too.

    `state` is the run's before its first record.
    """
    for record in records:
        told = list(_told(state, record))
        fold(state, record)
        if any(mark in marks for mark in told) or _used(state, record, record.event, marks):
            marks.add((state.run, record.seq))
            if record.event.kind in ENDINGS:
                marks.add((state.run, ANSWER))
            yield record


def _told(state: RunState, record: Record) -> Iterator[Mark]:
    """The records of other runs that a record tells its run of."""
    match record.event:
        case RunStarted(parent=parent) if parent is not None:
            yield parent.run, parent.seq
        case ChildFinished():
            started = state.open[record.cause or 0].event
            assert isinstance(started, ChildStarted)
            yield started.run, ANSWER
        case MemoryRecalled(memories=memories, facts=facts):
            yield from ((memory.run, memory.seq) for memory in memories)
            yield from ((fact.run, fact.seq) for fact in facts)
        case ToolSucceeded(result=dict(result)):
            intent = state.open[record.cause or 0].event
            if isinstance(intent, MemoryToolStarted):
                yield from _sources(result)
        case _:
            pass


def _sources(result: dict[str, Any]) -> Iterator[Mark]:
    """Where the memories that `recall` gave are from."""
    for memory in cast("list[dict[str, str]]", result.get("memories", [])):
        run, _, seq = memory["source"].rpartition(":")
        yield run, int(seq)


def _used(state: RunState, record: Record, event: Event, marks: set[Mark]) -> bool:
    run = state.run
    match event:
        case ModelRequested(step=step):
            pieces = state.steps[step].context.pieces
            return any((piece.run, seq) in marks for piece in pieces for seq in piece.sources)
        case ModelCall():
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
    return isinstance(event, AttemptStarted) and (run, event.call) in marks
