"""How each kind of event changes the state of its run: in place, O(1) a record.

The folds lie on pages by subject; this is their table.
"""

from playhead.events.kinds import memory
from playhead.events.kinds.registry import OUTCOMES
from playhead.events.log.contract import Head
from playhead.events.record import Record
from playhead.projections.state.calls.fold_model_calls import MODELS
from playhead.projections.state.calls.fold_tool_calls import CALLS
from playhead.projections.state.fold_runs import RUNS
from playhead.projections.state.fold_steps import STEPS
from playhead.projections.state.run_state import FoldFunction, RunState


def _recall_requested(state: RunState, record: Record, _: memory.RecallRequested) -> None:
    state.open[record.seq] = record


def _memory_recalled(state: RunState, record: Record, event: memory.MemoryRecalled) -> None:
    if event.error == "interrupted":
        state.interruption(record)  # it is asked again
    else:
        state.recalled = record


MEMORY: dict[str, FoldFunction] = {
    "recall_requested": _recall_requested,
    "memory_recalled": _memory_recalled,
}


def fold(state: RunState, record: Record) -> None:
    """Take in the run's next record."""
    event = record.event
    kind = event.kind
    state.run = record.run  # in a fork's past its parent's
    state.head = Head(record.seq, record.hash)
    state.at = record.at
    if record.held:
        state.held.append(record)
    if record.origin != "decided":
        if not state.held:
            state.ended.clear()
            state.closed.clear()
        if kind != "run_forked":
            state.last = record
    if kind in OUTCOMES:
        state.ended[record.cause or 0] = state.open.pop(record.cause or 0)
    folder = FOLDS.get(kind)
    if folder is None:
        state.unsupported = state.unsupported or kind
    else:
        folder(state, record, event)
    if record.imported:
        state.parked = True


def _nothing(*_: object) -> None:
    """The kind changes nothing that a decision looks at."""


UNSEEN = (
    "strategy_chosen", "tool_pinned", "fact_learned", "extraction_ended", "fact_retracted",
    "memory_stored", "memory_forgotten", "learnings_promoted", "embed_requested", "embedded",
)  # fmt: skip

FOLDS: dict[str, FoldFunction] = {
    **RUNS, **STEPS, **MODELS, **CALLS, **MEMORY, **dict.fromkeys(UNSEEN, _nothing),
}  # fmt: skip
