"""Guards: people asked for their approval, rules asked for their answer, loops noticed."""

from typing import Literal

from playhead.events.event import Data, Event, Intent, Json, Outcome
from playhead.events.kinds.plans import PlanStep
from playhead.events.kinds.waits import WaitStarted


class ApprovalRequested(WaitStarted):
    """A call waits for a person. The run goes on without a thread, across restarts."""

    kind: Literal["approval_requested"] = "approval_requested"
    about: Literal["call", "plan"] = "call"
    call: int
    """The seq of the ToolRequested; for a plan, of its PlanProposed or PlanRevised."""
    binding: str
    """SHA-256 (hex) over the plan, or over tool, arguments and definition: this is approved, and
    nothing else."""
    expires_at: int | None = None
    """Microseconds since the epoch; the request lapses then."""
    rule_error: str | None = None
    """What the tool's approval rule raised: nobody knows whether it would have asked."""


class Decider(Data):
    """Who gave a verdict, as their process says it: to be read, not a proof of anything."""

    user: str
    """The name of the account, or its number."""
    process: int
    """The process id, on the machine where it was decided."""
    terminal: str | None = None
    """The device, such as /dev/pts/3; None where there was none."""


class ApprovalDecided(Event):
    """A person approved or denied a call, or a plan."""

    kind: Literal["approval_decided"] = "approval_decided"
    call: int
    binding: str
    """The binding of the request that was read; another one is not answered by it."""
    approved: bool
    reason: str | None = None
    """Told to the model when denied."""
    arguments: dict[str, Json] | None = None
    """Other arguments to call it with; None for those asked for."""
    plan: tuple[PlanStep, ...] | None = None
    """Other steps to run; None for those asked about."""
    by: Decider | None = None
    """None only where no process of a person's or program's gave it: in a simulation."""


class RuleAnswered(Outcome):
    """What the agent's function said; an error counts as the careful answer."""

    kind: Literal["rule_answered"] = "rule_answered"
    answer: Json = None
    error: str | None = None


class RuleAsked(Intent):
    """One of the agent's own functions is to be asked."""

    OUTCOMES = (RuleAnswered,)


class ApprovalRuleAsked(RuleAsked):
    """Must a person approve this call? The call says what it is about."""

    kind: Literal["approval_rule_asked"] = "approval_rule_asked"
    call: int
    """The seq of the ToolRequested."""


class RouterAsked(RuleAsked):
    """Which type of task is this step?"""

    kind: Literal["router_asked"] = "router_asked"
    step: str
    task: str


class OutputRuleAsked(RuleAsked):
    """Does the output's type accept this answer?"""

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
    """What is the answer? The agent is a plain function."""

    kind: Literal["function_asked"] = "function_asked"
    goal: str


RULES = (ApprovalRuleAsked, RouterAsked, OutputRuleAsked, StrategyAsked, FunctionAsked)


class LoopDetected(Event):
    """The run goes in circles: the model is told, or the run is stopped."""

    kind: Literal["loop_detected"] = "loop_detected"
    step: str
    pattern: Literal["same_answer", "same_failure", "cycle", "no_progress"]
    count: int
    action: Literal["warn", "stop"]
    message: str
    """As the model reads it."""
