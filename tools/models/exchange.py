"""What clients of an HTTP API share: the errors of an exchange, and its transport."""

from collections.abc import Mapping

from playhead.events.errors import ModelError
from playhead.tools.models.errors import malformed, one_line, truncated

CONNECT_TIMEOUT = 10.0
"""Seconds to reach the endpoint."""


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
    """The error for a connection that could not be made, or that broke."""
    import httpx2

    why = one_line(error) or type(error).__name__
    if isinstance(error, httpx2.ConnectError):
        message = f"no connection to {url}: {why} (check the base URL and the network)"
        return ModelError("unreachable", message, retryable=True)
    return ModelError("connection", f"the connection to {url} broke: {why}", retryable=True)
