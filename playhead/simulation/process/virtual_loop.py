"""An event loop whose time is virtual: a timer is reached the moment nothing else is left to do.

One callback an iteration, in the order of asking; the same program gives the same order each time.
There is no selector behind it: real sockets, threads and processes are errors (see `sealed`).
"""

import asyncio
import heapq
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NoReturn

FORBIDDEN = frozenset({
    "socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo",
    "subprocess.Popen", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.system",
})  # fmt: skip
"""Audit events of Python that reach beyond the simulation."""


class RealWorld(RuntimeError):
    """Something in the simulation reached for a real socket, thread or process."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An asyncio loop on a virtual clock that begins at 0 seconds."""

    _ready: Any
    _scheduled: Any

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0
        self.steps = 0
        """Callbacks served so far."""
        self.idle = False
        """Whether it stopped because nothing was left to do."""

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual

    def run_until_idle(self) -> None:
        """Serve callbacks and timers until there are none, or until `stop`."""
        self.idle = False
        self.run_forever()

    def _run_once(self) -> None:
        if not self._ready and not self._reach_next_timer():
            self.idle = True
            self.stop()
            return
        handle = self._ready.popleft()
        if not handle.cancelled():
            self.steps += 1
            handle._run()

    def _reach_next_timer(self) -> bool:
        while self._scheduled:
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False
            if not timer.cancelled():
                self._virtual = max(self._virtual, timer.when())
                self._ready.append(timer)
                return True
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers leave the heap when their time comes."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector, so nobody needs waking."""

    def run_in_executor(  # type: ignore[override]  # it never returns a future
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> NoReturn:
        """Raise RealWorld: there are no threads here."""
        msg = f"{getattr(func, '__qualname__', func)} wants a thread: a simulation has none"
        raise RealWorld(msg)


class Seal:
    """What a tool or a model may not do while a simulation calls it."""

    def __init__(self) -> None:
        self._thread: int | None = None
        self._hooked = False
        self._reached: list[str] = []

    @contextmanager
    def closed(self) -> Generator[list[str]]:
        """Within, on this thread, sockets and processes raise RealWorld, and are listed."""
        if not self._hooked:
            self._hooked = True
            sys.addaudithook(self._audit)  # it cannot be taken away again, so it looks at _thread
        before = self._thread, self._reached
        self._thread, self._reached = threading.get_ident(), []
        try:
            yield self._reached
        finally:
            self._thread, self._reached = before

    def _audit(self, event: str, _: tuple[Any, ...]) -> None:
        if event in FORBIDDEN and self._thread == threading.get_ident():
            self._reached.append(event)
            msg = f"the simulated agent reached for the real world ({event})"
            raise RealWorld(msg)


SEAL = Seal()
"""One for the process: an audit hook is for ever."""
