"""One connection to an MCP server, on a thread of its own; it reconnects when it breaks.

The SDK requires a connection to be opened, used and closed by tasks of one loop. That loop is here,
so that neither the runtime's loop nor the tools' loop waits for a server.
"""

import asyncio
import contextlib
import contextvars
import math
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

import anyio
from mcp import Client, MCPError, types
from mcp.client.session import ClientRequestContext
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost

from playhead.events.logger import ProgramLogger
from playhead.events.version import VERSION
from playhead.tools.context import OutcomeUnknown
from playhead.tools.mcp.mending import Incoming
from playhead.tools.mcp.transports import EXCHANGE, Exchange, innermost

log = ProgramLogger("playhead.mcp")

T = TypeVar("T")

FIRST_WAIT, LONGEST_WAIT = 0.2, 30.0
"""Seconds between attempts to reconnect; doubled each time. A call that waits skips the rest."""

CLOSING = 10.0
"""Seconds that a connection is waited for when it is closed; its thread is a daemon."""

Elicit = Callable[[types.ElicitRequestParams], Awaitable[types.ElicitResult | types.ErrorData]]
"""Answers a server's question in the middle of a call."""


class Unreachable(ConnectionError):
    """The server cannot be reached, or refuses us: nothing was done."""


class McpConnection:
    """Keeps one client connected until it is closed."""

    def __init__(
        self,
        name: str,
        open_transport: Callable[[], Any],
        arrived: Callable[[list[types.Tool], Mapping[str, str]], None],
        *,
        elicit: Elicit,
        connecting: float,
    ) -> None:
        """Start connecting.

        `arrived` receives the server's tools, and why some are left out, after each connection and
        whenever they change, on the connection's thread. `connecting`: seconds for one attempt.
        """
        self._name = name
        self._open_transport = open_transport
        self._arrived = arrived
        self._elicit = elicit
        self._connecting = connecting
        self._loop = contextvars.Context().run(asyncio.new_event_loop)  # it keeps the context
        self._client: Client | None = None
        self._incoming: Incoming | None = None
        self._broken = asyncio.Event()
        self._ready = asyncio.Event()
        self._wanted = asyncio.Event()
        self._failure: Exception | None = None
        self._tried = asyncio.Event()
        self._closed = False
        self._keeping: anyio.CancelScope | None = None
        self._thread = threading.Thread(
            target=self._serve, name=f"playhead-mcp {name}", daemon=True
        )
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for the first attempt to connect. Raises Unreachable if it failed."""
        try:
            self._submit(self._first_attempt()).result(seconds)
        except TimeoutError:
            raise Unreachable(_no_answer(seconds)) from None

    async def use(self, work: Callable[[Client], Awaitable[T]], seconds: float) -> T:
        """Use the client from any loop; waits `seconds` for a broken connection to return.

        Raises Unreachable if it does not, OutcomeUnknown if it breaks during `work`. Work that the
        server never began (it was away, or had ended the session) is done again once.
        """
        return await asyncio.wrap_future(self._submit(self._with(work, seconds)))

    def close(self) -> None:
        """Disconnect and end the thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop)
            self._thread.join(CLOSING)

    async def list_again(self, client: Client) -> None:
        """List the tools again (on the connection's loop)."""
        incoming = self._incoming
        if incoming is None:
            return
        incoming.left_out = {}
        found = await _all_tools(client)
        self._arrived(found, incoming.left_out)

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _stop(self) -> None:
        self._closed = True
        if self._keeping is not None:
            self._keeping.cancel()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._keep())
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left, timeout=5))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _keep(self) -> None:
        """Connect again and again until `_stop`.

        A scope ends it, and `Task.cancel` does not: the SDK shields the stopping of a server's
        process from scopes only.
        """
        with anyio.CancelScope() as self._keeping:
            if not self._closed:
                await self._reconnect()

    async def _reconnect(self) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                await self._connected()
                wait = FIRST_WAIT
            except Exception as error:  # whatever the SDK, a server or a system call raises
                self._failure = innermost(error)
                log.warning("mcp.disconnected", server=self._name, error=str(self._failure)[:500])
                wait = min(wait * 2, LONGEST_WAIT)
            finally:
                self._client = self._incoming = None
                self._ready.clear()
                self._tried.set()
            await asyncio.sleep(FIRST_WAIT)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), wait - FIRST_WAIT)
                self._wanted.clear()
                wait = FIRST_WAIT

    async def _connected(self) -> None:
        """Connect, and stay connected until it breaks."""
        self._broken.clear()
        late = anyio.current_time() + self._connecting
        with anyio.CancelScope(deadline=late) as connecting:
            async with contextlib.AsyncExitStack() as stack:
                client = await stack.enter_async_context(self._new_client())
                incoming = self._incoming
                assert incoming is not None
                incoming.version = client.protocol_version
                await self.list_again(client)
                connecting.deadline = math.inf
                self._client, self._failure = client, None
                self._wanted.clear()
                self._ready.set()
                self._tried.set()
                await self._until_broken(client)
        if connecting.cancelled_caught:
            raise TimeoutError(_no_answer(self._connecting))

    async def _until_broken(self, client: Client) -> None:
        listener = asyncio.create_task(self._listen(client))
        try:
            await self._broken.wait()
        finally:
            listener.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([listener])

    def _new_client(self) -> Client:
        return Client(
            self._transport(),
            message_handler=self._heard,
            elicitation_callback=self._asked,
            client_info=types.Implementation(name="playhead", version=VERSION),
            cache=None,
        )

    @contextlib.asynccontextmanager
    async def _transport(self) -> AsyncGenerator[Any]:
        async with self._open_transport() as (reading, writing):
            self._incoming = Incoming(reading, self._broken.set)
            yield self._incoming, writing

    async def _asked(
        self, context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        del context
        return await self._elicit(params)

    async def _listen(self, client: Client) -> None:
        """Under 2026-07-28 changes of the list are told to who subscribes."""
        tools = client.server_capabilities.tools
        wait = FIRST_WAIT
        while tools is not None and tools.list_changed:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    wait = FIRST_WAIT
                    async for _ in changes:
                        await self.list_again(client)
            except ListenNotSupportedError:
                return
            except (MCPError, SubscriptionLost, TimeoutError) as error:
                log.info("mcp.subscription_lost", server=self._name, error=str(error)[:500])
            except Exception:
                log.exception("mcp.subscription_failed", server=self._name)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
            with contextlib.suppress(MCPError):
                await self.list_again(client)

    async def _heard(self, message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification) and self._client is not None:
            try:
                await self.list_again(self._client)
            except MCPError as error:
                log.warning("mcp.not_listed", server=self._name, error=str(error)[:500])

    async def _first_attempt(self) -> None:
        await self._tried.wait()
        if self._client is None:
            raise Unreachable(str(self._failure)) from self._failure

    async def _with(self, work: Callable[[Client], Awaitable[T]], seconds: float) -> T:
        for last in (False, True):
            client, exchange = await self._live(seconds), Exchange()
            EXCHANGE.set(exchange)
            try:
                return await work(client)
            except MCPError as error:
                self._explain(client, error, exchange, last=last)
            except Unreachable:
                raise
            except (OSError, EOFError) as error:
                self._lose(client, error)
                raise OutcomeUnknown(self._gone(error)) from error
        raise AssertionError

    def _explain(self, client: Client, error: MCPError, exchange: Exchange, *, last: bool) -> None:
        """Raise what an error means; returns if the work was never begun and may be done again."""
        if exchange.refused is not None:
            msg = f"the MCP server {self._name} refuses us: {exchange.refused}"
            raise Unreachable(msg) from error
        if exchange.unreached or exchange.session_ended:
            self._lose(client, error)
            if last:
                raise Unreachable(self._gone(error)) from error
            return
        if error.error.code != types.CONNECTION_CLOSED:
            raise error
        self._lose(client, error)
        raise OutcomeUnknown(self._gone(error)) from error

    async def _live(self, seconds: float) -> Client:
        if not self._ready.is_set():
            self._wanted.set()
        try:
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        except TimeoutError:
            raise Unreachable(self._gone(self._failure)) from self._failure
        assert self._client is not None
        return self._client

    def _lose(self, client: Client, error: Exception | None = None) -> None:
        """Stop handing out a broken client, and let the keeper reconnect."""
        if self._client is client:
            self._failure = error
            self._client = None
            self._ready.clear()
            self._wanted.set()
            self._broken.set()

    def _gone(self, error: Exception | None) -> str:
        return f"the connection to the MCP server {self._name} was lost: {error or 'it closed'}"


PAGES = 1_000
"""Pages of one list: a server whose list never ends must not hang a call."""


async def _all_tools(client: Client) -> list[types.Tool]:
    found, cursor = list[types.Tool](), None
    for _ in range(PAGES):
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def _no_answer(seconds: float) -> str:
    return f"no answer within {seconds:g} s"
