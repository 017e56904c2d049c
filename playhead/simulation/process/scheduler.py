"""The seeded scheduler: any of the waiting mailboxes may be served next."""

import asyncio
from collections.abc import Callable
from random import Random


class SeededDispatcher:
    """Replaces `LoopDispatcher`: one message per slot, chosen at random from those that wait.

    A mailbox is served in its own order, so threads could produce every order chosen here.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, random: Random, most: Callable[[], int]
    ) -> None:
        """`most`: the maximum number of messages that may wait."""
        self._loop = loop
        self._random = random
        self._waiting: list[Callable[[], None]] = []
        self._asked = False
        self._most = most
        self.over: int | None = None
        """The number of waiting messages once it exceeded the maximum; None if it never did."""

    def __call__(self, serve: Callable[[], None]) -> None:
        """Serve at some later time. Called on the loop."""
        self._waiting.append(serve)
        if len(self._waiting) > self._most():
            self.over = len(self._waiting)
        if not self._asked:
            self._asked = True
            self._loop.call_soon(self._slot)

    def _slot(self) -> None:
        self._asked = False
        waiting = self._waiting
        serve = waiting.pop(self._random.randrange(len(waiting)) if len(waiting) > 1 else 0)
        if waiting:
            self._asked = True
            self._loop.call_soon(self._slot)
        serve()
