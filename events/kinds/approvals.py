"""Guards: people asked for their approval, rules asked for their answer, loops noticed."""

from typing import Literal

from playhead.events.event import Data, Event, Json
from playhead.events.kinds.plans import PlanStep


class ApprovalRequested(Event):
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


class RuleAsked(Event):
    """A function of the user's is to be asked."""

    kind: Literal["rule_asked"] = "rule_asked"
    rule: Literal["approval", "strategy", "function", "router", "output", "fork"]
    """Which of the agent's functions; the role that it serves performs it. `fork`: whether a person
    must be asked before a fork's call is made, which its parent's records may save."""
    call: int | None = None
    """For `approval` and `fork`: the seq of the ToolRequested."""
    step: str | None = None
    """The step that it is about."""
    subject: Json = None
    """What it is asked about: a goal, an answer, a task; for `approval` the call says it."""


class RuleAnswered(Event):
    """What a function of the user's said; an error counts as the careful answer."""

    kind: Literal["rule_answered"] = "rule_answered"
    answer: Json = None
    error: str | None = None


class LoopDetected(Event):
    """The run goes in circles: the model is told, or the run is stopped."""

    kind: Literal["loop_detected"] = "loop_detected"
    step: str
    pattern: Literal["same_answer", "same_failure", "cycle", "no_progress"]
    count: int
    action: Literal["warn", "stop"]
    message: str
    """As the model reads it."""
