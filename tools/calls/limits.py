"""How many calls of a tool may be under way, and how many may start in a time: over all runs.

They live where calls are performed. A call that waits here has not begun: its timeout does not run.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from playhead.events.spec.agent import ToolSpec
from playhead.events.spec.tool import Rate
from playhead.tools.execution.attempt import Monotonic


class RateLimited(Exception):
    """The tool may not be called for longer than a call would wait; nothing was done."""

    def __init__(self, rate: Rate, after: float) -> None:
        self.rate = rate
        self.after = after
        super().__init__(f"{rate.calls} calls in {rate.seconds:g} s are used up")


class ToolLimits:
    """One gate per tool definition. Used on one event loop."""

    def __init__(self, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._windows: dict[str, _Window] = {}

    @asynccontextmanager
    async def through(self, spec: ToolSpec) -> AsyncGenerator[None]:
        """Wait until the call may start, first come first served; held while it runs.

        Raises RateLimited when it would have to wait for longer than its own timeout.
        """
        async with AsyncExitStack() as held:
            if spec.concurrency is not None:
                if spec.definition not in self._slots:
                    self._slots[spec.definition] = asyncio.Semaphore(spec.concurrency)
                await held.enter_async_context(self._slots[spec.definition])
            if spec.rate is not None:
                if spec.definition not in self._windows:
                    self._windows[spec.definition] = _Window(spec.rate)
                wait = self._windows[spec.definition].book(self._monotonic(), spec.timeout)
                await asyncio.sleep(wait)
            yield


class _Window:
    """The starts of the last calls; at most `calls` of them in any `seconds`."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._starts: deque[float] = deque(maxlen=rate.calls)

    def book(self, now: float, patience: float) -> float:
        """Seconds until the next call may start; that start is taken. Raises RateLimited."""
        start = now
        if len(self._starts) == self._rate.calls:
            start = max(now, self._starts[0] + self._rate.seconds)
        if start - now > patience:
            raise RateLimited(self._rate, start - now)
        self._starts.append(start)
        return start - now
