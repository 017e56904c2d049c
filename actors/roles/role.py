"""What a role is: a pure `decide`, an async `perform`, and the kinds it may decide.

The four roles decide in one fixed order. Which role decides which kind stands in one table; a role
that decides another's kind is a bug that the turn refuses.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, TypeAlias

from playhead.events.event import Event
from playhead.events.kinds.approvals import ApprovalRequested, RuleAsked
from playhead.events.kinds.model_calls import ModelRequested
from playhead.events.kinds.runs import LimitReached
from playhead.events.kinds.tool_calls import ToolStarted
from playhead.events.model_api import Request
from playhead.events.record import Record
from playhead.events.spec.memory import Scope
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import ToolCall

RoleName: TypeAlias = Literal["planner", "executor", "tool", "memory"]

ORDER: tuple[RoleName, ...] = ("planner", "executor", "tool", "memory")

PERFORMS: Mapping[str, RoleName] = {
    "model_requested:step": "executor",
    "model_requested:summary": "executor",
    "model_requested:extraction": "executor",
    "tool_started": "tool",
    "rule_asked:approval": "tool",
    "rule_asked:router": "executor",
    "rule_asked:output": "executor",
    "rule_asked:fork": "tool",
    "rule_asked:strategy": "planner",
    "rule_asked:function": "planner",
    "child_started": "tool",
    "tool_started:memory": "memory",
    "recall_requested": "memory",
}
"""Intent, or intent:purpose, -> the role that performs it."""

DECIDES: Mapping[str, RoleName] = {
    "strategy_chosen": "planner",
    "rule_asked:strategy": "planner",
    "rule_asked:function": "planner",
    "plan_proposed": "planner",
    "plan_revised": "planner",
    "approval_requested:plan": "planner",
    "step_started": "planner",
    "run_finished": "planner",
    "run_failed": "planner",
    "run_cancelled": "planner",
    "model_requested:step": "executor",
    "model_requested:summary": "memory",
    "model_requested:extraction": "memory",
    "context_filled": "executor",
    "context_compressed": "memory",
    "answer_reached": "planner",
    "fact_learned": "memory",
    "memory_stored": "memory",
    "recall_requested": "memory",
    "extraction_ended": "memory",
    "tool_requested": "executor",
    "output_rejected": "executor",
    "step_finished": "executor",
    "step_failed": "executor",
    "loop_detected": "executor",
    "limit_reached:max_steps": "executor",
    "limit_reached:max_model_calls": "executor",
    "limit_reached:max_tokens": "executor",
    "limit_reached:max_cost": "executor",
    "budget_neared": "executor",
    "rule_asked:router": "executor",
    "rule_asked:output": "executor",
    "limit_reached:max_tool_calls": "tool",
    "tool_started": "tool",
    "tool_started:memory": "tool",
    "child_started": "tool",
    "tool_refused": "tool",
    "approval_requested:call": "tool",
    "rule_asked:approval": "tool",
    "rule_asked:fork": "tool",
}
"""Kind, or kind:purpose, -> the one role that decides it."""


def purpose(event: Event) -> str:
    """The event's key in DECIDES and PERFORMS."""
    match event:
        case LimitReached(limit=word) | RuleAsked(rule=word) | ApprovalRequested(about=word):
            return f"{event.kind}:{word}"
        case ModelRequested(purpose=word):
            return f"{event.kind}:{word}"
        case ToolStarted(performer="memory"):
            return f"{event.kind}:memory"
        case _:
            return event.kind


Job: TypeAlias = Request | ToolCall | Scope | None
"""What an intent is about: the rendered request, the call with its wish, what may be recalled, or
the intent alone."""


class Role(ABC):
    """One of the four: `decide` says what follows, `perform` makes it happen in the world."""

    name: ClassVar[RoleName]
    handles: ClassVar[frozenset[str]]
    """The kinds that it is shown; outcomes of model calls by their purpose too (`address`)."""

    @abstractmethod
    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """What follows from `record`, given everything folded so far.

        Pure: no clock, no random source, no environment, no network, no user code; changes nothing.
        """

    async def perform(self, intent: Record, job: Job, agent: str) -> Event:
        """Do what a committed intent announces and say what came of it. The only code that waits.

        `agent` is the name of the agent whose run it is.
        Raises asyncio.CancelledError when it is cancelled; everything else becomes an outcome.
        """
        msg = f"{self.name} performs no {intent.event.kind}"
        raise NotImplementedError(msg)

    async def recover(self, intent: Record, job: Job, agent: str) -> Event:
        """What became of an effect that a crash cut off, as far as can be found out."""
        return self.cut_off(intent, job, "interrupted")

    def cut_off(self, intent: Record, job: Job, reason: str) -> Event:
        """The outcome of an effect that was cut off: cancelled, or interrupted by a crash."""
        msg = f"{self.name} performs no {intent.event.kind}"
        raise NotImplementedError(msg)
