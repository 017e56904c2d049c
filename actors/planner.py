"""The planner: chooses how to reach the goal, starts the steps, and alone ends the run."""

from collections.abc import Sequence
from typing import ClassVar

from playhead.actors.role import Role, RoleName
from playhead.events.event import Event
from playhead.events.kinds import OUTCOMES
from playhead.events.record import Record
from playhead.events.runs import (
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StrategyChosen,
)
from playhead.events.steps import StepFailed, StepFinished, StepStarted
from playhead.projections.run_state import RunState, Stop

REACT_STEP = "main"
"""ReAct is one step."""

STOPS = frozenset({
    "cancel_requested", "time_reached", "limit_reached", "loop_detected", "tool_refused",
})  # fmt: skip


class Planner(Role):
    """Turn a goal into steps, and their ends into the run's."""

    name: ClassVar[RoleName] = "planner"
    handles: ClassVar[frozenset[str]] = (
        frozenset({"run_started", "step_finished", "step_failed", "run_resumed"}) | OUTCOMES | STOPS
    )

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """Choose, start, end."""
        if state.ending is not None:
            return []
        if state.stop is not None:
            return [_ended_by(state.stop)] if state.at_rest else []
        match record.event:
            case RunStarted(goal=goal):
                chosen = StrategyChosen(strategy="react", reason="the only strategy so far")
                return [chosen, StepStarted(step=REACT_STEP, task=goal)]
            case StepFinished(answer=answer, output=output):
                return [RunFinished(answer=answer, output=output)]
            case StepFailed(reason=reason, message=message):
                return [RunFailed(reason=reason, message=message)]
            case _:
                return []


def _ended_by(stop: Stop) -> Event:
    if stop.kind == "cancelled":
        return RunCancelled(reason=stop.message)
    return RunFailed(reason=stop.reason, message=stop.message)
