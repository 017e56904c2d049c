"""What models over an official SDK share: one client, opened when it is needed, and one attempt."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from playhead.events.errors import ModelError
from playhead.events.model_api import OnText, Reply
from playhead.tools.models.errors import one_line
from playhead.tools.models.stream import Assembler, EventStream


class Closable(Protocol):
    """A client of an SDK."""

    @property
    def base_url(self) -> object:
        """Where it asks."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


ClientT = TypeVar("ClientT", bound=Closable)


class SdkClient(Generic[ClientT]):
    """The caller's client, or one that is made by the first call (which imports the SDK)."""

    def __init__(
        self,
        given: ClientT | None,
        make: Callable[[], ClientT],
        *,
        base_url: str | None,
        timeout: float,
        install: str,
    ) -> None:
        """`timeout`: seconds of a whole attempt; `install`: what to do if an import fails."""
        self._given = given
        self._make = make
        self._base_url = base_url
        self._timeout = timeout
        self._install = install
        self._made: ClientT | None = None
        self._opening = asyncio.Lock()

    @property
    def url(self) -> str:
        """Where it asks, for messages."""
        client = self._given or self._made
        return str(self._base_url if client is None else client.base_url)

    async def open(self) -> ClientT:
        """The client. Raises ModelError if its packages are not installed."""
        if (known := self._given or self._made) is not None:
            return known
        async with self._opening:
            if self._made is None:
                try:
                    self._made = await asyncio.to_thread(self._make)
                except ImportError as error:
                    message = f"{one_line(error)}: {self._install}"
                    raise ModelError(error="authentication", message=message) from error
            return self._made

    async def close(self) -> None:
        """Close the connections, unless the client is the caller's; a later call opens new ones."""
        made, self._made = self._made, None
        if made is not None:
            await made.close()

    async def attempt(
        self,
        ask: Callable[[Assembler], Awaitable[Reply]],
        error_of: Callable[[Exception], ModelError],
    ) -> Reply:
        """Ask once, in time. Raises ModelError, with the tokens that had been told by then.

        Args:
            ask: reads the reply into the assembler.
            error_of: what an exception of the SDK or its transport means.
        """
        assembler = Assembler()
        try:
            async with asyncio.timeout(self._timeout):
                return await ask(assembler)
        except ModelError as error:
            error.usage = error.usage or assembler.usage
            raise
        except TimeoutError as error:
            message = f"no complete reply within {self._timeout:g} s from {self.url}"
            usage = assembler.usage
            raise ModelError(
                error="timeout", message=message, retryable=True, usage=usage
            ) from error
        except Exception as error:
            if assembler.stopped:  # the connection broke after the last byte that mattered
                return assembler.reply()
            found = error_of(error)
            found.usage = assembler.usage
            raise found from error


async def read_raw(
    chunks: AsyncIterator[bytes], feed: Callable[[bytes], str | None], on_text: OnText
) -> None:
    """Feed the data of each server-sent event, as its bytes arrive; what text it adds is told."""
    events = EventStream()
    async for chunk in chunks:
        for data in events.feed(chunk):
            if piece := feed(data):
                on_text(piece)
