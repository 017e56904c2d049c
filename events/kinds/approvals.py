"""Guards: approvals by people, answers of rules, detected loops."""

from typing import Literal

from playhead.events.event import Data, Event, Intent, Json, Outcome
from playhead.events.kinds.plans import PlanStep
from playhead.events.kinds.waits import WaitStarted


class ApprovalRequested(WaitStarted):
    """A call waits for a person: for approval, or (`input`) for the answer that its tool needs.

    It waits without a thread and across restarts.
    """

    kind: Literal["approval_requested"] = "approval_requested"
    about: Literal["call", "plan", "input"] = "call"
    call: int
    """The seq of the ToolRequested; for a plan, of its PlanProposed or PlanRevised."""
    binding: str
    """SHA-256 (hex) of the plan, of tool, arguments and definition, or of the questions: the
    answer applies to exactly this."""
    expires_at: int | None = None
    """Microseconds since the epoch, when the request expires."""
    rule_error: str | None = None
    """The error of the tool's approval rule: its answer is unknown."""
    questions: dict[str, Json] | None = None
    """What the tool asks, as in ToolInputRequired."""
    bound: Literal["session"] | None = None
    """The questions can be answered only while the session lasts in which the tool asks."""


class Decider(Data):
    """Who decided, as reported by their process: information, not proof."""

    user: str
    """The name of the account, or its number."""
    process: int
    """The process id, on the machine where it was decided."""
    terminal: str | None = None
    """The device, such as /dev/pts/3; None if there was none."""


class ApprovalDecided(Event):
    """A person approved or denied a call, or a plan."""

    kind: Literal["approval_decided"] = "approval_decided"
    call: int
    binding: str
    """The binding of the request that was answered; it answers no other request."""
    approved: bool
    reason: str | None = None
    """Shown to the model when denied."""
    arguments: dict[str, Json] | None = None
    """Different arguments for the call, None for the requested ones; or what is answered to the
    tool: the fields of its one question, or of each question by its key."""
    plan: tuple[PlanStep, ...] | None = None
    """Different steps to run; None for the proposed ones."""
    by: Decider | None = None
    """None only if no person's or program's process made the decision: in a simulation."""


class RuleAnswered(Outcome):
    """The answer of the agent's function; after an error, the cautious answer applies."""

    kind: Literal["rule_answered"] = "rule_answered"
    answer: Json = None
    error: str | None = None


class RuleAsked(Intent):
    """One of the agent's own functions is called."""

    OUTCOMES = (RuleAnswered,)


class ApprovalRuleAsked(RuleAsked):
    """Must a person approve this call?"""

    kind: Literal["approval_rule_asked"] = "approval_rule_asked"
    call: int
    """The seq of the ToolRequested."""


class RouterAsked(RuleAsked):
    """Which type of task is this step?"""

    kind: Literal["router_asked"] = "router_asked"
    step: str
    task: str


class OutputRuleAsked(RuleAsked):
    """Does the output type accept this answer?"""

    kind: Literal["output_rule_asked"] = "output_rule_asked"
    step: str
    output: Json = None


class StrategyAsked(RuleAsked):
    """How should this goal be reached?"""

    kind: Literal["strategy_asked"] = "strategy_asked"
    goal: str
    tools: tuple[str, ...] = ()
    """The names of the agent's tools."""


class FunctionAsked(RuleAsked):
    """What is the answer? The agent is a user function."""

    kind: Literal["function_asked"] = "function_asked"
    goal: str


class InstructionsAsked(RuleAsked):
    """Which instructions does this run have? Asked once, before its first step."""

    kind: Literal["instructions_asked"] = "instructions_asked"


RULES = (
    ApprovalRuleAsked, RouterAsked, OutputRuleAsked, StrategyAsked, FunctionAsked,
    InstructionsAsked,
)  # fmt: skip


class LoopDetected(Event):
    """The run repeats itself: the model is warned, or the run is stopped."""

    kind: Literal["loop_detected"] = "loop_detected"
    step: str
    pattern: Literal["same_answer", "same_failure", "cycle", "no_progress"]
    count: int
    action: Literal["warn", "stop"]
    message: str
    """The message to the model."""
