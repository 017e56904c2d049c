"""Tool calls: the wish, the intent of each attempt, and what became of it.

A call is (run, seq of its ToolRequested) through all attempts; so is its idempotency key. The cause
of an outcome is the seq of its ToolStarted.
"""

from typing import ClassVar, Literal, TypeAlias

from playhead.events.event import Block, Event, Intent, Json, Outcome

Refusal: TypeAlias = Literal["unknown_tool", "invalid_arguments", "limit", "stopped", "denied"]
"""Why a wished call is never started."""


class ToolRequested(Event):
    """The executor wishes a tool call. A wish that never starts ends by ToolRefused."""

    COMPACT: ClassVar[bool] = True

    kind: Literal["tool_requested"] = "tool_requested"
    step: str
    tool: str
    arguments: dict[str, Json]
    use: str | None = None
    """The provider's id of the tool_use block; it may repeat across runs, and is no key."""


class ToolSucceeded(Outcome):
    """The tool gave a result."""

    COMPACT: ClassVar[bool] = True

    kind: Literal["tool_succeeded"] = "tool_succeeded"
    result: Json = None
    """Text, or a JSON value; None for a tool that returns nothing."""
    content: tuple[Block, ...] | None = None
    """Content blocks for the model, where the result is more than text (images)."""
    cached: bool | None = None
    duration_ms: float
    confined: str | None = None
    """What held its process, where it had one: such as "landlock7+seccomp", "none"."""


class ToolFailed(Outcome):
    """The tool gave an error that the model can act on."""

    COMPACT: ClassVar[bool] = True

    kind: Literal["tool_failed"] = "tool_failed"
    error: str
    """A word for machines: timeout, interrupted, cancelled, changed, or an exception's name."""
    message: str
    hint: str | None = None
    retry_after: float | None = None
    """Seconds after which the same call may work."""
    retryable: bool | None = None
    """Whether the same call may work later: with the tool's retry policy it is made again."""
    duration_ms: float | None = None
    confined: str | None = None
    """What held its process, where it had one: such as "landlock7+seccomp", "none"."""


class ToolOutcomeUnknown(Outcome):
    """A `once` call was cut off between start and outcome: it may or may not have happened."""

    kind: Literal["tool_outcome_unknown"] = "tool_outcome_unknown"
    reason: str
    """interrupted, cancelled, timeout, disconnected (from a server), died (its own process)."""
    confined: str | None = None
    """What held its process, where it had one: such as "landlock7+seccomp", "none"."""


class AttemptStarted(Intent):
    """One attempt of a call is about to start, whoever performs it."""

    COMPACT: ClassVar[bool] = True

    OUTCOMES = (ToolSucceeded, ToolFailed, ToolOutcomeUnknown)

    call: int
    """The seq of the ToolRequested."""
    attempt: int
    """From 1."""
    definition: str
    """The definition's hash: perform starts no tool that was redefined since."""
    not_before: int | None = None
    """Microseconds since the epoch: the backoff of a retry."""


class ToolStarted(AttemptStarted):
    """An attempt of a tool that the tool role performs."""

    kind: Literal["tool_started"] = "tool_started"


class MemoryToolStarted(AttemptStarted):
    """An attempt of a tool that the memory role performs: recall, remember."""

    kind: Literal["memory_tool_started"] = "memory_tool_started"


ATTEMPTS = (ToolStarted, MemoryToolStarted)


class ToolRefused(Event):
    """A wish that never starts: bad arguments, no such tool, a limit, a stop, a denial."""

    kind: Literal["tool_refused"] = "tool_refused"
    call: int
    reason: Refusal
    message: str
    hint: str | None = None


class ToolResolved(Event):
    """A person found out what became of a call whose outcome was unknown."""

    kind: Literal["tool_resolved"] = "tool_resolved"
    run: str
    call: int
    succeeded: bool
    note: str = ""
    """What was found, in the person's words."""


class ToolPinned(Event):
    """What a server's tool is, said at its first use or when a person accepts a change.

    It lies in the runtime's stream, as it is about no one run.
    """

    kind: Literal["tool_pinned"] = "tool_pinned"
    server: str
    tool: str
    """Its name there."""
    definition: str
    """SHA-256 (hex) over what the server says that it is."""
    approved: bool = False
    """Whether a person looked at it; a first use is pinned unseen."""
