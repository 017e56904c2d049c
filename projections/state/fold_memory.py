"""How a run is told, before its first step, what its namespace remembers."""

from playhead.events.kinds import memory
from playhead.events.record import Record
from playhead.projections.state.run_state import Folder, RunState


def _recall_requested(state: RunState, record: Record, _: memory.RecallRequested) -> None:
    state.open[record.seq] = record


def _memory_recalled(state: RunState, record: Record, event: memory.MemoryRecalled) -> None:
    if event.error == "interrupted":
        state.interruption(record)  # it is asked again
    else:
        state.recalled = record


MEMORY: dict[str, Folder] = {
    "recall_requested": _recall_requested,
    "memory_recalled": _memory_recalled,
}
