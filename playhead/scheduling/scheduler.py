"""Starts runs at the times of the log's schedules: one thread, and only where there is a schedule.

    due times -> start the run (its id is made of schedule and time) -> record that it was started

A crash between the two leaves a run with that id: it is then only recorded, never started again.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from playhead.actors.append import Statement, append_all
from playhead.events.errors import (
    AdmissionRefused,
    PlayheadError,
    RuntimeClosed,
    SessionBusy,
    StorageUnavailable,
    UsageError,
)
from playhead.events.event import Event
from playhead.events.kinds.schedules import (
    FiringsMissed,
    ScheduleCancelled,
    ScheduleFired,
    ScheduleSet,
)
from playhead.events.log.contract import Log
from playhead.events.logger import ProgramLogger
from playhead.scheduling.cron import times_after
from playhead.scheduling.due import REASON, Firing, Missed, due, next_time
from playhead.scheduling.schedule_list import STREAM, Schedule, firings_stream, schedules
from playhead.tools.tool import canonical

LONGEST = 30.0
"""Seconds between two looks at the clock, which may be set meanwhile."""

SOON = 1.0
"""Seconds until a run that could not start yet (session busy, too many runs) is tried again."""

PASSING = (AdmissionRefused, SessionBusy, StorageUnavailable)

program_log = ProgramLogger("playhead.schedules")


class Scheduler:
    """The schedules of one log. Its methods may be called from any thread."""

    def __init__(
        self,
        log: Log,
        start: Callable[[ScheduleSet, str], bool],
        redact: Callable[[Event], Event] = lambda event: event,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Nothing starts before `begin`.

        Args:
            log: holds the schedules.
            start: starts a run for a schedule under this id; False if its agent is not known here.
            redact: changes what is recorded of a new schedule.
            now: microseconds since the epoch.
        """
        self._log = log
        self._start = start
        self._now = now
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._begun = False
        self._redact = redact
        self._live = schedules(log)
        self._acting = threading.Lock()
        """Held while one time is dealt with: nothing starts once `cancel` has returned."""
        self._asking = 0
        """How many wait for it, to set or to cancel a schedule."""
        self._why: dict[str, str] = {}
        """Schedule -> why its next time could not be dealt with so far."""

    def begin(self) -> None:
        """Start what is due, from now on."""
        self._begun = True
        self._wake()

    def set(self, wanted: ScheduleSet) -> Schedule:
        """Set a schedule; one that is the same already is left as it is. Raises UsageError."""
        next(times_after(wanted.cron, wanted.timezone, self._now()), None)
        redacted = self._redact(wanted)
        assert isinstance(redacted, ScheduleSet)
        wanted = redacted
        with self._between():
            known = self._live.get(wanted.schedule)
            if known is None or known.set != wanted:
                at = self._now()
                self._append(STREAM, wanted, at)
                known = self._live[wanted.schedule] = Schedule(wanted.schedule, wanted, at, at)
        self._wake()
        return known

    def cancel(self, schedule: str, reason: str = "", command: str | None = None) -> None:
        """Nothing starts by it any more. Raises UsageError if there is no such schedule."""
        with self._between():
            if schedule not in self._live:
                known = ", ".join(self._live) or "none"
                msg = f"there is no schedule {schedule!r} (schedules: {known})"
                raise UsageError(msg)
            cancelled = ScheduleCancelled(schedule=schedule, reason=reason)
            self._append(STREAM, cancelled, self._now(), command)
            del self._live[schedule]

    @contextmanager
    def _between(self) -> Generator[None]:
        """Hold both locks, before the next of the times that are being caught up."""
        with self._lock:
            self._asking += 1
        try:
            with self._acting, self._lock:
                yield
        finally:
            with self._lock:
                self._asking -= 1

    def all(self) -> list[Schedule]:
        """The schedules that are not cancelled, oldest first."""
        with self._lock:
            return list(self._live.values())

    def close(self, seconds: float = 5.0) -> None:
        """Start nothing more. What is due then waits for the next process.

        `seconds`: how long a start that is under way is waited for.
        """
        self._stopped = True
        self._woken.set()
        if self._thread is not None:
            self._thread.join(seconds)
            if self._thread.is_alive():
                program_log.warning("schedules.left", why="a start did not come back")

    def agents_changed(self) -> None:
        """An agent was registered: its schedules may be waiting for it."""
        self._woken.set()

    def look(self) -> float:
        """Deal with everything that is due; the seconds until the next look."""
        waits = [LONGEST]
        for schedule in self.all():
            try:
                waits.append(self._serve(schedule))
            except PASSING as error:
                program_log.warning("schedule.waits", schedule=schedule.id, why=str(error))
                self._why[schedule.id] = str(error)
                waits.append(SOON)
            except RuntimeClosed:
                raise
            except Exception as error:  # one schedule must not keep the others from their times
                program_log.exception("schedule.raised", schedule=schedule.id)
                self._why[schedule.id] = f"{type(error).__name__}: {error}"
        return max(0.0, min(waits))

    def _serve(self, schedule: Schedule) -> float:
        for each in due(schedule, self._now(), partial(self._has_run, schedule.id)):
            if self._asking:
                return 0.0  # a lock is not fair: whoever asks goes first
            with self._acting:
                if self._stopped or not self._is_live(schedule):
                    return LONGEST
                if not self._act(schedule, each):
                    agent = schedule.set.agent
                    self._why[schedule.id] = f"agent {agent!r} is not known to the process"
                    return LONGEST
        coming = next_time(schedule, self._now())
        return LONGEST if coming is None else (coming - self._now()) / 1_000_000

    def _has_run(self, schedule: str, time: int) -> bool:
        return self._log.stream(run_of(schedule, time)) is not None

    def _is_live(self, schedule: Schedule) -> bool:
        """Whether it was neither cancelled nor set anew."""
        with self._lock:
            known = self._live.get(schedule.id)
        return known is not None and (known.set, known.since) == (schedule.set, schedule.since)

    def _act(self, schedule: Schedule, each: Firing | Missed) -> bool:
        """Deal with one time, or with missed ones; False if the agent is not known here."""
        if isinstance(each, Firing):
            return self._fire(schedule, each)
        missed = FiringsMissed(
            schedule=schedule.id, first=each.first, last=each.last, count=each.times,
            reason=self._why.get(schedule.id, REASON),
        )  # fmt: skip
        self._dealt_with(schedule, missed, each.last)
        return True

    def _fire(self, schedule: Schedule, firing: Firing) -> bool:
        """Start the run of a time, unless it was; False if the agent is not known here."""
        run = run_of(schedule.id, firing.due)
        event: Event = ScheduleFired(
            schedule=schedule.id, due=firing.due, run=run, late=firing.late
        )
        try:
            if self._log.stream(run) is None and not self._start(schedule.set, run):
                return False
        except (*PASSING, RuntimeClosed):
            raise
        except PlayheadError as error:  # it cannot start at all: shown, and not tried for ever
            program_log.error("schedule.failed", schedule=schedule.id, why=str(error))
            event = FiringsMissed(
                schedule=schedule.id, first=firing.due, last=firing.due, count=1, reason=str(error)
            )
        self._dealt_with(schedule, event, firing.due)
        self._why.pop(schedule.id, None)
        return True

    def _dealt_with(self, schedule: Schedule, event: Event, upto: int) -> None:
        self._append(firings_stream(schedule.id), event, self._now())
        with self._lock:
            known = self._live.get(schedule.id)
            if known is not None:
                self._live[schedule.id] = replace(known, done=max(known.done, upto))

    def _append(self, stream: str, event: Event, at: int, command: str | None = None) -> None:
        append_all(self._log, [Statement(event)], at, command, stream=stream)

    def _wake(self) -> None:
        with self._lock:
            if self._begun and self._thread is None and self._live and not self._stopped:
                self._thread = threading.Thread(
                    target=self._work, name="playhead-schedules", daemon=True
                )
                self._thread.start()
        self._woken.set()

    def _work(self) -> None:
        while not self._stopped:
            self._woken.clear()
            try:
                seconds = self.look()
            except RuntimeClosed:
                return
            except Exception:
                program_log.exception("schedules.failed")
                seconds = SOON
            self._woken.wait(seconds)


def run_of(schedule: str, due: int) -> str:
    """The id of the run that is started at a time of a schedule."""
    moment = datetime.fromtimestamp(due / 1_000_000, UTC)
    return f"{schedule}-{moment:%y%m%d-%H%M%S}"


def schedule_id(wanted: ScheduleSet) -> str:
    """An id for a schedule without a name: the same for the same settings."""
    fields = wanted.model_dump(mode="json", exclude={"schedule", "kind"})
    return f"every-{hashlib.sha256(canonical(fields)).hexdigest()[:8]}"
