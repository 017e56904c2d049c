"""Model calls: the intent, and its two outcomes (their cause is the intent's seq)."""

from typing import ClassVar, Literal

from playhead.events.event import Block, Event, Intent, Outcome
from playhead.events.usage import Usage


class ModelAnswered(Outcome):
    """A whole reply arrived."""

    COMPACT: ClassVar[bool] = True

    kind: Literal["model_answered"] = "model_answered"
    content: tuple[Block, ...]
    stop_reason: str
    usage: Usage
    model: str
    request_id: str | None = None
    duration_ms: float
    """From sending to the last byte, without waiting for a turn to send."""


class ModelFailed(Outcome):
    """No whole reply: an error, a cut stream, a cancel, an interruption by a crash."""

    COMPACT: ClassVar[bool] = True

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
    usage: Usage | None = None
    """What the reply had said of its tokens before it broke off."""

    @property
    def unbilled(self) -> bool:
        """Whether the API took no request, so that nothing is to be paid."""
        return self.error in NEVER_SENT or (self.status is not None and self.status >= 400)


NEVER_SENT = frozenset({"authentication", "unreachable", "circuit_open", "script_ended"})
"""Errors of calls that never reached a model."""


class ModelCall(Intent):
    """The model is asked, for whatever purpose. The prompt is not stored: the log renders it."""

    COMPACT: ClassVar[bool] = True

    OUTCOMES = (ModelAnswered, ModelFailed)

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
    reserved_cost: int | None = None
    """Upper bound of what it can cost, in picodollars; None where the model has no known price."""
    task: str = "reasoning"
    """The type of task: what the model was chosen by."""
    reason: str = ""
    """Why this model."""
    endpoint: str = ""
    """Where it is asked; empty for the Runtime's own endpoint."""
    variant: int = 0
    """Which of the task's targets of this model and endpoint, where several differ in the rest."""
    fallbacks: int = 0
    """How many others can still be tried: with none left, perform waits where it can."""
    not_before: int | None = None
    """Microseconds since the epoch: the backoff of a retry."""
    waited: bool = False
    """The run has waited for its model: where the endpoint is paused it waits again, and perform
    does not."""

    @property
    def opens_round(self) -> bool:
        """Whether it is a step's next round, and neither a retry nor for another purpose."""
        return False


class ModelRequested(ModelCall):
    """The executor asks the model for a step's next reply."""

    kind: Literal["model_requested"] = "model_requested"

    @property
    def opens_round(self) -> bool:
        """Whether it is a round's first attempt."""
        return self.attempt == 1


class SummaryRequested(ModelCall):
    """The memory role has the older part of a step's context summarised."""

    kind: Literal["summary_requested"] = "summary_requested"


class ExtractionRequested(ModelCall):
    """The memory role asks what the run has learned."""

    kind: Literal["extraction_requested"] = "extraction_requested"


MODEL_CALLS = (ModelRequested, SummaryRequested, ExtractionRequested)


class BudgetNeared(Event):
    """What the run has cost, or may cost with the open calls, has passed the share to warn at."""

    kind: Literal["budget_neared"] = "budget_neared"
    cost: int
    """Picodollars, reservations included."""
    maximum: float
    """The cap, in US dollars."""
