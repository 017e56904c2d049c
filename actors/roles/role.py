"""What a role is: a pure `decide`, and the events that it subscribes to.

The four roles decide in one fixed order. What each of them may decide is in one table: here for
other events, and in `actors/performing/effects.py` for intents; the turn refuses anything else.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal, TypeAlias

from playhead.events.event import Address, Event, Intent, Outcome
from playhead.events.kinds.approvals import ApprovalRequested, LoopDetected
from playhead.events.kinds.context import ContextCompressed, ContextFilled
from playhead.events.kinds.facts import AnswerReached, ExtractionEnded, FactLearned
from playhead.events.kinds.guardrails import GuardrailDecided
from playhead.events.kinds.memory import MemoryStored
from playhead.events.kinds.model_calls import BudgetNeared
from playhead.events.kinds.plans import PlanProposed, PlanRevised
from playhead.events.kinds.runs import (
    LimitReached,
    RunCancelled,
    RunFailed,
    RunFailing,
    RunFinished,
    StrategyChosen,
)
from playhead.events.kinds.steps import OutputRejected, StepFailed, StepFinished, StepStarted
from playhead.events.kinds.tool_calls import ToolRefused, ToolRequested
from playhead.events.kinds.waits import AnswerAwaited, OutageWaitStarted
from playhead.events.record import Record
from playhead.projections.state.run_state import RunState

RoleName: TypeAlias = Literal["planner", "executor", "tool", "memory"]

ORDER: tuple[RoleName, ...] = ("planner", "executor", "tool", "memory")

DECIDES: Mapping[type[Event], tuple[RoleName, ...]] = {
    StrategyChosen: ("planner",),
    PlanProposed: ("planner",),
    PlanRevised: ("planner",),
    StepStarted: ("planner",),
    AnswerReached: ("planner",),
    RunFinished: ("planner",),
    RunFailed: ("planner",),
    RunFailing: ("planner",),
    RunCancelled: ("planner",),
    ToolRequested: ("executor",),
    OutputRejected: ("executor",),
    StepFinished: ("executor",),
    StepFailed: ("executor",),
    LoopDetected: ("executor",),
    ContextFilled: ("executor",),
    BudgetNeared: ("executor",),
    GuardrailDecided: ("executor",),
    ToolRefused: ("tool",),
    AnswerAwaited: ("tool",),
    ContextCompressed: ("memory",),
    FactLearned: ("memory",),
    ExtractionEnded: ("memory",),
    MemoryStored: ("memory",),
    OutageWaitStarted: ("executor",),
    LimitReached: ("executor", "tool"),
    ApprovalRequested: ("planner", "tool"),
}
"""Which roles may decide an event that is not an intent. Any role that reserves may record a limit;
the planner asks a person about a plan, and the tool role about a call."""


def heard(*kinds: type[Event]) -> frozenset[Address]:
    """Subscribe to events that are not outcomes."""
    return frozenset((kind, None) for kind in kinds)


def outcomes_of(intents: Iterable[type[Intent]], *only: type[Outcome]) -> frozenset[Address]:
    """Subscribe to outcomes of these intents; with `only`, to those kinds of outcomes."""
    return frozenset(
        (outcome, intent)
        for intent in intents
        for outcome in intent.OUTCOMES
        if not only or outcome in only
    )


class Role(ABC):
    """One of the four roles: `decide` returns what follows from what has happened."""

    name: ClassVar[RoleName]
    hears: ClassVar[frozenset[Address]]
    """The events that it sees."""

    @abstractmethod
    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """What follows from `record`, given everything folded so far.

        Pure: no clock, no random source, no environment, no network, no user code; changes nothing.
        """

    def stopping(self, state: RunState, record: Record) -> Sequence[Event]:
        """Replaces `decide` once the run is stopping: nothing new may start. Pure as well."""
        return ()
