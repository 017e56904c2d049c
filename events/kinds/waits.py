"""Waits: what a run waits for is state, and no open intent, task, thread or loaded run.

A wait is named by the seq of its record. It ends by a record from outside that answers it, by
TimeReached, by RunResumed where waiting longer is only a choice, or by the stop of the run.
"""

from typing import ClassVar, Literal

from playhead.events.event import Event


class WaitStarted(Event):
    """What all waits have in common; each kind says what is waited for, and until when."""

    COUNTS: ClassVar[bool] = False
    """Whether the time counts against `Limits.max_seconds`."""


class OutageWaitStarted(WaitStarted):
    """The model is down for longer than the retries last: it is asked again later."""

    kind: Literal["outage_wait_started"] = "outage_wait_started"
    step: str
    error: str
    """The error of the last attempt, as in ModelFailed."""
    message: str
    since: int
    """When the first of the failures came; microseconds since the epoch, like `until`."""
    until: int
    """When the model is asked again."""
    tries: int
    """Attempts that have failed since then."""
