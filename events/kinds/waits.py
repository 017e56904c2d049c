"""Waits: what a run waits for is part of its state, not an intent, task, thread or loaded run.

A wait is identified by the seq of its record. It ends with a record from outside that answers it,
with TimeReached, with RunResumed if waiting longer is optional, or when the run stops.
"""

from typing import ClassVar, Literal

from playhead.events.event import Event


class WaitStarted(Event):
    """The common part of all waits; each kind says what is awaited, and until when."""

    COUNTS: ClassVar[bool] = False
    """Whether the time counts towards `Limits.max_seconds`."""


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
