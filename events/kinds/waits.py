"""Waits: what a run waits for is part of its state, not an intent, task, thread or loaded run.

A wait is identified by the seq of its record. It ends with a record from outside that answers it,
with TimeReached, with RunResumed if waiting longer is optional, or when the run stops.
"""

from typing import Literal

from playhead.events.event import Event


class WaitStarted(Event):
    """The common part of all waits; each kind says what is awaited, and until when."""


class AnswerAwaited(WaitStarted):
    """A deferred call waits for its answer, or for its time."""

    kind: Literal["answer_awaited"] = "answer_awaited"
    about: Literal["answer", "time"] = "answer"
    call: int
    """The seq of the ToolRequested."""
    note: str | None = None
    """As in ToolDeferred."""
    until: int | None = None
    """When the call ends without an answer; microseconds since the epoch, like `run_ends`."""
    counts: bool = True
    """Whether the wait counts towards `Limits.max_seconds`."""
    run_ends: int | None = None
    """If it counts: when max_seconds will have passed."""


class OutageWaitStarted(WaitStarted):
    """The model is down for longer than the retries last, or a quota leaves nothing for it.

    It is asked again later.
    """

    kind: Literal["outage_wait_started"] = "outage_wait_started"
    step: str
    error: str
    """The error of the last attempt, as in ModelFailed."""
    message: str
    since: int
    """Time of the first failure; microseconds since the epoch, like `until`."""
    until: int
    """When the model is asked again."""
    tries: int
    """Failed attempts since then."""
