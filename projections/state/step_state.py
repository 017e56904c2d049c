"""What a run has open: a step and its conversation, a tool call, and a stop.

Plain data that the folds change and the decisions read.
"""

from dataclasses import dataclass, field
from typing import Literal

from playhead.events.event import Event, Json
from playhead.events.kinds import approvals, steps, tool_calls
from playhead.events.kinds.model_calls import ModelCall
from playhead.events.record import Record
from playhead.events.spec.agent import AgentSpec, Limits, ToolSpec
from playhead.events.spec.guardrails import GuardrailSpec, Place
from playhead.events.spec.memory import NO_MEMORY, Scope
from playhead.projections.prompt.compression import BYTES_PER_TOKEN, CompressionPlan
from playhead.projections.prompt.context import Context
from playhead.projections.prompt.head import RequestHead
from playhead.projections.state.calls.loop_guard import LoopGuard


@dataclass(slots=True)
class Stop:
    """Why nothing new may start."""

    kind: Literal["cancelled", "failed"]
    reason: str
    message: str
    cancels: bool
    """Whether open effects are cancelled; otherwise they are awaited."""


@dataclass(slots=True)
class ToolCall:
    """A requested tool call; removed when it has ended."""

    seq: int
    run: str
    """The run that requested it (in a fork's inherited past, the parent). It is part of the key."""
    requested: tool_calls.ToolRequested
    spec: ToolSpec | None
    """None for a tool that the agent does not have."""
    arguments: dict[str, Json]
    """Its arguments: as requested, or as changed by the person who approved it."""
    attempts: int = 0
    waits: approvals.ApprovalRequested | None = None
    """The open request for approval."""
    lapsed: bool = False
    """Whether the request has expired; the call is refused as soon as the run decides again."""
    asked: bool = False
    """Whether a user-defined rule is being asked about it."""
    approved: bool = False
    cleared: bool = False
    """In a fork: its next attempt needs no approval, because the parent's records answer it."""
    imported: bool = False
    """It was requested elsewhere: a person here must approve it, whatever its tool."""
    started: int | None = None
    """The seq of the open attempt."""
    required: tool_calls.ToolInputRequired | None = None
    """What its tool asked last."""
    input_answer: approvals.ApprovalDecided | None = None
    """What a person answered to that; None while nobody has, and if nobody did in time."""
    run_ends: int | None = None
    """When max_seconds will have passed, as of the last attempt; microseconds since the epoch."""
    deferred: tool_calls.ToolDeferred | None = None
    """The attempt has ended, and its answer is awaited."""
    deferred_at: int = 0
    """The seq of that outcome."""
    answer: tool_calls.CallAnswered | None = None
    """An answer that came before the attempt ended."""
    scope: Scope = NO_MEMORY
    """The part of memory that it may access."""

    def time_passed(self) -> None:
        """Nobody has approved it in time; or answered what its tool asks: then it goes on."""
        if self.waits is not None and self.waits.about == "input":
            self.waits = None
        else:
            self.lapsed = True

    @property
    def tool(self) -> ToolSpec:
        """The tool that is called. Raises ValueError if the agent does not have it."""
        if self.spec is None:
            msg = f"call {self.seq} is for {self.requested.tool!r}, which the agent does not have"
            raise ValueError(msg)
        return self.spec


@dataclass(slots=True)
class Guarded:
    """A text that waits for the verdicts of guardrails."""

    on: Place
    about: int
    """The seq of the record that it is in."""
    text: str
    """As the guardrails before have left it."""
    left: list[GuardrailSpec]
    """The guardrails that have not given a verdict."""
    step: str = ""
    call: ToolCall | None = None
    outcome: Event | None = None
    """Of the call, to be told once it is allowed."""
    said: Record | None = None
    """The goal or message."""
    asked: bool = False
    """Whether the first one's function is being asked."""
    replaced: bool = False
    released: bool = False
    """Whether the input is in use while guardrails beside the model call judge it."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A step's model does not answer."""

    since: int
    """Time of the first failure; microseconds since the epoch."""
    tries: int
    """Number of failed attempts."""
    waits: int = 0
    """How often the run has waited because of it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that holds, or may hold, a step's request."""

    intent: int
    """The seq of the call that reserved for it."""
    asked: ModelCall
    """That call."""
    id: str = ""
    """Empty if it is not known."""
    job: str = ""
    """The request's custom_id in it."""
    inherited: bool = False
    """Whether a fork's parent submitted it: a fork neither cancels it nor fails when it is."""
    cancels: int = 0
    """How often the run has tried to cancel it."""
    cancel_done: bool = False
    """Whether the run tries no more: it has been cancelled, or cannot be."""

    @property
    def may_be_cancelled(self) -> bool:
        """Whether it is known, this run's own, and neither cancelled nor given up."""
        return bool(self.id) and not self.inherited and not self.cancel_done


@dataclass(slots=True)
class Step:
    """An open step, and its conversation with the model."""

    id: str
    context: Context
    agent: AgentSpec
    """The agent for this step: its instructions, tools and answer format."""
    task: str = ""
    """The step's goal."""
    purpose: steps.StepPurpose = "react"
    limits: Limits | None = None
    """Its share of the limits; None for all that the run has left."""
    problem: str | None = None
    """Why it cannot begin."""
    outcome: Event | None = None
    """The outcome of the last call."""
    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    round: int = 0
    attempt: int = 0
    """Attempts of this round's model call."""
    calls: int = 0
    """Tool calls that have not ended."""
    unread: bool = False
    """Whether there is a message that no request has contained yet."""
    loop_guard: LoopGuard = field(default_factory=LoopGuard)
    """The rounds of calls so far, for the loop guard."""
    rejected: int = 0
    """Answers in a row that did not match the output schema."""
    empty: int = 0
    """Empty replies in a row."""
    sent: tuple[bytes, int] = (b"", 0)
    """The last request: its head, and the upper bound of its tokens."""
    used: tuple[bytes, int, int] | None = None
    """The last answered request: its head, its input tokens, and their upper bound."""
    tokens_per_byte: float = 1 / BYTES_PER_TOKEN
    """Tokens per byte, from the API's counts for what was sent; at first an assumption."""
    plan: CompressionPlan | None = None
    """How to compress its context before the model is asked again."""
    said: str = ""
    """The text of the last reply, or of the answer of the agent that it was handed over to."""
    handed: str | None = None
    """That agent, once it has answered."""
    task_type: str = ""
    """The task type by which its model is chosen; empty until it is known."""
    why: str = ""
    """Where the type came from, if not from the step or the agent."""
    tried: int = 0
    """How many of the possible targets have failed in this round."""
    batch: Batch | None = None
    """Where its request waits for an answer, on a route with `batch`."""
    lost_job: str = ""
    """The custom_id of a request that may have been submitted, in a batch that nobody knows."""
    batch_taken: bool = False
    """Whether a fork's parent cancelled the batch that its request waited in."""
    outage: Outage | None = None
    """Failures since the last reply that may pass."""
    heads: dict[tuple[object, ...], RequestHead] = field(default_factory=dict)
    """By everything that differs between targets, and whether it is the first request."""
