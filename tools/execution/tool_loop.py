"""An event loop in a thread of its own, for async tools: one that blocks stops no other part.

A loop that does not begin a piece of work in time counts as stuck and is retired: it ends once what
it still carries has ended, and a fresh one takes its place.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

from playhead.events.logger import ProgramLogger

log = ProgramLogger("playhead.tool")

STRAYS = 5.0
"""Seconds that a cancelled stray task has to end with its loop."""


class UserLoop:
    """One loop, one daemon thread. Its methods may be called from any thread."""

    def __init__(self, name: str) -> None:
        self._loop = Context().run(asyncio.new_event_loop)  # it keeps the context
        self._tasks: set[asyncio.Task[None]] = set()
        self._retired = False
        self.thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self.thread.start()

    def submit(self, work: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        """Start `work` (which must not raise) as a task, in the caller's context variables.

        The answer is a way to cancel it.
        """
        started: list[asyncio.Task[None]] = []

        def begin() -> None:
            task = self._loop.create_task(work())
            self._tasks.add(task)
            task.add_done_callback(self._done)
            started.append(task)

        def cancel() -> None:
            self._post(lambda: [task.cancel() for task in started])

        self._post(begin)
        return cancel

    def retire(self, *, cancel: bool = False) -> None:
        """End the thread once its tasks have ended; with `cancel`, cancel them first."""

        def begin() -> None:
            self._retired = True
            for task in self._tasks if cancel else ():
                task.cancel()
            if not self._tasks:
                self._loop.stop()

        self._post(begin)

    def _post(self, callback: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            log.warning("tool_loop.closed", thread=self.thread.name)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._retired and not self._tasks:
            self._loop.stop()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not (self._retired and not self._tasks):
            try:
                self._loop.run_forever()
            except BaseException:  # a tool's own task raised SystemExit
                log.exception("tool_loop.interrupted")
        try:
            self._end_strays()
        finally:
            self._loop.close()

    def _end_strays(self) -> None:
        """Cancel what tools started beside themselves and left behind."""
        strays = asyncio.all_tasks(self._loop)
        for task in strays:
            task.cancel()
        if strays:
            self._loop.run_until_complete(asyncio.wait(strays, timeout=STRAYS))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
