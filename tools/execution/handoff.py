"""One piece of work handed from the runtime's loop to a thread, and its answer handed back.

A ticket says who was first: work is started at most once, withdrawn only before it started, and an
answer is either taken or late, never both.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class NotStarted(Exception):
    """The work never began: nobody was free to do it."""


class TimedOut(Exception):
    """The work began and gave no answer in time."""


class Handoff(Generic[T]):
    """`start` and `finish` are called by the worker's thread, all else on the loop that waits."""

    def __init__(self, late: Callable[[T], None], give_up: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[T] = self._loop.create_future()
        self._lock = threading.Lock()
        self._state = "waiting"
        self._started_at = 0.0
        self._late = late
        self._give_up = give_up

    def start(self) -> bool:
        """Whether the work is still wanted; from now on it counts as begun."""
        with self._lock:
            if self._state != "waiting":
                return False
            self._state = "running"
            self._started_at = self._loop.time()
            return True

    def finish(self, answer: T) -> None:
        """Hand the answer back; when nobody waits any more it is late."""
        with self._lock:
            taken = self._state == "running"
            self._state = "over"
        if not taken:
            self._late(answer)
            return
        try:
            self._loop.call_soon_threadsafe(self._set, answer)
        except RuntimeError:
            self._late(answer)

    def _set(self, answer: T) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)

    async def wait(self, patience: float, timeout: float, abandon: Callable[[], None]) -> T:
        """The answer. `patience` bounds the time until it starts, `timeout` from then on (seconds).

        Raises NotStarted, or TimedOut after having called `abandon` (which is called too when the
        waiting task is cancelled while the work runs).
        """
        self._look_in(min(patience, timeout), timeout, abandon)
        try:
            return await self._answer
        except asyncio.CancelledError:
            if not self._end("waiting") and self._end("running"):
                self._stop(abandon)
            raise
        finally:
            self._timer.cancel()

    def _look_in(self, seconds: float, timeout: float, abandon: Callable[[], None]) -> None:
        self._timer = self._loop.call_later(max(seconds, 0.0), self._look, timeout, abandon)

    def _look(self, timeout: float, abandon: Callable[[], None]) -> None:
        """Time is up for the work to begin, or to end; an answer on its way is still taken."""
        if self._answer.done():
            return
        if self._end("waiting"):
            self._answer.set_exception(NotStarted())
        elif (left := self._started_at + timeout - self._loop.time()) > 0:
            self._look_in(left, timeout, abandon)
        elif self._end("running"):
            self._stop(abandon)
            self._answer.set_exception(TimedOut())

    def _end(self, state: str) -> bool:
        with self._lock:
            if self._state != state:
                return False
            self._state = "over"
            return True

    def _stop(self, abandon: Callable[[], None]) -> None:
        self._give_up()
        abandon()
