"""The table of effects: for each intent, who decides it, who performs it, and how it ends.

An effect without an outcome of its own gets one from its row: it was cut off (cancelled, or
interrupted by a crash) or broken. The type checkers match each row's intent, job and outcomes.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from playhead.actors.performing.agent_functions import (
    fork_check_broken,
    fork_check_cut_off,
    guarded_text,
    nothing_else,
    perform_approval_rule,
    perform_fork_check,
    perform_function,
    perform_guardrail,
    perform_instructions,
    perform_output_rule,
    perform_router,
    perform_strategy,
    rule_broken,
    rule_cut_off,
)
from playhead.actors.performing.memory_search import (
    perform_recall,
    recall_broken,
    recall_cut_off,
    scope_of,
)
from playhead.actors.performing.model_call import (
    model_broken,
    model_cut_off,
    perform_model_call,
    request_of,
)
from playhead.actors.performing.services import Services, Work
from playhead.actors.performing.tool_attempts import (
    AttemptOutcome,
    attempt_broken,
    attempt_cut_off,
    call_of,
    child_broken,
    child_cut_off,
    perform_attempt,
    perform_child,
    recover_attempt,
)
from playhead.actors.roles.role import DECIDES, RoleName
from playhead.events.event import Event, Intent, Outcome
from playhead.events.kinds.approvals import (
    ApprovalRuleAsked,
    FunctionAsked,
    InstructionsAsked,
    OutputRuleAsked,
    RouterAsked,
    RuleAnswered,
    StrategyAsked,
)
from playhead.events.kinds.child_runs import ChildFinished, ChildStarted
from playhead.events.kinds.forks import ForkChecked, ForkCheckRequested
from playhead.events.kinds.guardrails import GuardrailAsked
from playhead.events.kinds.memory import MemoryRecalled, RecallRequested
from playhead.events.kinds.model_calls import (
    ExtractionRequested,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    SummaryRequested,
)
from playhead.events.kinds.tool_calls import MemoryToolStarted, ToolStarted
from playhead.events.model_api import Request
from playhead.events.spec.memory import Scope
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import ToolCall

IntentT = TypeVar("IntentT", bound=Intent)
JobT = TypeVar("JobT")
OutcomeT = TypeVar("OutcomeT", bound=Outcome, covariant=True)


@dataclass(frozen=True)
class Effect(Generic[IntentT, JobT, OutcomeT]):
    """One row: an intent, its job, and the outcomes that end it."""

    intent: type[IntentT]
    decides: RoleName
    performs: RoleName
    job: Callable[[RunState, IntentT], JobT]
    """The job of the intent, found in the state once the intent is committed."""
    perform: Callable[[Services, Work[IntentT, JobT]], Awaitable[OutcomeT]]
    """Performs it. Raises CancelledError when cancelled; other exceptions become an outcome."""
    cut_off: Callable[[IntentT, JobT, str], OutcomeT]
    """(intent, job, reason) -> its outcome when `cancelled` or `interrupted`."""
    broken: Callable[[str, str], OutcomeT]
    """(word, message) -> its outcome when it raised or returned something that cannot be stored."""
    recover: Callable[[Services, Work[IntentT, JobT]], Awaitable[OutcomeT]] | None = None
    """Determines its outcome after a crash; None: it counts as interrupted."""


ModelOutcome: TypeAlias = ModelAnswered | ModelFailed

AnyEffect: TypeAlias = Effect[Any, Any, Outcome]

ROWS: tuple[AnyEffect, ...] = (
    Effect[ModelRequested, Request, ModelOutcome](
        ModelRequested, "executor", "executor",
        request_of, perform_model_call, model_cut_off, model_broken,
    ),
    Effect[SummaryRequested, Request, ModelOutcome](
        SummaryRequested, "memory", "executor",
        request_of, perform_model_call, model_cut_off, model_broken,
    ),
    Effect[ExtractionRequested, Request, ModelOutcome](
        ExtractionRequested, "memory", "executor",
        request_of, perform_model_call, model_cut_off, model_broken,
    ),
    Effect[ToolStarted, ToolCall, AttemptOutcome](
        ToolStarted, "tool", "tool",
        call_of, perform_attempt, attempt_cut_off, attempt_broken, recover_attempt,
    ),
    Effect[MemoryToolStarted, ToolCall, AttemptOutcome](
        MemoryToolStarted, "tool", "memory",
        call_of, perform_attempt, attempt_cut_off, attempt_broken,
    ),
    Effect[ChildStarted, ToolCall, ChildFinished](
        ChildStarted, "tool", "tool",
        call_of, perform_child, child_cut_off, child_broken, perform_child,
    ),
    Effect[ForkCheckRequested, None, ForkChecked](
        ForkCheckRequested, "tool", "tool",
        nothing_else, perform_fork_check, fork_check_cut_off, fork_check_broken,
    ),
    Effect[ApprovalRuleAsked, ToolCall, RuleAnswered](
        ApprovalRuleAsked, "tool", "tool",
        call_of, perform_approval_rule, rule_cut_off, rule_broken,
    ),
    Effect[RouterAsked, None, RuleAnswered](
        RouterAsked, "executor", "executor",
        nothing_else, perform_router, rule_cut_off, rule_broken,
    ),
    Effect[OutputRuleAsked, None, RuleAnswered](
        OutputRuleAsked, "executor", "executor",
        nothing_else, perform_output_rule, rule_cut_off, rule_broken,
    ),
    Effect[GuardrailAsked, str, RuleAnswered](
        GuardrailAsked, "executor", "executor",
        guarded_text, perform_guardrail, rule_cut_off, rule_broken,
    ),
    Effect[StrategyAsked, None, RuleAnswered](
        StrategyAsked, "planner", "planner",
        nothing_else, perform_strategy, rule_cut_off, rule_broken,
    ),
    Effect[InstructionsAsked, None, RuleAnswered](
        InstructionsAsked, "planner", "planner",
        nothing_else, perform_instructions, rule_cut_off, rule_broken,
    ),
    Effect[FunctionAsked, None, RuleAnswered](
        FunctionAsked, "planner", "planner",
        nothing_else, perform_function, rule_cut_off, rule_broken,
    ),
    Effect[RecallRequested, Scope, MemoryRecalled](
        RecallRequested, "memory", "memory",
        scope_of, perform_recall, recall_cut_off, recall_broken,
    ),
)  # fmt: skip

EFFECTS: Mapping[type[Event], AnyEffect] = {row.intent: row for row in ROWS}

DECIDERS: Mapping[type[Event], tuple[RoleName, ...]] = {
    **DECIDES, **{row.intent: (row.decides,) for row in ROWS},
}  # fmt: skip
"""Which roles may decide an event; exactly one for an intent."""
