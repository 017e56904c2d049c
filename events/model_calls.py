"""Model calls: the intent, and its two outcomes (their cause is the intent's seq)."""

from typing import Literal

from playhead.events.event import Block, Event
from playhead.events.spec import Usage


class ModelRequested(Event):
    """The executor asks the model. The prompt is not stored: it is rendered from the log."""

    kind: Literal["model_requested"] = "model_requested"
    step: str
    round: int
    """From 1 within the step; a retry stays in its round."""
    attempt: int
    """From 1 within the round."""
    model: str
    request: str
    """SHA-256 (hex) of the rendered request."""
    reserved_tokens: int
    """Upper bound of what the call can use, counted until the outcome says."""
    not_before: int | None = None
    """Microseconds since the epoch: the backoff of a retry."""


class ModelAnswered(Event):
    """A whole reply arrived."""

    kind: Literal["model_answered"] = "model_answered"
    content: tuple[Block, ...]
    stop_reason: str
    usage: Usage
    model: str
    request_id: str | None = None
    duration_ms: float
    """From sending to the last byte, without waiting for a turn to send."""


class ModelFailed(Event):
    """No whole reply: an error, a cut stream, a cancel, an interruption by a crash."""

    kind: Literal["model_failed"] = "model_failed"
    error: str
    """A word for machines: overloaded, rate_limit, timeout, truncated, interrupted, cancelled..."""
    message: str
    status: int | None = None
    """The HTTP status, if one came."""
    retryable: bool
    retry_after: float | None = None
    """Seconds, as the server asked."""
    duration_ms: float | None = None
