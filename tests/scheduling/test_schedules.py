"""Schedules: each time is one run, whatever crashes, and missed times are shown and dealt with."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playhead import Agent, Runtime, UsageError
from playhead.actors.append import Statement, append_all
from playhead.events.errors import AdmissionRefused, SessionBusy
from playhead.events.kinds.schedules import (
    FiringsMissed,
    MissedRule,
    ScheduleFired,
    ScheduleSet,
)
from playhead.events.log.contract import Append
from playhead.events.log.memory import MemoryLog
from playhead.scheduling.cron import times_after
from playhead.scheduling.schedule_list import firings, schedules
from playhead.scheduling.scheduler import Scheduler, run_of
from playhead.testing import ScriptedModel

MINUTE = 60_000_000
HOUR = 60 * MINUTE
BEGIN = 1_772_438_400_000_000
"""Monday, 2 March 2026, 08:00 UTC."""


class Died(BaseException):
    """The process is gone."""


class DyingLog(MemoryLog):
    """A log whose process dies with an append: right before it, or right after."""

    left: int | None = None
    after = False

    def submit(self, append: Append, done: Callable[[int | Exception], None]) -> None:
        """Append, or die."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                if self.after:
                    written: Future[Any] = Future()
                    super().submit(append, written.set_result)
                    written.result()
                raise Died
        super().submit(append, done)


class Clock:
    """A wall clock that stands until it is set."""

    now = BEGIN

    def __call__(self) -> int:
        return self.now


class World:
    """Processes over one log, one after the other, and the runs that they start."""

    def __init__(self, log: MemoryLog | None = None) -> None:
        self.log = log or MemoryLog()
        self.clock = Clock()
        self.started: list[str] = []
        self.refuses: Exception | None = None

    def start(self, _: ScheduleSet, run: str) -> bool:
        """Start a run: one append, as in a Runtime."""
        if self.refuses is not None:
            raise self.refuses
        event = ScheduleFired(schedule="any record will do", due=0, run=run)
        append_all(self.log, [Statement(event)], self.clock.now, stream=run)
        self.started.append(run)
        return True

    def process(self) -> Scheduler:
        return Scheduler(self.log, self.start, now=self.clock)


def every_hour(missed: MissedRule = "latest", **more: Any) -> ScheduleSet:
    fields: dict[str, Any] = {
        "schedule": "hourly",
        "cron": "0 * * * *",
        "timezone": "UTC",
        "agent": "a",
    }
    fields |= {"goal": "g", "missed": missed, **more}
    return ScheduleSet(**fields)


def test_a_run_is_started_at_each_time_and_not_before() -> None:
    world = World()
    scheduler = world.process()
    scheduler.set(every_hour())
    assert scheduler.look() <= 30.0
    assert world.started == []
    for hour in (1, 2, 3):
        world.clock.now = BEGIN + hour * HOUR - 1
        scheduler.look()
        assert len(world.started) == hour - 1
        world.clock.now = BEGIN + hour * HOUR
        scheduler.look()
        assert world.started[-1] == run_of("hourly", BEGIN + hour * HOUR)
        scheduler.look()
        assert len(world.started) == hour


