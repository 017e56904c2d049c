"""A streamed reply of Chat Completions, read as the events of the Messages API.

So a reply is held to the same rules whichever protocol it came over (see `stream.py`): it counts
when a finish reason and `[DONE]` have arrived. Servers differ in small things, which are put
right here: `stop` beside calls, ids that are missing, arguments that are no text.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from playhead.events.model_api import Request
from playhead.tools.models.errors import malformed
from playhead.tools.models.openai.errors import refused
from playhead.tools.models.openai.usage import chat_usage
from playhead.tools.models.openai.words import Json, inside, refusal
from playhead.tools.models.stream import Assembler, StreamEvent, read_event

REASONING = ("reasoning_content", "reasoning")
"""Fields in which servers put the model's thinking as text."""

STOPS = {
    "stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use",
    "function_call": "tool_use", "content_filter": "refusal",
}  # fmt: skip
"""Finish reason -> stop reason of the Messages API; others are unknown there too."""

DONE = b"[DONE]"

PLACED = frozenset({
    "choices", "usage", "model", "object", "created", "obfuscation", "type", "delta", "error",
})  # fmt: skip
"""Fields of a chunk that have a place of their own, or say nothing; others are kept verbatim."""

TOLD = frozenset({
    "role", "content", "refusal", "tool_calls", "function_call", "reasoning_details", *REASONING,
})  # fmt: skip
"""Fields of a message that have a place of their own; others are kept verbatim, like those of its
choice."""

PLACED_IN_CHOICE = frozenset({"index", "delta", "message", "finish_reason", "stop_reason"})

NOT_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")
"""Characters that the Messages API refuses in a call's id."""


