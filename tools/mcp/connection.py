"""One connection to an MCP server, on a thread of its own; it reconnects when it breaks.

The SDK requires a connection to be opened, used and closed by tasks of one loop. That loop is here,
so that neither the runtime's loop nor the tools' loop waits for a server.
"""

import asyncio
import contextlib
import contextvars
import os
import shutil
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar, cast

from mcp import Client, MCPError, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from playhead.events.log.private_files import owned_logs
from playhead.events.logger import ProgramLogger
from playhead.tools.context import OutcomeUnknown
from playhead.tools.sandbox.confinement import hidden_command, landlock_here

log = ProgramLogger("playhead.mcp")

T = TypeVar("T")

FIRST_WAIT, LONGEST_WAIT = 0.2, 30.0
"""Seconds between attempts to reconnect; doubled each time."""


CLOSING = 10.0
"""Seconds that a connection is waited for when it is closed; its thread is a daemon."""

TAIL = 4_000
"""Bytes of a server's stderr that are kept."""


class Unreachable(ConnectionError):
    """The server cannot be reached."""


class McpConnection:
    """Keeps one client connected until it is closed."""

    def __init__(
        self,
        name: str,
        open_transport: Callable[[], Any],
        arrived: Callable[[list[types.Tool]], None],
    ) -> None:
        """Start connecting.

        `arrived` receives the server's tools after each connection and whenever they change, on the
        connection's thread.
        """
        self._name = name
        self._open_transport = open_transport
        self._arrived = arrived
        self._loop = contextvars.Context().run(asyncio.new_event_loop)  # it keeps the context
        self._client: Client | None = None
        self._broken = asyncio.Event()
        self._ready = asyncio.Event()
        self._failure: Exception | None = None
        self._tried = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._thread = threading.Thread(
            target=self._serve, name=f"playhead-mcp {name}", daemon=True
        )
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for the first attempt to connect. Raises Unreachable if it failed."""
        try:
            self._submit(self._first_attempt()).result(seconds)
        except TimeoutError:
            msg = f"no answer within {seconds:g} s"
            raise Unreachable(msg) from None

    async def use(self, work: Callable[[Client], Awaitable[T]], seconds: float) -> T:
        """Use the client from any loop; waits `seconds` for a broken connection to return.

        Raises Unreachable if it does not, OutcomeUnknown if it breaks during `work`.
        """
        return await asyncio.wrap_future(self._submit(self._with(work, seconds)))

    def close(self) -> None:
        """Disconnect and end the thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop)
            self._thread.join(CLOSING)

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._keeper = self._loop.create_task(self._keep())
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._keeper)
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left, timeout=5))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _keep(self) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                await self._connected()
                wait = FIRST_WAIT
            except Exception as error:  # whatever the SDK, a server or a system call raises
                self._failure = _innermost(error)
                log.warning("mcp.disconnected", server=self._name, error=str(self._failure)[:500])
                wait = min(wait * 2, LONGEST_WAIT)
            finally:
                self._client = None
                self._ready.clear()
                self._tried.set()
            await asyncio.sleep(wait)

    async def _connected(self) -> None:
        """Connect, and stay connected until it breaks."""
        self._broken.clear()
        client = Client(self._open_transport(), message_handler=self._heard)
        async with client:
            self._arrived(await _all_tools(client))
            self._client, self._failure = client, None
            self._ready.set()
            self._tried.set()
            await self._broken.wait()

    async def _heard(self, message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification) and self._client is not None:
            self._arrived(await _all_tools(self._client))

    async def _first_attempt(self) -> None:
        await self._tried.wait()
        if self._client is None:
            raise Unreachable(str(self._failure)) from self._failure

    async def _with(self, work: Callable[[Client], Awaitable[T]], seconds: float) -> T:
        try:
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        except TimeoutError:
            raise Unreachable(self._gone(self._failure)) from self._failure
        client = self._client
        assert client is not None
        try:
            return await work(client)
        except MCPError as error:
            if error.error.code != types.CONNECTION_CLOSED:
                raise
            self._lose(client)
            raise OutcomeUnknown(self._gone(error)) from error
        except (OSError, EOFError) as error:
            self._lose(client)
            raise OutcomeUnknown(self._gone(error)) from error

    def _lose(self, client: Client) -> None:
        """Stop handing out a broken client, and let the keeper reconnect."""
        if self._client is client:
            self._client = None
            self._ready.clear()
            self._broken.set()

    def _gone(self, error: Exception | None) -> str:
        return f"the connection to the MCP server {self._name} was lost: {error or 'it closed'}"


async def _all_tools(client: Client) -> list[types.Tool]:
    found, cursor = list[types.Tool](), None
    while True:
        page = await client.list_tools(cursor=cursor, cache_mode="bypass")
        found += page.tools
        cursor = page.next_cursor
        if cursor is None:
            return found


def _innermost(error: BaseException) -> Exception:
    """The first single exception of a group."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        error = group.exceptions[0]
    return error if isinstance(error, Exception) else RuntimeError(str(error))


class _Stderr(asyncio.Protocol):
    """The end of a server's stderr."""

    def __init__(self) -> None:
        self.end = b""

    def data_received(self, data: bytes) -> None:
        """Keep the tail."""
        self.end = (self.end + data)[-TAIL:]


def _without_logs(command: list[str]) -> list[str]:
    logs = [str(path) for path in owned_logs()]
    if not logs or shutil.which(command[0]) is None:  # then starting it says what is wrong
        return command
    if not landlock_here():
        why = "this system has no Landlock to hide it with (Linux 5.13 and later)"
        log.warning("mcp.log_not_hidden", command=command[0], logs=logs, why=why)
        return command
    return hidden_command(command, logs)


@contextlib.asynccontextmanager
async def stdio(
    command: list[str], environment: Mapping[str, str], *, hide_log: bool = True
) -> AsyncGenerator[Any]:
    """A server as a child process; its stderr is reported when it cannot be reached.

    `hide_log`: it sees everything but the logs that this process owns.
    """
    if hide_log:
        command = _without_logs(command)
    parameters = StdioServerParameters(
        command=command[0], args=command[1:], env=dict(environment) or None
    )
    stderr = _Stderr()
    reading, writing = os.pipe()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: stderr, os.fdopen(reading, "rb", 0)
    )
    try:
        with os.fdopen(writing, "w", encoding="utf-8") as errors:
            async with stdio_client(parameters, errlog=errors) as streams:
                yield streams
    except Exception as error:
        await asyncio.sleep(0)
        lines = stderr.end.decode("utf-8", "replace").strip().splitlines()
        if not lines:
            raise
        msg = f"{_innermost(error)}; its stderr ends: {lines[-1][:300]}"
        raise ConnectionError(msg) from error
    finally:
        transport.close()


@contextlib.asynccontextmanager
async def over_http(url: str, headers: Mapping[str, str]) -> AsyncGenerator[Any]:
    """A server over streamable HTTP."""
    async with (
        create_mcp_http_client(headers=dict(headers)) as client,
        streamable_http_client(url, http_client=client) as streams,
    ):
        yield streams
