"""What clients of an HTTP API share: the errors of an exchange, and its transport."""

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

from playhead.events.errors import ModelError
from playhead.tools.models.errors import malformed, one_line, truncated

if TYPE_CHECKING:
    from httpx2 import AsyncClient

ClientT = TypeVar("ClientT", bound="AsyncClient")

CONNECT_TIMEOUT = 10.0
"""Seconds to reach the endpoint."""

CONNECTIONS = 1000
"""Connections at most, to all endpoints of a client: more than there are calls in flight, so that
no call waits behind another's connection."""

KEPT_SECONDS = 30.0
"""For so long an idle connection is kept: longer than most tools, shorter than most proxies."""


def http_client(aiohttp: Callable[..., ClientT], httpx: Callable[..., ClientT]) -> ClientT:
    """The SDK's client over aiohttp where that is installed (half the CPU), else over httpx."""
    from httpx2 import Limits

    limits = Limits(
        max_connections=CONNECTIONS,
        max_keepalive_connections=CONNECTIONS,
        keepalive_expiry=KEPT_SECONDS,
    )
    return (aiohttp if find_spec("aiohttp") else httpx)(limits=limits)


def content_kind(headers: Mapping[str, str]) -> str:
    """The media type of an answer."""
    return headers.get("content-type", "no content type").partition(";")[0].strip().lower()


def no_reply(headers: Mapping[str, str]) -> ModelError:
    """The error for an answer of 200 in which no reply began."""
    kind = content_kind(headers)
    if kind == "text/event-stream":
        return truncated("the stream ended before any event")
    return malformed(f"the endpoint answered 200 with {kind}, not a stream: check the base URL")


def lost(url: str, error: BaseException) -> ModelError:
    """The error for a connection that could not be made, that broke, or that was silent too long.

    Each SDK wraps what its transport says in another way; what is underneath says most.
    """
    found = _underneath(error)
    why = one_line(found) or type(found).__name__
    match _kind_of(found):
        case "timeout":
            return ModelError("timeout", f"{url} did not answer in time", retryable=True)
        case "unreachable":
            message = f"no connection to {url}: {why} (check the base URL and the network)"
            return ModelError("unreachable", message, retryable=True)
        case kind:
            return ModelError(kind, f"the connection to {url} broke: {why}", retryable=True)


def _underneath(error: BaseException) -> BaseException:
    """The transport's own error."""
    import httpx2

    aiohttp = sys.modules.get("aiohttp")
    known = (httpx2.TransportError, *((aiohttp.ClientError,) if aiohttp else ()))
    found, seen = error, error
    while (cause := seen.__cause__) is not None:
        seen = cause
        if isinstance(cause, known):
            found = cause
    return found


def _kind_of(error: BaseException) -> str:
    import httpx2

    aiohttp = sys.modules.get("aiohttp")
    if aiohttp is not None and isinstance(error, aiohttp.ClientError):
        if isinstance(error, aiohttp.ServerTimeoutError):
            return "timeout"
        return "unreachable" if isinstance(error, aiohttp.ClientConnectorError) else "connection"
    if isinstance(error, httpx2.TimeoutException):
        return "timeout"
    return "unreachable" if isinstance(error, httpx2.ConnectError) else "connection"
