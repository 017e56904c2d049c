"""Model calls: the intent, and its two outcomes (their cause is the intent's seq)."""

from typing import ClassVar, Literal

from pydantic import Field

from playhead.events.event import Block, Event, Intent, Json, Outcome
from playhead.events.usage import Usage


class ModelAnswered(Outcome):
    """A complete reply arrived."""

    COMPACT: ClassVar[bool] = True

    kind: Literal["model_answered"] = "model_answered"
    content: tuple[Block, ...]
    stop_reason: str
    usage: Usage
    model: str
    request_id: str | None = None
    duration_ms: float
    """From sending the request to the last byte, excluding time spent waiting to send."""
    envelope: dict[str, Json] = Field(default_factory=dict)
    """Every other field of the API's reply, verbatim: container, stop_details, stop_sequence,
    context_management... `usage` in it: the fields of the API's usage that `usage` does not have.
    """


class ModelFailed(Outcome):
    """There was no complete reply: an error, a cut stream, a cancel, an interruption by a crash."""

    COMPACT: ClassVar[bool] = True

    kind: Literal["model_failed"] = "model_failed"
    error: str
    """A machine-readable code: overloaded, rate_limit, timeout, truncated, interrupted..."""
    message: str
    status: int | None = None
    """The HTTP status, if there was one."""
    retryable: bool
    retry_after: float | None = None
    """Seconds to wait, as the server asked."""
    duration_ms: float | None = None
    usage: Usage | None = None
    """The token counts that arrived before the reply broke off."""
    batch: str | None = None
    """The batch that holds the request, if it has not ended (error: batch_pending) or nothing could
    be learned of it."""

    @property
    def unbilled(self) -> bool:
        """Whether the API never accepted the request, so that it costs nothing."""
        return self.error in NEVER_SENT or (self.status is not None and self.status >= 400)


NEVER_SENT = frozenset({
    "authentication", "unreachable", "circuit_open", "script_ended", "quota_reached",
    "unknown_price",
})  # fmt: skip
"""Errors of calls that never reached a model."""


class ModelCall(Intent):
    """The model is asked, for any purpose. The prompt is not stored; the log renders it."""

    COMPACT: ClassVar[bool] = True

    OUTCOMES = (ModelAnswered, ModelFailed)

    step: str
    round: int
    """From 1 within the step; a retry belongs to the same round."""
    attempt: int
    """From 1 within the round."""
    model: str
    request: str
    """SHA-256 (hex) of the rendered request."""
    reserved_tokens: int
    """Upper bound of the tokens that the call can use; counted until its outcome is known."""
    reserved_cost: int | None = None
    """Upper bound of its cost, in picodollars; None if the model's price is unknown."""
    task: str = "reasoning"
    """The type of task by which the model was chosen."""
    reason: str = ""
    """Why this model was chosen."""
    endpoint: str = ""
    """The endpoint; empty for the Runtime's own."""
    variant: int = 0
    """Which of the task's targets with this model and endpoint, if there are several."""
    fallbacks: int = 0
    """How many other targets can still be tried; if none, the performer waits where it can."""
    not_before: int | None = None
    """Microseconds since the epoch before which a retry is not sent (backoff)."""
    container: str | None = None
    """The API's container, with the files of earlier replies, in which its code runs."""
    batch: str | None = None
    """For a route with `batch`: the batch that already holds the request; empty for none yet."""
    batch_job: str = ""
    """For a route with `batch`: the request's custom_id there, that of its first submission."""
    batch_lost: bool = False
    """Whether an earlier attempt may have submitted it unnoticed: it is looked for first."""
    batch_cancel: bool = False
    """Whether it cancels the batch, since the run is stopping; a reply that has come is billed."""
    waited: bool = False
    """Whether the run has already waited for its model: if the endpoint is paused, the run waits
    again, and the performer does not."""

    @property
    def opens_round(self) -> bool:
        """Whether it starts a step's next round: not a retry, and not for another purpose."""
        return False


class ModelRequested(ModelCall):
    """The executor asks the model for a step's next reply."""

    kind: Literal["model_requested"] = "model_requested"

    @property
    def opens_round(self) -> bool:
        """Whether it is the first attempt of a round."""
        return self.attempt == 1


def cancels_batch(event: Event) -> bool:
    """Whether it cancels a batch: the one intent that a stopping run may still decide."""
    return isinstance(event, ModelRequested) and event.batch_cancel


class SummaryRequested(ModelCall):
    """The memory role asks for a summary of the older part of a step's context."""

    kind: Literal["summary_requested"] = "summary_requested"


class ExtractionRequested(ModelCall):
    """The memory role asks which facts the run has learned."""

    kind: Literal["extraction_requested"] = "extraction_requested"


def in_batch(asked: ModelCall, failed: ModelFailed) -> bool:
    """Whether a batch may still answer the call: then it stays reserved, and nothing is billed."""
    asks_about = bool(asked.batch) and failed.retryable
    return asked.batch is not None and (asks_about or failed.batch is not None)


MODEL_CALLS = (ModelRequested, SummaryRequested, ExtractionRequested)


class BudgetNeared(Event):
    """The run's cost, including what its open calls may cost, passed the warning threshold."""

    kind: Literal["budget_neared"] = "budget_neared"
    cost: int
    """Picodollars, reservations included."""
    maximum: float
    """The cap, in US dollars."""
