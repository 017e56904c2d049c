"""The ways to an MCP server: a child process's stdio, or streamable HTTP."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import httpx2
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED
from pydantic_core import from_json, to_json

from playhead.events.log.private_files import owned_logs
from playhead.events.logger import ProgramLogger
from playhead.tools.sandbox.confinement import hidden_command, landlock_here

log = ProgramLogger("playhead.mcp")

TAIL = 4_000
"""Bytes of a server's stderr that are kept."""

PATIENCE = httpx2.Timeout(30.0, read=300.0)
"""Seconds, as in the SDK: a server may hold a response open."""

SESSION = "mcp-session-id"

ERROR_BODY = 100_000
"""Bytes of a refusal that are read to find its reason."""


@dataclass(slots=True)
class Exchange:
    """What became of the last HTTP request that one use of a connection sent."""

    unreached: bool = False
    """The server was not reached: nothing was done."""
    session_ended: bool = False
    """The server knows the session no more: nothing was done."""
    refused: str | None = None
    """It accepts our credentials no more: nothing was done."""


EXCHANGE: ContextVar[Exchange | None] = ContextVar("EXCHANGE", default=None)
"""The SDK sends a request in the context of its caller, so each use finds its own."""


class HttpClient(httpx2.AsyncClient):
    """An HTTP client for one server: whatever goes wrong with a request fails only that request.

    The SDK would end the whole connection, with every other call in it.
    """

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send, and note in the caller's Exchange what became of it."""
        exchange = EXCHANGE.get() or Exchange()
        if request.method != "POST":
            return await super().send(request, **options)
        exchange.unreached = exchange.session_ended = False
        exchange.refused = None
        try:
            response = await super().send(request, **options)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            exchange.unreached = True
            return _as_answer(request, str(error) or type(error).__name__)
        except httpx2.TransportError as error:
            return _as_answer(request, str(error) or type(error).__name__)
        if response.status_code < 400:
            return response
        return await _explained(request, response, exchange)


async def _explained(
    request: httpx2.Request, response: httpx2.Response, exchange: Exchange
) -> httpx2.Response:
    """A refusal, with its reason in words."""
    try:
        await response.aread()
    except httpx2.TransportError as error:
        return _as_answer(request, str(error) or type(error).__name__)
    said = _error_of(response.content[:ERROR_BODY])
    status = f"HTTP {response.status_code} {response.reason_phrase}".strip()
    if response.status_code in (401, 403):
        exchange.refused = status
    elif SESSION in request.headers and response.status_code in (400, 404):
        # 404 is the protocol's answer; servers that know no such id also say 400
        ended = response.status_code == 404 or "session" in str(said).lower()
        exchange.session_ended = ended
    return response if said is not None else _as_answer(request, status, response.status_code)


def _error_of(body: bytes) -> object:
    """The message of a JSON-RPC error; None for any other body."""
    try:
        found = from_json(body)
        return found["error"]["message"]
    except (ValueError, TypeError, KeyError):
        return None


def _as_answer(request: httpx2.Request, why: str, status: int = 502) -> httpx2.Response:
    error = {"code": CONNECTION_CLOSED, "message": why}
    body = to_json({"jsonrpc": "2.0", "id": None, "error": error})
    kind = {"content-type": "application/json"}
    return httpx2.Response(status, headers=kind, content=body, request=request)


class FreshHeaders(httpx2.Auth):
    """Headers whose secrets are read again when the server refuses them (401)."""

    def __init__(self, headers: Callable[[], Mapping[str, str]]) -> None:
        self._read = headers
        self._headers = dict(headers())

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Send once, and once more with other secrets if there are others."""
        sent = self._headers
        request.headers.update(sent)
        response = yield request
        if response.status_code != 401:
            return
        if self._headers == sent:
            self._headers = dict(self._read())
        if self._headers != sent:
            request.headers.update(self._headers)
            yield request


@contextlib.asynccontextmanager
async def over_http(
    url: str, headers: Callable[[], Mapping[str, str]], auth: object = None
) -> AsyncGenerator[Any]:
    """A server over streamable HTTP. `auth`: an `httpx2.Auth`, such as an OAuth provider."""
    given = {} if auth is None else dict(headers())
    chosen = FreshHeaders(headers) if auth is None else cast("httpx2.Auth", auth)
    async with (
        HttpClient(headers=given, auth=chosen, timeout=PATIENCE) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=None) as streams,
    ):
        yield streams


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
    command: list[str], environment: Callable[[], Mapping[str, str]], *, hide_log: bool = True
) -> AsyncGenerator[Any]:
    """A server as a child process; its stderr is reported when it cannot be reached.

    `hide_log`: it sees everything but the logs that this process owns.
    """
    if hide_log:
        command = _without_logs(command)
    parameters = StdioServerParameters(
        command=command[0], args=command[1:], env=dict(environment()) or None
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
        msg = f"{innermost(error)}; its stderr ends: {lines[-1][:300]}"
        raise ConnectionError(msg) from error
    finally:
        transport.close()


def innermost(error: BaseException) -> Exception:
    """The first single exception of a group."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        error = group.exceptions[0]
    return error if isinstance(error, Exception) else RuntimeError(str(error))
