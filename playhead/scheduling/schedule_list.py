"""The schedules of a log. Reading them costs two records each, however often they have fired."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from playhead.events.codec import decode
from playhead.events.event import Event
from playhead.events.kinds.schedules import (
    FiringsMissed,
    ScheduleCancelled,
    ScheduleFired,
    ScheduleSet,
)
from playhead.events.log.contract import Reader
from playhead.events.record import Record

STREAM = "schedules"


def firings_stream(schedule: str) -> str:
    """The stream of what became of a schedule's times."""
    return f"schedule/{schedule}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule that is not cancelled."""

    id: str
    set: ScheduleSet
    since: int
    """When it was set; microseconds since the epoch, like `done`."""
    done: int
    """Up to here its times have been dealt with."""


def schedules(reader: Reader) -> dict[str, Schedule]:
    """The schedules of a log that are not cancelled, by id, oldest first."""
    if reader.stream(STREAM) is None:
        return {}
    rows = (decode(row, reader.body) for row in reader.read(STREAM))
    return {name: _how_far(reader, each) for name, each in _fold(rows).items()}


def _fold(records: Iterable[Record]) -> dict[str, Schedule]:
    found: dict[str, Schedule] = {}
    for record in records:
        match record.event:
            case ScheduleSet(schedule=name) as set_:
                found.pop(name, None)
                found[name] = Schedule(name, set_, record.at, record.at)
            case ScheduleCancelled(schedule=name):
                found.pop(name, None)
            case _:
                pass
    return found


def _how_far(reader: Reader, schedule: Schedule) -> Schedule:
    last = firings(reader, schedule.id, 1)
    done = _done(last[-1].event) if last else 0
    return replace(schedule, done=max(schedule.since, done))


def _done(event: Event) -> int:
    match event:
        case ScheduleFired(due=due):
            return due
        case FiringsMissed(last=last):
            return last
        case _:
            return 0


def firings(reader: Reader, schedule: str, most: int = 10) -> list[Record]:
    """What became of the last times of a schedule: ScheduleFired and FiringsMissed records."""
    stream = firings_stream(schedule)
    if reader.stream(stream) is None:
        return []
    end = reader.head(stream).seq
    return [decode(row, reader.body) for row in reader.read(stream, max(0, end - most))]
