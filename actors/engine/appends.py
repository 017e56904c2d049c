"""Turns to be written to the log: submitted, and resubmitted while the storage fails.

A turn is kept until the log has accepted or permanently refused it. Those who wait are told within
a time limit; the turn itself is still kept then. Called on the loop.
"""

import asyncio
from collections import deque
from functools import partial
from typing import Protocol

from playhead.actors.engine.turn import Turn
from playhead.events.errors import LogError, StorageUnavailable
from playhead.events.log.contract import Log
from playhead.events.logger import ProgramLogger

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 5.0
"""Seconds between two tries of a turn, doubled each time from the first to the longest."""

A_MOMENT = 0.001
"""Seconds; clocks and sums of times are not exact."""

program_log = ProgramLogger("playhead.engine")


class Pending:
    """One turn that is not known to be in the log yet."""

    __slots__ = ("hangs", "pause", "retry", "told", "trouble", "turn", "withdrawn")

    def __init__(self, turn: Turn, since: float) -> None:
        self.turn = turn
        self.told = since
        """When it was submitted, or those who wait were told last, by the loop's clock."""
        self.pause = FIRST_PAUSE
        self.retry: asyncio.TimerHandle | None = None
        """Its next try; None while the log has it."""
        self.hangs = False
        """Whether the log had not answered at the time limit; it is given the same time again."""
        self.trouble: StorageUnavailable | None = None
        """The error of the last try."""
        self.withdrawn = False
        """Whether its sender was told that it was withdrawn: it must not be written any more."""


class Committer(Protocol):
    """Is told the outcome of each turn."""

    def acknowledged(self, turn: Turn, position: int) -> None:
        """The turn is in the log; its last record is at that position."""
        ...

    def refused(self, turn: Turn, error: Exception) -> None:
        """The log permanently refuses it."""
        ...

    def dropped(self, turn: Turn) -> None:
        """The turn was withdrawn and is not in the log. Raises LogError if that cannot be read."""
        ...

    def overdue(self, pending: Pending) -> None:
        """The turn has waited for the storage for another time limit."""
        ...


class Appends:
    """The turns of all runs that are being written."""

    def __init__(
        self, log: Log, loop: asyncio.AbstractEventLoop, committer: Committer, bound: float
    ) -> None:
        """`bound`: seconds after which, repeatedly, those who wait are told."""
        self.bound = bound
        self._log = log
        self._loop = loop
        self._committer = committer
        self._pending: dict[Turn, Pending] = {}
        self._answers: deque[tuple[Pending, int | Exception]] = deque()
        self._look: asyncio.TimerHandle | None = None
        self._served: asyncio.Future[None] | None = None
        """Set when the log answers; wakes those who wait in `answered`."""

    def submit(self, turn: Turn) -> None:
        """Submit a turn for writing."""
        pending = self._pending[turn] = Pending(turn, self._loop.time())
        if self._look is None:
            self._look = self._loop.call_later(self.bound + A_MOMENT, self._look_around)
        self._submit(pending)

    async def answered(self, seconds: float) -> bool:
        """Wait for the log's next answers; False if none arrives in that time."""
        self._served = self._loop.create_future()
        served, _ = await asyncio.wait([self._served], timeout=max(0.0, seconds))
        return bool(served)

    def stop(self) -> list[Turn]:
        """Stop trying; returns the turns that were not written."""
        for pending in self._pending.values():
            if pending.retry is not None:
                pending.retry.cancel()
        if self._look is not None:
            self._look.cancel()
        left = list(self._pending)
        self._pending.clear()
        return left

    def _submit(self, pending: Pending) -> None:
        pending.retry = None
        self._log.submit(pending.turn.append, partial(self._answered, pending))

    def _answered(self, pending: Pending, answer: int | Exception) -> None:
        """On the log's thread: one wake-up of the loop handles everything committed together."""
        self._answers.append((pending, answer))
        if len(self._answers) == 1:
            self._loop.call_soon_threadsafe(self._serve)

    def _serve(self) -> None:
        while self._answers:
            pending, answer = self._answers[0]
            try:
                self._settle(pending, answer)
            except Exception:  # a bug here must cost one run at most
                program_log.exception("engine.bug", run=pending.turn.state.run)
            finally:
                self._answers.popleft()
        self._wake()

    def _wake(self) -> None:
        if self._served is not None and not self._served.done():
            self._served.set_result(None)

    def _settle(self, pending: Pending, answer: int | Exception) -> None:
        if pending.turn not in self._pending:  # stopped meanwhile
            return
        if isinstance(answer, StorageUnavailable):
            self._wait(pending, answer)
            return
        self.forget(pending.turn)
        if isinstance(answer, Exception):
            self._committer.refused(pending.turn, answer)
        else:
            self._committer.acknowledged(pending.turn, answer)

    def _wait(self, pending: Pending, trouble: StorageUnavailable) -> None:
        if pending.trouble is None:
            program_log.warning("append.waits", run=pending.turn.state.run, why=str(trouble))
        pending.trouble = trouble
        pending.retry = self._loop.call_later(pending.pause, self._try_again, pending)
        pending.pause = min(2 * pending.pause, LONGEST_PAUSE, self.bound / 2)

    def _try_again(self, pending: Pending) -> None:
        if pending.withdrawn:
            self._withdraw(pending)
        else:
            self._submit(pending)

    def _withdraw(self, pending: Pending) -> None:
        """Drop a withdrawn turn; one that the failed try has written after all is kept."""
        turn = pending.turn
        try:
            if self._log.head(turn.state.run) == turn.state.head:
                self._submit(pending)
                return
            self._committer.dropped(turn)
        except LogError as error:
            self._wait(pending, StorageUnavailable("the log", str(error)))
        else:
            self.forget(turn)
            self._wake()

    def forget(self, turn: Turn) -> None:
        """The turn's run is dropped: later answers of the log are ignored."""
        pending = self._pending.pop(turn, None)
        if pending is not None and pending.retry is not None:
            pending.retry.cancel()
        if not self._pending and self._look is not None:
            self._look.cancel()
            self._look = None

    def _look_around(self) -> None:
        """Report the turns that have waited too long; check again while any is open."""
        now = self._loop.time()
        for pending in list(self._pending.values()):
            if pending.told + self.bound > now:
                continue
            pending.told = now
            pending.hangs = pending.retry is None and not pending.hangs
            self._committer.overdue(pending)
            if pending.withdrawn and pending.retry is not None:
                pending.retry.cancel()
                self._withdraw(pending)
        if self._pending:
            soonest = min(pending.told for pending in self._pending.values()) + self.bound
            self._look = self._loop.call_later(soonest - now + A_MOMENT, self._look_around)
