"""What a run has under way: a step and its conversation, a tool call, and a stop.

Plain data that the folds change and the decisions read.
"""

from dataclasses import dataclass, field
from typing import Literal

from playhead.events.event import Event, Json
from playhead.events.kinds import approvals, steps, tool_calls
from playhead.events.spec.agent import AgentSpec, Limits, ToolSpec
from playhead.events.spec.memory import NO_MEMORY, Scope
from playhead.projections.prompt.compression import BYTES_A_TOKEN, CompressionPlan
from playhead.projections.prompt.context import Context
from playhead.projections.prompt.head import RequestHead
from playhead.projections.state.calls.loop_guard import LoopGuard


@dataclass(slots=True)
class Stop:
    """Why nothing new may start any more."""

    kind: Literal["cancelled", "failed"]
    reason: str
    message: str
    cancels: bool
    """Whether open effects are cancelled; otherwise they are awaited."""


@dataclass(slots=True)
class ToolCall:
    """A tool call from its wish on; forgotten when it has ended."""

    seq: int
    run: str
    """Whose call it is: the run that wished it, for a fork's past the parent. It names the key."""
    requested: tool_calls.ToolRequested
    spec: ToolSpec | None
    """None for a tool that the agent does not have."""
    arguments: dict[str, Json]
    """What it is called with: as wished, or as the person who approved it changed them."""
    attempts: int = 0
    waits: approvals.ApprovalRequested | None = None
    """The open request for approval."""
    lapsed: bool = False
    """Nobody answered the request in time; it is refused as soon as the run decides again."""
    asked: bool = False
    """Whether a rule of the user's is being asked about it."""
    approved: bool = False
    cleared: bool = False
    """In a fork: its next attempt needs no person, its parent's records answer it."""
    imported: bool = False
    """It was requested elsewhere: a person here must agree before it starts, whatever its tool."""
    started: int | None = None
    """The seq of the attempt under way."""
    scope: Scope = NO_MEMORY
    """What of the run's memory it may reach."""

    @property
    def tool(self) -> ToolSpec:
        """The tool that is called. Raises ValueError for one that the agent does not have."""
        if self.spec is None:
            msg = f"call {self.seq} is for {self.requested.tool!r}, which the agent does not have"
            raise ValueError(msg)
        return self.spec


@dataclass(frozen=True, slots=True)
class Outage:
    """A step's model does not answer."""

    since: int
    """When the first failure came; microseconds since the epoch."""
    tries: int
    """Attempts that have failed."""
    waits: int = 0
    """How often the run has waited because of it."""


@dataclass(slots=True)
class Step:
    """A step under way, and the conversation that it holds with the model."""

    id: str
    context: Context
    agent: AgentSpec
    """As it works on this step: its instructions, tools and form of answer."""
    task: str = ""
    """What it is to reach."""
    purpose: steps.StepPurpose = "react"
    limits: Limits | None = None
    """Its share; None for all that the run has left."""
    problem: str | None = None
    """Why it cannot even begin."""
    outcome: Event | None = None
    """What became of the last call."""
    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    round: int = 0
    attempt: int = 0
    """Attempts of the model call of this round."""
    calls: int = 0
    """Tool calls that have not ended."""
    unread: bool = False
    """Somebody said something that no request carried yet."""
    loop_guard: LoopGuard = field(default_factory=LoopGuard)
    """The rounds of calls so far, as the loop guard looks at them."""
    rejected: int = 0
    """Answers in a row that did not fit the output schema."""
    empty: int = 0
    """Empty replies in a row."""
    sent: tuple[bytes, int] = (b"", 0)
    """The last request: its head, and the tokens that it has at most."""
    used: tuple[bytes, int, int] | None = None
    """The last answered request: its head, its input tokens, and what they were bounded by."""
    tokens_a_byte: float = 1 / BYTES_A_TOKEN
    """What the API has counted for what was sent, at most so many bytes."""
    plan: CompressionPlan | None = None
    """How its context is to be compressed before the model is asked again."""
    said: str = ""
    """The text of the last reply."""
    task_type: str = ""
    """What its model is chosen by; empty until that is known."""
    why: str = ""
    """Where the type came from, if not from the step or the agent."""
    tried: int = 0
    """How many of those who can be asked have failed in this round."""
    outage: Outage | None = None
    """Since the last reply, failures that may pass."""
    heads: dict[tuple[object, ...], RequestHead] = field(default_factory=dict)
    """By everything that differs between targets, and whether it is the first request."""
