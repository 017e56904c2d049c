"""A streamed reply of the Messages API, assembled once and accepted only when complete.

Bytes become events (`EventStream`), events become blocks (`Assembler`), and every tool input is
parsed once, strictly, at the end. The SDK's own accumulator re-parses partial JSON with each delta
and returns half a tool call when a stream ends early; here that is a ModelError, never a Reply.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, TypeAlias, cast

from pydantic_core import from_json

from playhead.events.envelope import Envelope, stop_text
from playhead.events.errors import ModelError
from playhead.events.event import Block
from playhead.events.model_api import Reply
from playhead.events.usage import Usage
from playhead.tools.models.errors import malformed, stream_error, truncated
from playhead.tools.models.usage_count import UsageCount
from playhead.tools.result import clean_text, repaired

StreamEvent: TypeAlias = dict[str, Any]
"""One event of the stream as JSON: `type` and the fields of that type."""

STOP_REASONS = frozenset(
    {
        "end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal",
        "model_context_window_exceeded", "compaction",
    }
)  # fmt: skip

CUT_OFF = frozenset({"max_tokens", "model_context_window_exceeded"})
"""Stop reasons that can cut a reply off anywhere, even inside a tool call."""

APPENDED: Mapping[str, str] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
}
"""Delta -> the field that it extends."""

REPLACED = frozenset({"signature_delta", "compaction_delta"})
"""Deltas that carry whole fields of the block."""


PLACED = frozenset({
    "type", "role", "content", "model", "usage", "stop_reason", "delta",
})  # fmt: skip
"""Fields of a message and of its deltas that have a place of their own in Reply."""

HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
"""What may be half of a surrogate pair: escaped, or as bytes that UTF-8 does not allow."""


class EventStream:
    """Server-sent events from chunks of bytes; an event is complete at its blank line."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of the events that this chunk completed."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            text = line.removesuffix(b"\r")
            if text.startswith(b"data:"):
                self._data.append(text[5:].removeprefix(b" "))
            elif not text and self._data:
                yield b"\n".join(self._data)
                self._data.clear()


def read_event(data: bytes) -> StreamEvent:
    """One event's data. Halves of surrogate pairs are kept: the other half may come with the next.

    Raises ValueError.
    """
    try:
        return cast("StreamEvent", from_json(data, allow_inf_nan=False))
    except ValueError:
        if not HALF.search(data):
            raise
    try:
        return cast("StreamEvent", json.loads(data, parse_float=_finite, parse_constant=_finite))
    except RecursionError as error:
        message = "nested too deeply"
        raise ValueError(message) from error


@dataclass(slots=True)
class _Growing:
    """A block that is still receiving deltas."""

    block: Block
    pieces: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    stopped: bool = False


class Assembler:
    """Collects the events of one reply. Both methods raise ModelError."""

    def __init__(self) -> None:
        self.started = False
        self.stopped = False
        """message_stop was seen: the reply is complete."""
        self._model = ""
        self._usage = UsageCount()
        self._envelope: dict[str, Any] = {}
        self._stop_reason: str | None = None
        self._growing: dict[int, _Growing] = {}

    def add(self, event: StreamEvent) -> str:
        """Add one event; returns the text that it carried, for live display."""
        try:
            return "" if self.stopped else self._add(event)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise malformed(
                why=f"an event of the stream has the wrong shape ({error!r})"
            ) from error

    def _add(self, event: StreamEvent) -> str:
        match event["type"]:
            case "content_block_delta":
                return self._delta(self._growing[event["index"]], event["delta"])
            case "content_block_start":
                self._start_block(event["index"], event["content_block"])
            case "content_block_stop":
                self._growing[event["index"]].stopped = True
            case "message_start":
                self._start(event["message"])
            case "message_delta":
                self._stop_reason = event["delta"].get("stop_reason") or self._stop_reason
                self._usage.add(event.get("usage"))
                self._keep(event["delta"])
                self._keep(event)
            case "message_stop":
                self.stopped = True
            case "error":
                raise stream_error(event)
            case _:  # ping, and future types: the API asks clients to ignore unknown ones
                pass
        return ""

    def _start(self, message: StreamEvent) -> None:
        if self.started:
            raise malformed(why="a second message_start arrived")
        self.started = True
        self._model = str(message["model"])
        self._usage.add(message.get("usage"))
        self._keep(message)
        for index, block in enumerate(message.get("content") or ()):
            self._growing[index] = _Growing(block, stopped=True)

    def _keep(self, fields: StreamEvent) -> None:
        """Fields without a place of their own; a later value replaces an earlier one."""
        self._envelope |= {k: v for k, v in fields.items() if k not in PLACED and v is not None}

    @property
    def usage(self) -> Usage | None:
        """The usage reported so far, for a reply that broke off."""
        return self._usage.so_far

    def _start_block(self, index: int, block: Block) -> None:
        if index in self._growing:
            raise malformed(why=f"block {index} started twice")
        if not isinstance(block["type"], str) or index != int(index):
            raise malformed(why=f"block {index!r} has no type or no number")
        self._growing[index] = _Growing(block)

    def _delta(self, growing: _Growing, delta: StreamEvent) -> str:
        kind = delta["type"]
        if growing.stopped:
            raise malformed(why=f"a {kind} arrived for a block that had stopped")
        if (name := APPENDED.get(kind)) is not None:
            piece = delta[name]
            if not isinstance(piece, str):
                raise malformed(why=f"a {kind} carries no text")
            growing.pieces.setdefault(name, []).append(piece)
            return clean_text(piece) if kind == "text_delta" else ""
        if kind == "citations_delta":
            citations = growing.block.get("citations") or []
            growing.block["citations"] = [*citations, delta["citation"]]  # type: ignore[misc]
        elif kind in REPLACED:
            growing.block.update((k, v) for k, v in delta.items() if k != "type")
        else:
            raise ModelError(
                error="unknown_delta",
                message=f"the reply carries {kind!r}, which this version cannot keep: "
                "upgrade Playhead, or turn off the feature that sends it",
            )
        return ""

    def whole(self, body: bytes) -> str:
        """Take a reply that came as one JSON document, although a stream was asked for; its text.

        Raises ModelError.
        """
        try:
            message = strict_object(body.decode("utf-8", "surrogatepass"))
            if message.get("type") == "error":
                raise stream_error(message)
            self._start(message)
            self._stop_reason, self.stopped = message["stop_reason"], True
            blocks = [growing.block for growing in self._growing.values()]
            return clean_text("".join(b["text"] for b in blocks if b["type"] == "text"))  # type: ignore[misc]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise malformed(
                why=f"the endpoint answered 200 with JSON that is not a whole message ({error!r}): "
                "check the base URL"
            ) from error

    def reply(self, request_id: str | None = None) -> Reply:
        """The complete reply. Raises ModelError if any part is missing or invalid."""
        if not (self.started and self.stopped) or self._stop_reason is None:
            raise truncated(why="the stream ended before the reply was complete")
        blocks = [self._growing[index] for index in sorted(self._growing)]
        if sorted(self._growing) != list(range(len(blocks))):
            raise truncated(why="a block of the reply is missing")
        if not all(growing.stopped for growing in blocks):
            raise truncated(why="a block of the reply was not ended")
        content = tuple(_finished(g, self._stop_reason, self._envelope) for g in blocks)
        _check(self._stop_reason, content)
        usage, more = self._usage.complete(content)
        envelope = self._envelope | ({"usage": more} if more else {})
        return Reply(content, self._stop_reason, usage, self._model, request_id, envelope)


