"""Taking a run up again: after a crash, after a drain, under newer code.

Recovery repeats no intent. Each open intent gets an outcome first (interrupted, or unknown for
`once`), and the roles decide from there. It may itself be cut off anywhere and begun again.
"""

from playhead.actors.engine.engine import Engine
from playhead.actors.engine.turn import Trigger
from playhead.events.errors import UsageError
from playhead.events.kinds.runs import RunPaused, RunResumed
from playhead.events.spec.agent import AgentSpec
from playhead.events.version import VERSION
from playhead.projections.state.run_state import RunState

INTERRUPTIONS = 5
"""After so many interruptions in a row without progress, a run is paused when it is taken up."""


def take_up(engine: Engine, run: str, agent: AgentSpec | None = None) -> None:
    """Go on with an open run that this process has the agent of. Called on the loop.

    An imported run stays parked unless `agent` says who takes it up.

    Raises UnknownRun, LogDamaged, and UsageError for a run of kinds that this code does not know.
    """
    if run in engine.taken:
        return
    state = engine.state(run)
    if state.unsupported is not None:
        msg = f"run {run} has {state.unsupported!r}, which this Playhead cannot go on with"
        raise UsageError(msg)
    if state.ending is not None or (state.parked and agent is None):
        return
    engine.taken.add(run)
    cut_off = list(state.open.items())
    said = _first_word(state, agent)
    if said is not None:
        engine.arrive(run, said)
    for seq, intent in cut_off:
        if seq in state.open:
            engine.effects.recover(intent, state)


def _first_word(state: RunState, agent: AgentSpec | None) -> Trigger | None:
    """What the run hears first, if anything: that it was taken up, or that it is paused."""
    if state.parked:
        resumed = RunResumed(code=VERSION, reason="taken up by name", agent=agent)
        return Trigger(resumed, "user", "outside")
    decides = state.paused is None or state.stop is not None  # a paused run can be stopped
    if state.paused is None and state.stop is None and state.interrupted >= INTERRUPTIONS:
        reason = f"interrupted {state.interrupted} times without getting any further"
        return Trigger(RunPaused(reason=reason), "runtime", "outside")
    if decides and (state.held or state.code != VERSION or _asks_again(state)):
        resumed = RunResumed(code=VERSION, reason="taken up again")
        return Trigger(resumed, "runtime", "outside")
    return None


def _asks_again(state: RunState) -> bool:
    """In a fork of an imported run: whether a call of elsewhere has nobody asked about it yet."""
    return any(call.imported and call.waits is None for call in state.calls.values())
