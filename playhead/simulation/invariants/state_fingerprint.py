"""The part of a run's state that must be the same in memory and after a fresh fold."""

from playhead.projections.state.run_state import RunState


def fingerprint(state: RunState) -> str:
    """Everything that later decisions can depend on, as text."""
    steps = [
        (
            step.id, step.round, step.attempt, step.calls, step.unread, step.rejected, step.empty,
            step.sent, step.used, step.outage, step.context.request("m").hash,
        )
        for step in state.steps.values()
    ]  # fmt: skip
    calls = [
        (call.seq, call.attempts, call.started, call.asked, call.approved, str(call.waits))
        for call in state.calls.values()
    ]
    return repr((
        state.head, state.at, str(state.paused), state.stop, state.ending, steps, calls,
        sorted(state.open), list(state.ready), state.spent,
        [record.seq for record in state.held], state.interrupted, state.code, state.unsupported,
        state.recalled and state.recalled.seq, state.forks, state.waits, state.waited,
    ))  # fmt: skip
