"""What waits for a person, as a person needs to see it."""

from typing import NamedTuple

from playhead.events.event import Json
from playhead.projections.run_state import RunState


class OpenApproval(NamedTuple):
    """One call that starts only if somebody agrees."""

    run: str
    call: int
    """The seq of its ToolRequested."""
    tool: str
    arguments: dict[str, Json]
    effect: str
    binding: str
    """What a decision must carry: the hash of exactly this."""
    goal: str
    expires_at: int | None
    """Microseconds since the epoch."""


def open_approvals(state: RunState) -> list[OpenApproval]:
    """The run's open requests, oldest first; none once it is stopping."""
    if not state.may_start:
        return []
    return [
        OpenApproval(
            state.run, call.seq, call.wish.tool, call.arguments,
            "once" if call.spec is None else call.spec.effect,
            call.waits.binding, state.run_started.goal, call.waits.expires_at,
        )
        for call in state.calls.values()
        if call.waits is not None
    ]  # fmt: skip
