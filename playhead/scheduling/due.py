"""Which times of a schedule are due, and what its rule for missed ones does about each."""

from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from playhead.events.kinds.schedules import MissedRule
from playhead.scheduling.cron import times_after
from playhead.scheduling.schedule_list import Schedule

LATE = 60_000_000
"""Microseconds after which a time counts as missed."""

REASON = "no process had the log"


class Firing(NamedTuple):
    """A time whose run is to be started."""

    due: int
    late: bool


class Missed(NamedTuple):
    """Times, one after the other, for which nothing is started."""

    first: int
    last: int
    times: int
    """How many."""


def due(schedule: Schedule, now: int, started: Callable[[int], bool]) -> Iterator[Firing | Missed]:
    """What is to be done about the schedule's times up to now, in their order.

    `started`: whether a time has its run. The first may have it: a crash came before its record.
    """
    set_ = schedule.set
    times = times_after(set_.cron, set_.timezone, schedule.done)
    come = list(takewhile(lambda time: time <= now, times))
    late = [time for time in come if now - time > LATE]
    wanted = _caught_up(set_.missed, late) | {time for time in late[:1] if started(time)}
    skipped: list[int] = []
    for time in come:
        if time in wanted or now - time <= LATE:
            yield from _missed(skipped)
            skipped.clear()
            yield Firing(time, now - time > LATE)
        else:
            skipped.append(time)
    yield from _missed(skipped)


def _caught_up(rule: MissedRule, late: Sequence[int]) -> frozenset[int]:
    match rule:
        case "skip":
            return frozenset()
        case "latest":
            return frozenset(late[-1:])
        case "all":
            return frozenset(late)


def _missed(times: Sequence[int]) -> list[Missed]:
    return [Missed(times[0], times[-1], len(times))] if times else []


def next_time(schedule: Schedule, now: int) -> int | None:
    """The next time after now; None if there is none."""
    after = max(schedule.done, now)
    return next(times_after(schedule.set.cron, schedule.set.timezone, after), None)