@pytest.mark.parametrize(("missed", "runs"), [("skip", 0), ("latest", 1), ("all", 3)])
def test_missed_times_are_shown_and_caught_up_or_skipped_by_rule(
    missed: MissedRule, runs: int
) -> None:
    world = World()
    world.process().set(every_hour(missed))
    world.clock.now = BEGIN + 3 * HOUR + 30 * MINUTE
    world.process().look()
    assert len(world.started) == runs
    dealt = [record.event for record in firings(world.log, "hourly")]
    shown = sum(e.count for e in dealt if isinstance(e, FiringsMissed))
    fired = [e for e in dealt if isinstance(e, ScheduleFired)]
    assert shown + len(fired) == 3
    assert all(e.late for e in fired)
    world.process().look()
    assert len(world.started) == runs


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("missed", ["skip", "latest", "all"])
@pytest.mark.parametrize("dies", range(8))
def test_one_time_is_one_run_after_a_crash_at_any_record(
    dies: int, missed: MissedRule, after: bool
) -> None:
    log = DyingLog()
    world = World(log)
    world.process().set(every_hour(missed))
    whole = World()
    whole.process().set(every_hour(missed))
    for each in (world, whole):
        each.clock.now = BEGIN + 3 * HOUR + 5
    log.left, log.after = dies, after
    try:
        world.process().look()
    except Died:
        log.left = None
        world.process().look()
    log.left = None
    whole.process().look()
    started = {stream.id for stream in log.streams() if stream.id.startswith("hourly-")}
    assert started == set(whole.started)
    assert all(log.head(run).seq == 1 for run in started)
    dealt = [record.event for record in firings(log, "hourly", 100)]
    assert dealt == [record.event for record in firings(whole.log, "hourly", 100)]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=8),
    st.sampled_from(["skip", "latest", "all"]),
)
def test_every_time_is_dealt_with_once_however_long_the_pauses(
    minutes: list[int], missed: MissedRule
) -> None:
    world = World()
    world.process().set(every_hour(missed))
    for pause in minutes:
        world.clock.now += pause * MINUTE
        world.process().look()
    dealt = [record.event for record in firings(world.log, "hourly", 1000)]
    counted = sum(e.count if isinstance(e, FiringsMissed) else 1 for e in dealt)
    assert counted == (world.clock.now - BEGIN) // HOUR
    assert len(set(world.started)) == len(world.started)


def test_a_run_that_cannot_start_yet_is_started_later() -> None:
    world = World()
    scheduler = world.process()
    scheduler.set(every_hour())
    world.clock.now = BEGIN + HOUR
    world.refuses = AdmissionRefused("too many runs are open")
    assert scheduler.look() <= 1.0
    world.refuses = None
    scheduler.look()
    assert world.started == [run_of("hourly", BEGIN + HOUR)]


def test_a_run_that_cannot_start_at_all_is_shown_as_missed_with_the_reason() -> None:
    world = World()
    scheduler = world.process()
    scheduler.set(every_hour())
    world.clock.now = BEGIN + HOUR
    world.refuses = UsageError("unknown price")
    scheduler.look()
    (missed,) = [record.event for record in firings(world.log, "hourly")]
    assert isinstance(missed, FiringsMissed)
    assert missed.reason == "unknown price"


def test_setting_the_same_schedule_again_records_nothing() -> None:
    world = World()
    for _ in range(3):
        world.process().set(every_hour())
    assert world.log.head("schedules").seq == 1
    world.process().set(every_hour(goal="another"))
    assert world.log.head("schedules").seq == 2
    assert len(schedules(world.log)) == 1


def test_a_cancelled_schedule_starts_nothing_more_and_can_be_set_again() -> None:
    world = World()
    scheduler = world.process()
    scheduler.set(every_hour())
    scheduler.cancel("hourly", "no longer")
    world.clock.now = BEGIN + 5 * HOUR
    world.process().look()
    assert world.started == []
    with pytest.raises(UsageError, match="there is no schedule 'hourly'"):
        scheduler.cancel("hourly")
    world.process().set(every_hour())
    world.clock.now = BEGIN + 6 * HOUR
    world.process().look()
    assert world.started == [run_of("hourly", BEGIN + 6 * HOUR)]


def local(moment: int, zone: str) -> str:
    return f"{datetime.fromtimestamp(moment / 1_000_000, ZoneInfo(zone)):%m-%d %H:%M}"


def test_nine_o_clock_is_nine_o_clock_in_summer_and_in_winter() -> None:
    times = times_after("0 9 * * 1", "Europe/Paris", BEGIN)
    found = [local(next(times), "Europe/Paris") for _ in range(6)]
    assert found == ["03-09 09:00", "03-16 09:00", "03-23 09:00", "03-30 09:00",
                     "04-06 09:00", "04-13 09:00"]  # fmt: skip


