"""Tells people about waits: one thread, and only where a Runtime has `notify=`.

    a wait is committed -> the hook is told -> NoticeSent is recorded -> the next step of the rule

A crash between hook and record means that the hook is told again, with the same key. What was
recorded is not told again, by whichever process.
"""

import heapq
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from playhead.actors.append import Statement, append_all
from playhead.events.codec import decode
from playhead.events.errors import RuntimeClosed
from playhead.events.kinds.notices import NoticeSent
from playhead.events.kinds.waits import WaitStarted
from playhead.events.log.contract import Log, Reader
from playhead.events.logger import ProgramLogger
from playhead.events.record import Record
from playhead.notices.notice import Notify
from playhead.projections.state.run_state import RunState
from playhead.projections.stored.wait_list import OpenWait

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds until a hook that raised is called again: doubled each time."""

LONGEST = 30.0
"""Seconds between two looks at the clock."""

program_log = ProgramLogger("playhead.notices")


class Coming(NamedTuple):
    """A notice that is to be told."""

    at: int
    """Microseconds since the epoch."""
    run: str
    wait: int
    number: int
    tries: int = 0


def notices_stream(run: str) -> str:
    """The stream of the notices about one run."""
    return f"notices/{run}"


def sent(reader: Reader, run: str) -> list[NoticeSent]:
    """Who was told about the waits of a run, in order."""
    stream = notices_stream(run)
    if reader.stream(stream) is None:
        return []
    events = (decode(row, reader.body).event for row in reader.read(stream))
    return [event for event in events if isinstance(event, NoticeSent)]


class Notifier:
    """Tells the hook about the waits of one log. `begin` starts its thread, `close` ends it."""

    def __init__(
        self,
        log: Log,
        notify: Notify,
        waits: Callable[[str | None], list[OpenWait]],
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Nothing is told before `begin`.

        `waits`: the open waits of a run, or of all runs.
        """
        self._log = log
        self._notify = notify
        self._steps = notify.steps()
        self._waits = waits
        self._now = now
        self._lock = threading.Lock()
        self._coming: list[Coming] = []
        self._woken = threading.Event()
        self._stopped = False
        self._left = False
        """Whether `close` did not wait for the hook to come back."""
        self._thread = threading.Thread(target=self._work, name="playhead-notices", daemon=True)

    def begin(self) -> None:
        """Tell what earlier processes have not told."""
        self._thread.start()

    def committed(self, state: RunState, records: Sequence[Record]) -> None:
        """An engine's watcher: a wait that begins is told."""
        for record in records:
            if isinstance(record.event, WaitStarted):
                self._add(Coming(record.at, state.run, record.seq, 0))

    def close(self, seconds: float = 5.0) -> None:
        """Tell nothing more; the next process goes on.

        `seconds`: how long the hook is waited for. A notice with which it does not come back in
        time is told again by the next process.
        """
        self._stopped = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
            self._left = self._thread.is_alive()
        if self._left:
            program_log.warning("notices.left", why="Notify(tell=) did not come back")

    def _add(self, coming: Coming) -> None:
        with self._lock:
            heapq.heappush(self._coming, coming)
        self._woken.set()

    def look(self) -> float:
        """Tell everything whose time has come; the seconds until the next look."""
        while not self._stopped:
            with self._lock:
                if not self._coming or self._coming[0].at > self._now():
                    break
                coming = heapq.heappop(self._coming)
            self._tell(coming)
        with self._lock:
            if not self._coming:
                return LONGEST
            return max(0.0, min(LONGEST, (self._coming[0].at - self._now()) / 1_000_000))

    def take_up(self) -> None:
        """Find the notices that are due for the waits that are open."""
        told: dict[str, set[tuple[int, int]]] = {}
        for found in self._waits(None):
            run, wait = found.run, found.wait
            if run not in told:
                told[run] = {(each.wait, each.number) for each in sent(self._log, run)}
            for number, _ in enumerate(self._steps):
                if (wait.seq, number) not in told[run]:
                    self._add(self._step(run, wait.seq, wait.since, number))
                    break

    def _step(self, run: str, wait: int, since: int, number: int) -> Coming:
        after = int(self._steps[number].after * 1_000_000)
        return Coming(since + after, run, wait, number)

    def _tell(self, coming: Coming) -> None:
        try:
            self._tell_and_record(coming)
        except RuntimeClosed:
            raise
        except Exception as error:  # the hook is the program's code, and storage may fail
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**coming.tries)
            program_log.warning("notice.failed", run=coming.run, why=repr(error), again=pause)
            at = self._now() + int(pause * 1_000_000)
            self._add(coming._replace(at=at, tries=coming.tries + 1))

    def _tell_and_record(self, coming: Coming) -> None:
        run, wait, number = coming.run, coming.wait, coming.number
        found = next((each for each in self._waits(run) if each.wait.seq == wait), None)
        if found is None or found.wait.about not in self._notify.about:
            return  # it is over, or not for a person
        if not any((each.wait, each.number) == (wait, number) for each in sent(self._log, run)):
            notice = self._notify.notice(found, number)
            self._notify.tell(notice)
            if self._left:
                return  # the log is no longer this runtime's
            event = NoticeSent(run=run, wait=wait, number=number, level=notice.level, to=notice.to)
            append_all(self._log, [Statement(event)], self._now(), stream=notices_stream(run))
        if number + 1 < len(self._steps):
            self._add(self._step(run, wait, found.wait.since, number + 1))

    def _work(self) -> None:
        ready = False
        while not self._stopped:
            self._woken.clear()
            try:
                if not ready:
                    self.take_up()
                    ready = True
                seconds = self.look()
            except RuntimeClosed:
                return
            except Exception:
                program_log.exception("notices.failed")
                seconds = FIRST_PAUSE
            self._woken.wait(seconds)
