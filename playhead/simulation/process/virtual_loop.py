"""An event loop on virtual time: the clock jumps to the next timer when nothing else is ready.

One callback per iteration, in FIFO order; the same program always gives the same order. There is
no selector behind it: real sockets, threads and processes are errors (see `sealed`).
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
"""Python audit events that reach outside the simulation."""


class RealWorld(RuntimeError):
    """Something in the simulation tried to use a real socket, thread or process."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An asyncio loop on a virtual clock that starts at 0 seconds."""

    _ready: Any
    _scheduled: Any

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0
        self.steps = 0
        """Callbacks served so far."""
        self.idle = False
        """Whether it stopped because there was nothing left to do."""

    def time(self) -> float:
        """Virtual seconds since the loop was created."""
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
        """Does nothing: no thread waits in a selector."""

    def run_in_executor(  # type: ignore[override]  # it never returns a future
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> NoReturn:
        """Raise RealWorld: there are no threads here."""
        msg = f"{getattr(func, '__qualname__', func)} needs a thread: a simulation has none"
        raise RealWorld(msg)


class Seal:
    """Blocks real input and output while a simulation calls a tool or a model."""

    def __init__(self) -> None:
        self._thread: int | None = None
        self._hooked = False
        self._reached: list[str] = []

    @contextmanager
    def closed(self) -> Generator[list[str]]:
        """Inside, on this thread, sockets and processes raise RealWorld, and are listed."""
        if not self._hooked:
            self._hooked = True
            sys.addaudithook(self._audit)  # it cannot be removed again, so it checks _thread
        before = self._thread, self._reached
        self._thread, self._reached = threading.get_ident(), []
        try:
            yield self._reached
        finally:
            self._thread, self._reached = before

    def _audit(self, event: str, _: tuple[Any, ...]) -> None:
        if event in FORBIDDEN and self._thread == threading.get_ident():
            self._reached.append(event)
            msg = f"the simulated agent tried to use the real world ({event})"
            raise RealWorld(msg)


SEAL = Seal()
"""One per process, because an audit hook cannot be removed."""
