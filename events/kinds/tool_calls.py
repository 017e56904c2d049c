"""Tool calls: the requested call, the intent of each attempt, and the outcome.

A call is identified by (run, seq of its ToolRequested) through all attempts, and so is its
idempotency key. The cause of an outcome is the seq of its ToolStarted.
"""

from typing import ClassVar, Literal, TypeAlias

from playhead.events.event import Block, Event, Intent, Json, Outcome
from playhead.events.kinds.approvals import Decider

Refusal: TypeAlias = Literal["unknown_tool", "invalid_arguments", "limit", "stopped", "denied"]
"""Why a requested call is never started."""


class ToolRequested(Event):
    """The executor requested a tool call. A call that never starts ends with ToolRefused."""

    COMPACT: ClassVar[bool] = True

    kind: Literal["tool_requested"] = "tool_requested"
    step: str
    tool: str
    arguments: dict[str, Json]
    use: str | None = None
    """The provider's id of the tool_use block; it may repeat across runs, so it is not a key."""


class ToolSucceeded(Outcome):
    """The tool gave a result."""

    COMPACT: ClassVar[bool] = True

    kind: Literal["tool_succeeded"] = "tool_succeeded"
    result: Json = None
    """Text or a JSON value; None if the tool returns nothing."""
    content: tuple[Block, ...] | None = None
    """Content blocks for the model, if the result is more than text (images)."""
    cached: bool | None = None
    duration_ms: float
    confined: str | None = None
    """What confined its process, if it had one: for example "landlock7+seccomp" or "none"."""


class ToolFailed(Outcome):
    """The tool returned an error that the model can act on."""

    COMPACT: ClassVar[bool] = True

    kind: Literal["tool_failed"] = "tool_failed"
    error: str
    """A machine-readable code: timeout, interrupted, cancelled, changed, or an exception's name."""
    message: str
    hint: str | None = None
    retry_after: float | None = None
    """Seconds after which the same call may succeed."""
    retryable: bool | None = None
    """Whether the same call may succeed later; if so, the tool's retry policy applies."""
    duration_ms: float | None = None
    confined: str | None = None
    """What confined its process, if it had one: for example "landlock7+seccomp" or "none"."""


class ToolOutcomeUnknown(Outcome):
    """A `once` call was cut off before its outcome: it may or may not have happened."""

    kind: Literal["tool_outcome_unknown"] = "tool_outcome_unknown"
    reason: str
    """interrupted, cancelled, timeout, disconnected (from a server), died (its own process)."""
    confined: str | None = None
    """What confined its process, if it had one: for example "landlock7+seccomp" or "none"."""


class ToolInputRequired(Outcome):
    """The tool cannot go on before a person has answered: the call waits, then goes on."""

    kind: Literal["tool_input_required"] = "tool_input_required"
    questions: dict[str, Json]
    """By key: a `message`, and the `requestedSchema` of the answer or a `url` to visit."""
    state: str | None = None
    """The tool's own, given back to it with the answers."""
    bound: Literal["session"] | None = None
    """The tool waits in an open session: an answer after its end comes too late."""
    duration_ms: float


class ToolDeferred(Outcome):
    """The tool began something whose answer comes later: a CallAnswered, or nothing in time."""

    kind: Literal["tool_deferred"] = "tool_deferred"
    call: int
    """The seq of the ToolRequested."""
    about: Literal["answer", "time"] = "answer"
    """Whether somebody answers, or a time is waited for."""
    note: str | None = None
    """Where the answer is expected from, for whoever gives it: a ticket, a job's number."""
    expires: float | None = None
    """Seconds that it waits; None for as long as it takes."""
    if_expired: str | None = None
    """What the model is told when that time has passed."""
    counts: bool = True
    """Whether the wait counts towards `Limits.max_seconds`."""
    answer_schema: dict[str, Json] | None = None
    """The JSON schema that the answer must fit; None for any JSON value."""
    duration_ms: float | None = None
    confined: str | None = None
    """What confined its process, if it had one: for example "landlock7+seccomp" or "none"."""


class CallAnswered(Event):
    """The answer of a deferred call, from outside.

    One that comes while the attempt is still under way is kept, and ends the call with the attempt,
    unless the tool returned a result itself.
    """

    kind: Literal["call_answered"] = "call_answered"
    call: int
    """The seq of the ToolRequested."""
    result: Json = None
    error: str | None = None
    """What the model is told if it failed; None if it succeeded."""
    hint: str | None = None
    """What the model can do about the failure."""
    by: Decider | None = None
    """None only if no person's or program's process gave it: in a simulation."""


class AttemptStarted(Intent):
    """An attempt of a call is about to start, whichever role performs it."""

    COMPACT: ClassVar[bool] = True

    OUTCOMES = (ToolSucceeded, ToolFailed, ToolOutcomeUnknown, ToolDeferred, ToolInputRequired)

    call: int
    """The seq of the ToolRequested."""
    attempt: int
    """From 1."""
    definition: str
    """Hash of the tool's definition: a tool that was redefined since is not started."""
    not_before: int | None = None
    """Microseconds since the epoch before which a retry does not start (backoff)."""


class ToolStarted(AttemptStarted):
    """An attempt of a tool, performed by the tool role."""

    kind: Literal["tool_started"] = "tool_started"


class MemoryToolStarted(AttemptStarted):
    """An attempt of a memory tool (recall, remember), performed by the memory role."""

    kind: Literal["memory_tool_started"] = "memory_tool_started"


ATTEMPTS = (ToolStarted, MemoryToolStarted)


class ToolRefused(Event):
    """A requested call that never starts: bad arguments, unknown tool, limit, stop, denial."""

    kind: Literal["tool_refused"] = "tool_refused"
    call: int
    reason: Refusal
    message: str
    hint: str | None = None


class ToolResolved(Event):
    """A person determined what happened to a call whose outcome was unknown."""

    kind: Literal["tool_resolved"] = "tool_resolved"
    run: str
    call: int
    succeeded: bool
    note: str = ""
    """The finding, in the person's words."""


class ToolPinned(Event):
    """The definition of a server's tool, recorded at first use or when a person accepts a change.

    It is stored in the runtime stream, because it concerns more than one run.
    """

    kind: Literal["tool_pinned"] = "tool_pinned"
    server: str
    tool: str
    """Its name on the server."""
    definition: str
    """SHA-256 (hex) of the definition that the server gives."""
    approved: bool = False
    """Whether a person reviewed it; at first use it is pinned unreviewed."""