def _finished(growing: _Growing, stop_reason: str, envelope: Envelope) -> Block:
    block = growing.block
    for name, pieces in growing.pieces.items():
        text = "".join(pieces)
        if name != "partial_json":
            block[name] = str(block.get(name) or "") + text
        elif text.strip():
            block["input"] = _tool_input(str(block.get("name")), text, stop_reason, envelope)
    if block["type"] == "tool_use" and not block.get("input"):
        block["input"] = {}
    return block


def _tool_input(tool: str, text: str, stop_reason: str, envelope: Envelope) -> Block:
    try:
        return strict_object(text)
    except ValueError as error:
        if stop_reason in CUT_OFF:
            raise _cut_off_call(tool, stop_reason) from error
        if stop_reason == "refusal":
            why = stop_text(envelope)
            message = f"the model refused to continue in the middle of a call of {tool}"
            message += f": {why}" if why else ""
            raise ModelError(error="refusal", message=message) from error
        raise malformed(
            why=f"the arguments for {tool} are not a valid JSON object: {error}"
        ) from error


def _check(stop_reason: str, content: tuple[Block, ...]) -> None:
    """Refuse replies that must not be acted on."""
    calls = [block for block in content if block["type"] == "tool_use"]
    if stop_reason not in STOP_REASONS:
        known = ", ".join(sorted(STOP_REASONS))
        message = f"the reply stopped for {stop_reason!r}; Playhead knows {known}: upgrade Playhead"
        raise ModelError(error="unknown_stop_reason", message=message)
    if calls and stop_reason in CUT_OFF:
        raise _cut_off_call(str(calls[-1].get("name")), stop_reason)
    if not all(isinstance(block.get(key), str) for block in calls for key in ("id", "name")):
        raise malformed(why="a tool call has no id or name")
    if not all(isinstance(block["input"], dict) for block in calls):
        raise malformed(why="the arguments of a tool call are not a JSON object")
    if not calls and stop_reason == "tool_use":
        raise malformed(why="the reply stopped for tool_use but calls no tool")


def _cut_off_call(tool: str, stop_reason: str) -> ModelError:
    """Even a last call that parses may be unfinished, so none is started."""
    return ModelError(
        "truncated_tool_use",
        f"the reply was cut off ({stop_reason}) at a call of {tool}, which was not started: "
        "raise max_tokens, or ask for less at once",
    )


def strict_object(text: str) -> dict[str, Any]:
    """A JSON object that can be stored; halves of surrogate pairs become U+FFFD, as in results.

    Raises ValueError for duplicate keys, NaN, infinities, integers of thousands of digits,
    excessive nesting, and anything but one object.
    """
    try:
        value: object = json.loads(text, object_pairs_hook=_no_duplicates, parse_float=_finite)
        try:
            _storable(text.encode())
        except ValueError:
            value = repaired(value)
            _storable(json.dumps(value).encode())
    except RecursionError as error:
        message = "nested too deeply"
        raise ValueError(message) from error
    if not isinstance(value, dict):
        message = f"it is a {type(value).__name__}"
        raise ValueError(message)  # noqa: TRY004
    return cast("dict[str, Any]", value)


def _storable(text: bytes) -> None:
    """A stricter parser; the brackets reserve depth for the event that will contain it."""
    from_json(b"[" * 8 + text + b"]" * 8, allow_inf_nan=False)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        message = "a key occurs twice"
        raise ValueError(message)
    return found


def _finite(number: str) -> float:
    value = float(number)
    if not isfinite(value):
        message = f"{number} is too large for JSON readers"
        raise ValueError(message)
    return value
