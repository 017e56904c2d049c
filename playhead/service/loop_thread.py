"""One thread with one event loop, on which the engine runs inside a host program.

All calls from outside pass through here to the loop. A call is refused here if nothing could answer
it: after `close`, in a forked process (which does not have the thread), and on the loop itself,
where waiting would deadlock.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import Context
from typing import Any, TypeVar

from playhead.events.errors import CalledOnLoop, InheritedByFork, RuntimeClosed
from playhead.events.logger import ProgramLogger

T = TypeVar("T")

program_log = ProgramLogger("playhead.loop")


class LoopThread:
    """Starts with the constructor, ends with `close`. Its methods may be called from any thread."""

    def __init__(self, name: str = "playhead") -> None:
        self.loop = Context().run(asyncio.new_event_loop)  # it keeps the context
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def inherited(self) -> bool:
        """Whether this process was forked from the one that has the thread."""
        return os.getpid() != self._process

    def check(self) -> None:
        """Raise InheritedByFork in a forked process, RuntimeClosed after `close`."""
        if self.inherited:
            raise InheritedByFork(self._process)
        if self._closed:
            raise RuntimeClosed

    def check_may_wait(self) -> None:
        """Raise CalledOnLoop on the loop's own thread, and the errors of `check`."""
        self.check()
        if threading.current_thread() is self._thread:
            raise CalledOnLoop

    def call(self, function: Callable[[], T]) -> T:
        """Run a function on the loop and wait for its result; on the loop itself, call it directly.

        Raises the function's errors and those of `check`.
        """
        self.check()
        if threading.current_thread() is self._thread:
            return function()
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(function())
            except BaseException as error:
                answer.set_exception(error)

        self._post(run)
        return answer.result()

    def wait_for(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine function on the loop and wait for it. Raises like `check_may_wait`."""
        self.check_may_wait()
        return asyncio.run_coroutine_threadsafe(work(), self.loop).result()

    def close(self) -> None:
        """Finish earlier calls, then end the loop and the thread."""
        with self._lock:
            self._closed = True
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _post(self, run: Callable[[], None]) -> None:
        with self._lock:  # a posted call comes before the loop's end, or not at all
            if self._closed:
                raise RuntimeClosed
            self.loop.call_soon_threadsafe(run)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        while not self._closed:
            try:
                self.loop.run_forever()
            except BaseException:  # asyncio lets SystemExit and KeyboardInterrupt end a loop
                program_log.exception("loop.callback.raised")