@pytest.mark.parametrize(
    ("cron", "zone", "words"),
    [
        ("61 * * * *", "UTC", "five fields"),
        ("often", "UTC", "five fields"),
        ("0 9 * * *", "Europe/Pari", "did you mean Europe/Paris"),
    ],
)
def test_a_wrong_schedule_is_refused_in_one_line(cron: str, zone: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as info:
        World().process().set(every_hour(cron=cron, timezone=zone))
    assert "\n" not in str(info.value)


def test_a_runtime_starts_the_runs_of_the_schedules_that_it_finds(tmp_path: Path) -> None:
    def said(body: dict[str, Any]) -> str:
        return "Good morning."

    agent, path = Agent(name="greeter", model=ScriptedModel(said)), tmp_path / "a.db"
    with Runtime(path) as runtime:
        schedule = runtime.schedule(
            "* * * * *", agent, "greet", timezone="Europe/Paris", metadata={"by": "schedule"}
        )
        assert runtime.schedules() == [schedule]
        assert runtime.schedule(
            "* * * * *", agent, "greet", timezone="Europe/Paris", metadata={"by": "schedule"}
        ) == schedule  # fmt: skip
    due = schedule.since // MINUTE * MINUTE + MINUTE
    clock = Clock()
    clock.now = due
    with Runtime(path, [agent], only_runs=()) as runtime:
        runtime._scheduler._now = clock  # pyright: ignore[reportPrivateUsage]
        runtime._scheduler.look()  # pyright: ignore[reportPrivateUsage]
        run = runtime.attach(run_of(schedule.id, due), agent)
        assert run.wait(20).answer == "Good morning."
        first = next(iter(run.events())).event
        assert first.metadata == {"by": "schedule"}  # type: ignore[attr-defined]
        runtime.cancel_schedule(schedule.id)
        assert runtime.schedules() == []


def test_options_that_the_log_cannot_keep_are_refused(tmp_path: Path) -> None:
    agent = Agent(name="greeter", model=ScriptedModel(["hi"]))
    with Runtime(tmp_path / "a.db") as runtime, pytest.raises(UsageError, match="not JSON"):
        runtime.schedule("* * * * *", agent, "g", content=[object()])  # type: ignore[list-item]


def unknown(_: ScheduleSet, __: str) -> bool:
    """The schedule's agent is not known to this process."""
    return False


class CancellingWorld(World):
    """Somebody cancels the schedule as soon as its first run has started."""

    scheduler: Scheduler
    canceller: threading.Thread | None = None

    def start(self, _: ScheduleSet, run: str) -> bool:
        """Start the run; the cancelling goes on beside it."""
        if self.canceller is None:
            self.canceller = threading.Thread(target=self.scheduler.cancel, args=("hourly",))
            self.canceller.start()
            while not self.scheduler._asking:  # pyright: ignore[reportPrivateUsage]
                threading.Event().wait(0.001)
        return super().start(_, run)


@pytest.mark.parametrize("missed", ["all", "latest"])
def test_nothing_starts_once_a_schedule_is_cancelled_even_in_the_middle_of_catching_up(
    missed: MissedRule,
) -> None:
    world = CancellingWorld()
    world.scheduler = world.process()
    world.scheduler.set(every_hour(missed))
    world.clock.now = BEGIN + 400 * HOUR + 5
    world.scheduler.look()
    assert world.canceller is not None
    world.canceller.join()
    after = len(world.started)
    world.scheduler.look()
    world.process().look()
    assert len(world.started) == after
    assert schedules(world.log) == {}
    assert after == 1


def test_one_schedule_that_raises_keeps_no_other_from_its_times() -> None:
    world = World()
    scheduler = world.process()
    scheduler.set(every_hour(schedule="broken", agent="broken"))
    scheduler.set(every_hour())
    world.clock.now = BEGIN + HOUR
    start = world.start

    def breaks(wanted: ScheduleSet, run: str) -> bool:
        if wanted.agent == "broken":
            raise ZeroDivisionError
        return start(wanted, run)

    later = Scheduler(world.log, breaks, now=world.clock)
    assert later.look() > 1.0
    assert world.started == [run_of("hourly", BEGIN + HOUR)]
    world.process().look()
    assert run_of("broken", BEGIN + HOUR) in world.started


@pytest.mark.parametrize(
    "refusal", [SessionBusy("s", "r"), AdmissionRefused("too many runs"), None]
)
def test_a_time_that_passes_while_no_run_can_start_is_shown_as_missed_for_that_reason(
    refusal: Exception | None,
) -> None:
    world = World()
    scheduler = Scheduler(world.log, unknown, now=world.clock) if refusal is None else None
    scheduler = scheduler or world.process()
    scheduler.set(every_hour("skip"))
    world.refuses = refusal
    for hour in (1, 2):
        world.clock.now = BEGIN + hour * HOUR + 5
        scheduler.look()
    (missed,) = [record.event for record in firings(world.log, "hourly")]
    assert isinstance(missed, FiringsMissed)
    said = "agent 'a' is not known to the process" if refusal is None else str(refusal)
    assert missed.reason == said


def test_what_no_process_was_there_for_is_shown_as_missed_for_that_reason() -> None:
    world = World()
    scheduler = world.process()
    scheduler.set(every_hour())
    world.refuses = SessionBusy("s", "r")
    world.clock.now = BEGIN + HOUR
    scheduler.look()
    world.refuses = None
    scheduler.look()
    world.clock.now = BEGIN + 3 * HOUR + 5 * MINUTE
    scheduler.look()
    missed = [e for r in firings(world.log, "hourly") if isinstance(e := r.event, FiringsMissed)]
    assert [each.reason for each in missed] == ["no process had the log"]


def test_closing_waits_no_longer_than_it_is_told_for_a_start_that_hangs() -> None:
    world, hangs, go = World(), threading.Event(), threading.Event()

    def hang(_: ScheduleSet, __: str) -> bool:
        hangs.set()
        return go.wait(30)

    scheduler = Scheduler(world.log, hang, now=world.clock)
    scheduler.set(every_hour())
    world.clock.now = BEGIN + HOUR
    scheduler.begin()
    assert hangs.wait(30)
    scheduler.close(0.01)
    assert not go.is_set()  # it came back while the start still hangs
    go.set()


Deed = tuple[str, int]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("wait"), st.integers(1, 200)),
            st.tuples(st.just("die before"), st.integers(0, 6)),
            st.tuples(st.just("die after"), st.integers(0, 6)),
            st.tuples(st.sampled_from(["busy", "free", "restart", "unknown agent"]), st.just(0)),
        ),
        max_size=14,
    ),
    st.sampled_from(["skip", "latest", "all"]),
)
def test_each_time_starts_one_run_or_is_shown_as_missed_whatever_crashes(
    deeds: list[Deed], missed: MissedRule
) -> None:
    log = DyingLog()
    world = World(log)
    names = {"hourly": "0 * * * *", "often": "*/20 * * * *"}
    scheduler = world.process()
    for name, cron in names.items():
        scheduler.set(every_hour(missed, schedule=name, cron=cron))
    for deed, number in [*deeds, ("free", 0), ("restart", 0)]:
        match deed:
            case "wait":
                world.clock.now += number * MINUTE
            case "busy" | "free":
                world.refuses = SessionBusy("s", "r") if deed == "busy" else None
            case "restart" | "unknown agent":
                start = world.start if deed == "restart" else unknown
                scheduler = Scheduler(log, start, now=world.clock)
            case _:
                log.left, log.after = number, deed == "die after"
        try:
            scheduler.look()
        except Died:
            log.left = None
            scheduler = world.process()
    log.left = None
    scheduler.look()
    for name, cron in names.items():
        each_is_dealt_with_once(world, name, cron)


def each_is_dealt_with_once(world: World, name: str, cron: str) -> None:
    """Each time has one run, or is shown as missed; and no run is without its record."""
    log = world.log
    dealt = [record.event for record in firings(log, name, 10_000)]
    fired = [e for e in dealt if isinstance(e, ScheduleFired)]
    now = world.clock.now
    times = list(takewhile(now.__ge__, times_after(cron, "UTC", BEGIN)))
    due = [e.due for e in fired]
    shown = [
        t for e in dealt if isinstance(e, FiringsMissed) for t in times if e.first <= t <= e.last
    ]
    assert sorted(due + shown) == times
    runs = {stream.id for stream in log.streams() if stream.id.startswith(f"{name}-")}
    assert runs == {e.run for e in fired}
    assert all(log.head(run).seq == 1 for run in runs)
