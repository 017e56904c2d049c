"""The seeded scheduler: of the mailboxes that wait, any one may be served next."""

import asyncio
from collections.abc import Callable
from random import Random


class SeededDispatcher:
    """In the place of `LoopDispatcher`: one message a slot, drawn from those that wait.

    A mailbox is served in its own order, so every order drawn here is one that threads could give.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, random: Random, most: Callable[[], int]
    ) -> None:
        """`most`: as many messages may wait now."""
        self._loop = loop
        self._random = random
        self._waiting: list[Callable[[], None]] = []
        self._asked = False
        self._most = most
        self.over: int | None = None
        """Messages that waited when they were too many; None when they never were."""

    def __call__(self, serve: Callable[[], None]) -> None:
        """Serve some time soon. Called on the loop."""
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
