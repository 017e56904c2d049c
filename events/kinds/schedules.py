"""Schedules: runs that are to start at the times of a cron expression.

The stream `schedules` holds which schedules there are; `schedule/ID` holds what became of the times
of one, so that its last record says how far it has come.
"""

from typing import Literal, TypeAlias

from pydantic import Field

from playhead.events.event import Event, Json

MissedRule: TypeAlias = Literal["skip", "latest", "all"]
"""What is done about times at which no process was there: nothing; the latest is caught up; all."""


class ScheduleSet(Event):
    """A schedule was set, or set anew: it counts from this record on."""

    kind: Literal["schedule_set"] = "schedule_set"
    schedule: str
    cron: str
    timezone: str
    """IANA name."""
    agent: str
    """The agent's name; each run gets the agent of that name as it is then."""
    goal: str
    missed: MissedRule = "latest"
    options: dict[str, Json] = Field(default_factory=dict)
    """As in RunOptions."""


class ScheduleCancelled(Event):
    """Nothing starts by this schedule any more."""

    kind: Literal["schedule_cancelled"] = "schedule_cancelled"
    schedule: str
    reason: str = ""


class ScheduleFired(Event):
    """A time of a schedule came, and its run is in the log."""

    kind: Literal["schedule_fired"] = "schedule_fired"
    schedule: str
    due: int
    """Microseconds since the epoch, like all times here."""
    run: str
    late: bool = False
    """Whether it was caught up."""


class FiringsMissed(Event):
    """Times of a schedule at which no run was started."""

    kind: Literal["firings_missed"] = "firings_missed"
    schedule: str
    first: int
    last: int
    count: int
    reason: str
