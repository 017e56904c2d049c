"""Taking a run up again: after a crash, after a drain, under newer code.

Recovery repeats no intent. Each open intent gets an outcome first (interrupted, or unknown for
`once`), and the roles decide from there. It may itself be cut off anywhere and begun again.
"""

from playhead.actors.engine.engine import Engine
from playhead.actors.engine.turn import Trigger
from playhead.events.errors import UsageError
from playhead.events.kinds.runs import RunPaused, RunResumed
from playhead.events.version import VERSION

INTERRUPTIONS = 5
"""After so many interruptions in a row without progress, a run is paused when it is taken up."""


def take_up(engine: Engine, run: str) -> None:
    """Go on with an open run that this process has the agent of. Called on the loop.

    Raises UnknownRun, LogDamaged, and UsageError for a run of kinds that this code does not know.
    """
    if run in engine.taken:
        return
    state = engine.state(run)
    if state.unsupported is not None:
        msg = f"run {run} has {state.unsupported!r}, which this Playhead cannot go on with"
        raise UsageError(msg)
    if state.ending is not None:
        return
    engine.taken.add(run)
    engine.let_go.pop(run, None)
    cut_off = list(state.open.items())
    decides = state.paused is None or state.stop is not None  # a paused run can be stopped
    if state.paused is None and state.stop is None and state.interrupted >= INTERRUPTIONS:
        reason = f"interrupted {state.interrupted} times without getting any further"
        engine.arrive(run, Trigger(RunPaused(reason=reason), "runtime", "outside"))
    elif decides and (state.held or state.code != VERSION):
        resumed = RunResumed(code=VERSION, reason="taken up again")
        engine.arrive(run, Trigger(resumed, "runtime", "outside"))
    for seq, intent in cut_off:
        if seq in state.open:
            engine.effects.recover(intent, state)
