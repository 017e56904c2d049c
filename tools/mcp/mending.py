"""Which malformed parts of a server's messages are left out, so that the rest arrives?

The SDK refuses a message as a whole: one tool with a wrong schema would hide all others, and one
content block of an unknown type would fail a call that took effect.
"""

from collections.abc import Callable
from typing import Any, cast

from anyio import ClosedResourceError, EndOfStream
from mcp.types import CallToolResult, JSONRPCResponse, Tool
from mcp_types import methods
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from playhead.tools.result import first_problems

SHOWN = 500
"""Characters of a block that cannot be carried that the model sees."""


class Incoming:
    """A transport's stream of messages from the server, mended."""

    def __init__(self, inner: Any, closed: Callable[[], None]) -> None:
        """`closed` is called when the server has closed the stream."""
        self._inner = inner
        self._closed = closed
        self.version: str | None = None
        """The protocol version, once it is known."""
        self.left_out: dict[str, str] = {}
        """The tools that were left out of the last list, and why."""

    @property
    def last_context(self) -> Any:
        """The context in which the last message was sent on (the SDK asks for it)."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> Any:
        """The next message."""
        try:
            return self._mended(await self._inner.receive())
        except (EndOfStream, ClosedResourceError):
            self._closed()
            raise

    def __aiter__(self) -> "Incoming":
        return self

    async def __anext__(self) -> Any:
        try:
            return self._mended(await self._inner.__anext__())
        except StopAsyncIteration:
            self._closed()
            raise

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    async def __aenter__(self) -> "Incoming":
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self._inner.__aexit__(*error)

    def _mended(self, item: Any) -> Any:
        message = getattr(item, "message", None)
        if isinstance(message, JSONRPCResponse):
            result = message.result
            if isinstance(result.get("tools"), list):
                message.result = self._tools(result)
            elif isinstance(result.get("content"), list):
                message.result = self._content(result)
        return item

    def _fault(self, method: str, result: dict[str, Any], kind: type[Any], part: Any) -> str | None:
        """Why a result with only this part would be refused."""
        try:
            kind.model_validate(part, by_name=False)
            if self.version in KNOWN_PROTOCOL_VERSIONS:
                methods.validate_server_result(method, self.version, result)
        except ValidationError as error:
            return first_problems(error)
        return None

    def _tools(self, result: dict[str, Any]) -> dict[str, Any]:
        kept = list[Any]()
        for place, each in enumerate(cast("list[Any]", result["tools"])):
            fault = self._fault("tools/list", {**result, "tools": [each]}, Tool, each)
            if fault is None:
                kept.append(each)
                continue
            name = _field(each, "name")
            named = name if isinstance(name, str) else f"number {place + 1} of its list"
            self.left_out[named] = f"its definition is malformed: {fault}"
        return {**result, "tools": kept}

    def _content(self, result: dict[str, Any]) -> dict[str, Any]:
        if self._fault("tools/call", result, CallToolResult, result) is None:
            return result
        alone: dict[str, Any] = {"content": [], "resultType": "complete"}
        blocks = [
            each if self._fault("tools/call", whole, CallToolResult, whole) is None else _told(each)
            for each in cast("list[Any]", result["content"])
            for whole in [{**alone, "content": [each]}]
        ]
        return {**result, "content": blocks}


def _told(block: Any) -> dict[str, str]:
    kind = _field(block, "type")
    text = f"(content of type {kind!r} that cannot be shown: {str(block)[:SHOWN]})"
    return {"type": "text", "text": text}


def _field(part: object, name: str) -> object:
    return cast("dict[str, object]", part).get(name) if isinstance(part, dict) else None