class ChatStream:
    """One reply as it comes in. `feed` raises ModelError."""

    def __init__(self, request: Request, assembler: Assembler, key: str) -> None:
        self._request = request
        self._assembler = assembler
        self._key = key
        self._blocks: list[str] = []
        """The kinds of the blocks so far; a block's index is its place."""
        self._calls: dict[int, tuple[object, int]] = {}
        """A call's index -> its id as the server gives it, and its block."""
        self._finish: str | None = None
        self._refusal = ""
        self._envelope: Json = {}
        self._details: list[Json] = []
        """Parts of the thinking that go back as they came."""
        self._usage: Json | None = None
        self._written = 0

    def feed(self, data: bytes) -> str:
        """One event's data; returns the text that it carried."""
        if data.strip() == DONE:
            events = self._done()
        else:
            try:
                events = list(self._read(read_event(data)))
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise malformed(
                    why=f"a chunk of the stream has the wrong shape ({error!r})"
                ) from error
        return "".join(self._assembler.add(event) for event in events)

    def whole(self, body: bytes) -> str:
        """A reply that came as one document, although a stream was asked for; its text."""
        try:
            document = read_event(body)
            if not isinstance(document.get("choices"), list) and not document.get("error"):
                raise malformed(
                    why="the endpoint answered 200 with JSON that is not a chat completion"
                )
        except (ValueError, AttributeError) as error:
            raise malformed(
                why=f"the endpoint answered 200 with JSON that is not whole ({error!r})"
            ) from error
        for choice in document.get("choices") or ():
            choice["delta"] = choice.get("message")
        return self.feed(json.dumps(document).encode()) + self.feed(DONE)

    def _read(self, chunk: Json) -> Iterator[StreamEvent]:
        if chunk.get("error"):
            raise refused(200, chunk, {}, self._key)
        if not self._assembler.started:
            model = chunk.get("model") or self._request.model
            yield {"type": "message_start", "message": {"model": model, "content": []}}
        self._usage = chunk.get("usage") or self._usage
        self._envelope |= {k: v for k, v in chunk.items() if k not in PLACED and v is not None}
        for choice in chunk["choices"]:
            if not choice.get("index"):
                self._keep(choice, PLACED_IN_CHOICE)
                yield from self._delta(choice.get("delta") or {})
                self._finish = choice.get("finish_reason") or self._finish

    def _keep(self, fields: Json, placed: frozenset[str]) -> None:
        """Fields without a place of their own; the pieces of one are put together."""
        for name, value in fields.items():
            if name not in placed and value is not None:
                self._envelope[name] = grown(self._envelope.get(name), value)

    def _delta(self, delta: Json) -> Iterator[StreamEvent]:
        self._keep(delta, TOLD)
        if details := delta.get("reasoning_details"):
            self._details += details
            yield from self._detailed(delta)
        for field in REASONING:
            if thought := delta.get(field):
                block = {"type": "thinking", "thinking": "", "openai": {"field": field}}
                yield from self._text(field, block, "thinking", thought)
                break  # some servers send both
        for field in ("content", "refusal"):
            if said := delta.get(field):
                yield from self._text("text", {"type": "text", "text": ""}, "text", said)
        self._refusal += delta.get("refusal") or ""
        for call in delta.get("tool_calls") or ():
            yield from self._call(call)

    def _detailed(self, delta: Json) -> Iterator[StreamEvent]:
        """The thinking that they belong to is begun, and goes back with them."""
        field = next((name for name in REASONING if delta.get(name)), REASONING[0])
        if field not in self._blocks:
            yield from self._begin(field, {"type": "thinking", "thinking": ""})
        own = {"field": field, "reasoning_details": [*self._details]}
        yield self._piece(self._blocks.index(field), {"type": "signature_delta", "openai": own})

    def _text(self, kind: str, block: Json, field: str, text: object) -> Iterator[StreamEvent]:
        if not isinstance(text, str):
            raise malformed(why=f"a chunk's {kind} is not text")
        if kind not in self._blocks:
            yield from self._begin(kind, block)
        yield self._piece(self._blocks.index(kind), {"type": f"{field}_delta", field: text})
        self._written += len(text.encode("utf-8", "replace"))

    def _call(self, call: Json) -> Iterator[StreamEvent]:
        function, given = inside(call, "function"), call.get("id")
        number = call.get("index") or 0
        known = self._calls.get(number)
        if known is None or (function.get("name") and (not given or given != known[0])):
            index = len(self._blocks)
            use = NOT_IN_ID.sub("_", given or f"call_{self._request.hash[:16]}_{index}")
            block: Json = {"type": "tool_use", "id": use, "name": function.get("name")}
            yield from self._begin("call", block)
            self._calls[number] = (given, index)
        else:
            index = known[1]
        arguments: Any = function.get("arguments")
        if arguments:
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            yield self._piece(index, {"type": "input_json_delta", "partial_json": text})
            self._written += len(text)
        if extra := call.get("extra_content"):  # a thought's signature, which must go back
            yield self._piece(
                index, {"type": "signature_delta", "openai": {"extra_content": extra}}
            )

    def _begin(self, kind: str, block: Json) -> Iterator[StreamEvent]:
        yield {"type": "content_block_start", "index": len(self._blocks), "content_block": block}
        self._blocks.append(kind)

    def _piece(self, index: int, delta: Json) -> StreamEvent:
        return {"type": "content_block_delta", "index": index, "delta": delta}

    def _done(self) -> list[StreamEvent]:
        if self._finish is None:
            return []  # the assembler will say that the reply is not complete
        stop = STOPS.get(self._finish, self._finish)
        if stop == "end_turn" and self._calls:
            stop = "tool_use"
        if self._refusal:
            stop = "refusal"
        try:
            usage = self._estimate() if self._usage is None else chat_usage(self._usage)
        except (LookupError, TypeError) as error:
            raise malformed(why="the usage of the reply does not consist of numbers") from error
        ends = [{"type": "content_block_stop", "index": n} for n in range(len(self._blocks))]
        end = {
            **self._envelope,
            **refusal(stop, self._finish, self._refusal),
            "type": "message_delta",
            "delta": {"stop_reason": stop},
            "usage": usage,
        }
        return [*ends, end, {"type": "message_stop"}]

    def _estimate(self) -> Json:
        """For a server that tells no usage: bounds, since a token has at least one byte."""
        bound = self._request.bound or len(self._request.content)
        return {"input_tokens": bound, "output_tokens": self._written}


def grown(before: object, more: object) -> object:
    """Two pieces of one value: texts and lists are joined, objects field by field."""
    match before, more:
        case str(), str():
            return before + more
        case list(), list():
            return [*cast("list[object]", before), *cast("list[object]", more)]
        case dict(), dict():
            known = cast("Json", before)
            news = {name: grown(known.get(name), v) for name, v in cast("Json", more).items()}
            return {**known, **news}
        case _:
            return more
