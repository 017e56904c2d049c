"""Where the code of tools runs: never on the runtime's loop, so that no tool can stop the runtime.

`Threads` is the real one. `Inline` runs everything where it is called, on one thread and one loop,
for simulations whose scheduler owns both.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from playhead.events.logger import ProgramLogger
from playhead.tools.execution.handoff import Handoff, NotStarted, TimedOut
from playhead.tools.execution.thread_pool import SyncPool
from playhead.tools.execution.tool_loop import UserLoop
from playhead.tools.sandbox.sandbox import Sandbox

T = TypeVar("T")

log = ProgramLogger("playhead.tool")

MAX_STUCK = 8
"""Stuck user loops beside the one in use; after that async tools wait for one to come free."""


class Workers(Protocol):
    """Runs pieces of work that do not raise. Called from one event loop only.

    Both raise NotStarted when the work never began, and TimedOut when it began and gave no answer
    within `timeout` seconds. Then, and when the waiting task is cancelled, `give_up` is called, an
    async work is cancelled, a sync one goes on unheeded, and an answer that still comes goes to
    `late`, on the thread of the work.
    """

    sandbox: Sandbox
    """For calls that have a process of their own."""

    async def run_sync(
        self,
        name: str,
        work: Callable[[], T],
        timeout: float,
        late: Callable[[T], None],
        give_up: Callable[[], None],
    ) -> T:
        """Run a function."""
        ...

    async def run_async(
        self,
        name: str,
        work: Callable[[], Coroutine[Any, Any, T]],
        timeout: float,
        late: Callable[[T], None],
        give_up: Callable[[], None],
    ) -> T:
        """Run a coroutine function."""
        ...

    def close(self) -> None:
        """Cancel what is async, forget what waits, let threads end. Waits for nothing."""
        ...


class Threads:
    """A bounded pool for sync tools, a thread with a loop for async ones; both made when needed."""

    def __init__(
        self, max_sync_tools: int = 8, *, patience: float = 2.0, sandbox: Sandbox | None = None
    ) -> None:
        self._pool = SyncPool(max_sync_tools)
        self._patience = patience
        """Seconds within which the user loop must begin a piece of work, or it counts as stuck."""
        self._current: UserLoop | None = None
        self._stuck: list[UserLoop] = []
        self._made = 0
        self.sandbox = sandbox or Sandbox()

    async def run_sync(
        self,
        name: str,
        work: Callable[[], T],
        timeout: float,
        late: Callable[[T], None],
        give_up: Callable[[], None],
    ) -> T:
        """Run a function on a pool thread; it may wait for one as long as it may run."""
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
        late: Callable[[T], None],
        give_up: Callable[[], None],
    ) -> T:
        """Run a coroutine function on the user loop, on a fresh one when that is stuck."""
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
        """Cancel what is async, forget what waits, let threads end. Waits for nothing."""
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
        """Put a stuck loop aside; False when there are too many already."""
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
    """Everything on the caller's own thread and loop. A sync work cannot be timed out here."""

    def __init__(self) -> None:
        self.sandbox = Sandbox()

    async def run_sync(
        self,
        name: str,
        work: Callable[[], T],
        timeout: float,
        late: Callable[[T], None],
        give_up: Callable[[], None],
    ) -> T:
        """Call the function here and now."""
        return work()

    async def run_async(
        self,
        name: str,
        work: Callable[[], Coroutine[Any, Any, T]],
        timeout: float,
        late: Callable[[T], None],
        give_up: Callable[[], None],
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
        """Nothing was opened."""


def _leave(task: asyncio.Task[T], late: Callable[[T], None], give_up: Callable[[], None]) -> None:
    give_up()
    task.add_done_callback(lambda ended: None if ended.cancelled() else late(ended.result()))
    task.cancel()
