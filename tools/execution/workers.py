"""Where users' code runs: never on the runtime's loop, so that no tool can block the runtime.

`Threads` is the real implementation. `Inline` runs everything on the caller's thread and loop, for
simulations whose scheduler owns both.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from playhead.events.logger import ProgramLogger
from playhead.tools.execution.thread_pool import SyncPool
from playhead.tools.execution.tool_loop import UserLoop
from playhead.tools.sandbox.sandbox import Sandbox

T = TypeVar("T")

log = ProgramLogger("playhead.tool")

MAX_STUCK = 8
"""Stuck loops kept beside the one in use; after that, async tools wait until one is free."""


def ignore(*_: object) -> None:
    """For callers who need no late answer and have nothing to stop."""


class NotStarted(Exception):
    """The work never began: no worker was free."""


class TimedOut(Exception):
    """The work began and gave no answer in time."""


class Workers(Protocol):
    """Runs work that does not raise. Called from one event loop only.

    Both methods raise NotStarted when the work never began, and TimedOut when it began but gave no
    answer within `timeout` seconds. Then, and when the waiting task is cancelled, `give_up` is
    called, async work is cancelled, sync work continues unattended, and an answer that still comes
    is passed to `late` on the thread of the work.
    """

    sandbox: Sandbox
    """For calls that run in a process of their own."""

    async def run_sync(
        self,
        name: str,
        work: Callable[[], T],
        timeout: float,
        late: Callable[[T], object] = ignore,
        give_up: Callable[[], object] = ignore,
    ) -> T:
        """Run a function."""
        ...

    async def run_async(
        self,
        name: str,
        work: Callable[[], Coroutine[Any, Any, T]],
        timeout: float,
        late: Callable[[T], object] = ignore,
        give_up: Callable[[], object] = ignore,
    ) -> T:
        """Run a coroutine function."""
        ...

    def close(self) -> None:
        """Cancel async work, drop what has not started, let threads end. Does not wait."""
        ...


class Handoff(Generic[T]):
    """Hands one piece of work to a thread, and its answer back to the loop that waits.

    Work starts at most once and is withdrawn only before it started; an answer is either taken or
    late, never both. `start` and `finish` are called on the worker's thread, everything else on the
    loop.
    """

    def __init__(self, late: Callable[[T], object], give_up: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[T] = self._loop.create_future()
        self._lock = threading.Lock()
        self._state = "waiting"
        self._started_at = 0.0
        self._late = late
        self._give_up = give_up

    def start(self) -> bool:
        """Whether the work is still wanted; from here on it counts as started."""
        with self._lock:
            if self._state != "waiting":
                return False
            self._state = "running"
            self._started_at = self._loop.time()
            return True

    def finish(self, answer: T) -> None:
        """Hand the answer back; it is late when nobody waits any more."""
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
        """The answer. `patience` bounds the wait for the start, `timeout` the work (seconds).

        Raises NotStarted, or TimedOut after calling `abandon`, which is also called when the
        waiting task is cancelled while the work runs.
        """
        self._check_in(min(patience, timeout), timeout, abandon)
        try:
            return await self._answer
        except asyncio.CancelledError:
            if not self._end("waiting") and self._end("running"):
                self._stop(abandon)
            raise
        finally:
            self._timer.cancel()

    def _check_in(self, seconds: float, timeout: float, abandon: Callable[[], None]) -> None:
        # In a context of its own: a cancelled timer would keep the caller's until it is due.
        self._timer = self._loop.call_later(
            max(seconds, 0.0), self._check, timeout, abandon, context=contextvars.Context()
        )

    def _check(self, timeout: float, abandon: Callable[[], None]) -> None:
        """The time to start, or to finish, is up; an answer already on its way is still taken."""
        if self._answer.done():
            return
        if self._end("waiting"):
            self._answer.set_exception(NotStarted())
        elif (left := self._started_at + timeout - self._loop.time()) > 0:
            self._check_in(left, timeout, abandon)
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


class Threads:
    """A bounded pool for sync work, a thread with a loop for async work; both created on demand."""

    def __init__(
        self, max_sync_tools: int = 8, *, patience: float = 2.0, sandbox: Sandbox | None = None
    ) -> None:
        self._pool = SyncPool(max_sync_tools)
        self._patience = patience
        """Seconds within which the loop must start a piece of work, or it counts as stuck."""
        self._current: UserLoop | None = None
        self._stuck: list[UserLoop] = []
        self._made = 0
        self.sandbox = sandbox or Sandbox()

    async def run_sync(
        self,
        name: str,
        work: Callable[[], T],
        timeout: float,
        late: Callable[[T], object] = ignore,
        give_up: Callable[[], object] = ignore,
    ) -> T:
        """Run a function on a pool thread; it may wait for a thread as long as it may run."""
        handoff = Handoff(late, give_up)
        context = contextvars.copy_context()

        def perform() -> None:
            if handoff.start():
                handoff.finish(context.run(work))

        job = self._pool.submit(name, perform)
        return await handoff.wait(timeout, timeout, lambda: self._pool.abandon(job))

    async def run_async(
        self,
        name: str,
        work: Callable[[], Coroutine[Any, Any, T]],
        timeout: float,
        late: Callable[[T], object] = ignore,
        give_up: Callable[[], object] = ignore,
    ) -> T:
        """Run a coroutine function on the user loop, or on a new loop when that one is stuck."""
        while True:
            loop = self._user_loop()
            handoff = Handoff(late, give_up)

            async def perform(handoff: Handoff[T] = handoff) -> None:
                if handoff.start():
                    handoff.finish(await work())

            cancel = loop.submit(perform)
            try:
                return await handoff.wait(self._patience, timeout, cancel)
            except NotStarted:
                if not self._replace(loop):
                    raise

    def close(self) -> None:
        """Cancel async work, drop what has not started, let threads end. Does not wait."""
        self._pool.close()
        self.sandbox.close()
        if self._current is not None:
            self._current.retire(cancel=True)
            self._current = None

    def _user_loop(self) -> UserLoop:
        if self._current is None:
            self._made += 1
            self._current = UserLoop(f"playhead-tool-loop-{self._made}")
        return self._current

    def _replace(self, loop: UserLoop) -> bool:
        """Set a stuck loop aside; False when too many are stuck already."""
        self._stuck = [old for old in self._stuck if old.thread.is_alive()]
        if self._current is not loop:
            return True
        if len(self._stuck) >= MAX_STUCK:
            log.error("tool_loop.exhausted", stuck=len(self._stuck))
            return False
        log.warning("tool_loop.stuck", thread=loop.thread.name)
        loop.retire()
        self._stuck.append(loop)
        self._current = None
        return True


class Inline:
    """Runs everything on the caller's thread and loop. Sync work cannot be timed out here."""

    def __init__(self) -> None:
        self.sandbox = Sandbox()

    async def run_sync(
        self,
        name: str,
        work: Callable[[], T],
        timeout: float,
        late: Callable[[T], object] = ignore,
        give_up: Callable[[], object] = ignore,
    ) -> T:
        """Call the function here and now."""
        return work()

    async def run_async(
        self,
        name: str,
        work: Callable[[], Coroutine[Any, Any, T]],
        timeout: float,
        late: Callable[[T], object] = ignore,
        give_up: Callable[[], object] = ignore,
    ) -> T:
        """Run the coroutine function as a task of this loop."""
        task = asyncio.create_task(work(), name=name)
        try:
            await asyncio.wait((task,), timeout=timeout)
        except asyncio.CancelledError:
            _leave(task, late, give_up)
            raise
        if task.done():
            return task.result()
        _leave(task, late, give_up)
        raise TimedOut

    def close(self) -> None:
        """Nothing to close."""


def _leave(
    task: asyncio.Task[T], late: Callable[[T], object], give_up: Callable[[], object]
) -> None:
    give_up()
    task.add_done_callback(lambda ended: None if ended.cancelled() else late(ended.result()))
    task.cancel()
