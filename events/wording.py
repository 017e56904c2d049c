"""Which fields of a decided event are wording: a sentence for people or the model.

Different wording does not change a decision, so a replay of an old log uses the recorded sentence.
Whether there is a sentence at all does matter, and is compared.
"""

from collections.abc import Mapping

from playhead.events.event import Event
from playhead.events.kinds.approvals import LoopDetected
from playhead.events.kinds.context import ContextCompressed
from playhead.events.kinds.facts import ExtractionEnded
from playhead.events.kinds.model_calls import (
    ExtractionRequested,
    ModelRequested,
    SummaryRequested,
)
from playhead.events.kinds.plans import PlanRevised
from playhead.events.kinds.runs import RunFailed, RunFailing, StrategyChosen
from playhead.events.kinds.steps import OutputRejected, StepFailed, StepStarted
from playhead.events.kinds.tool_calls import ToolRefused
from playhead.events.kinds.waits import OutageWaitStarted

WORDING: Mapping[type[Event], frozenset[str]] = {
    StrategyChosen: frozenset({"reason"}),
    PlanRevised: frozenset({"reason"}),
    StepStarted: frozenset({"problem"}),
    StepFailed: frozenset({"message"}),
    OutputRejected: frozenset({"error"}),
    LoopDetected: frozenset({"message"}),
    ModelRequested: frozenset({"reason"}),
    SummaryRequested: frozenset({"reason"}),
    ExtractionRequested: frozenset({"reason"}),
    ToolRefused: frozenset({"message", "hint"}),
    ContextCompressed: frozenset({"error"}),
    ExtractionEnded: frozenset({"error"}),
    RunFailed: frozenset({"message"}),
    RunFailing: frozenset({"message"}),
    OutageWaitStarted: frozenset({"message"}),
}


def same_but_for_wording(recorded: Event, decided: Event) -> bool:
    """Whether two events of one kind differ at most in wording."""
    if type(recorded) is not type(decided):
        return False
    words = WORDING.get(type(decided), frozenset[str]())
    for name in type(decided).model_fields:
        old, new = getattr(recorded, name), getattr(decided, name)
        if old != new and not (name in words and isinstance(old, str) and isinstance(new, str)):
            return False
    return True
