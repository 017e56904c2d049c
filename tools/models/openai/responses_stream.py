"""A streamed reply of the Responses API, accepted when its last event has arrived.

That event holds the whole response, so the pieces before it serve only whoever watches. Its items
become blocks; what a block has no words for stays in its field `openai` (see `words.py`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from playhead.events.errors import ModelError
from playhead.events.model_api import Request
from playhead.tools.models.errors import malformed
from playhead.tools.models.openai.errors import refused
from playhead.tools.models.openai.usage import responses_usage
from playhead.tools.models.openai.words import Json, inside, refusal
from playhead.tools.models.stream import Assembler, StreamEvent, read_event
from playhead.tools.result import clean_text

CUT = {"max_output_tokens": "max_tokens", "content_filter": "refusal"}
"""Why a response is incomplete -> stop reason of the Messages API."""

ECHOED = frozenset({
    "object", "created_at", "status", "error", "model", "output", "usage", "type", "delta",
    "background", "conversation", "frequency_penalty", "include", "instructions",
    "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "presence_penalty",
    "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_retention", "reasoning",
    "safety_identifier", "store", "temperature", "text", "tool_choice", "tools", "top_logprobs",
    "top_p", "truncation", "user",
})  # fmt: skip
"""Fields of a response that have a place of their own or repeat the request; others are kept
verbatim."""

LIVE = frozenset({"response.output_text.delta", "response.refusal.delta"})

LAST = frozenset({"response.completed", "response.incomplete"})

NOT_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")


class ResponsesStream:
    """One reply as it comes in. `feed` raises ModelError."""

    def __init__(self, request: Request, assembler: Assembler, key: str) -> None:
        self._request = request
        self._assembler = assembler
        self._key = key
        self._items: list[Json] = []
        """Items that have ended, for servers whose last event does not repeat them."""

    def feed(self, data: bytes) -> str:
        """One event's data; returns the text that it carried."""
        if data.strip() == b"[DONE]":
            return ""
        try:
            return self._read(read_event(data))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise malformed(
                why=f"an event of the stream has the wrong shape ({error!r})"
            ) from error

    def whole(self, body: bytes) -> str:
        """A reply that came as one document, although a stream was asked for; its text."""
        try:
            response = read_event(body)
            if response.get("error"):
                raise refused(200, response, {}, self._key)
            if not isinstance(response.get("output"), list):
                raise malformed(why="the endpoint answered 200 with JSON that is not a response")
            return self._end(response)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise malformed(
                why=f"the endpoint answered 200 with JSON that is not whole ({error!r})"
            ) from error

    def _read(self, event: Json) -> str:
        kind = event["type"]
        if kind in LIVE:
            return clean_text(event["delta"])
        if kind == "response.output_item.done":
            self._items.append(event["item"])
        elif kind in LAST:
            self._end(event["response"])
        elif kind == "response.failed":
            raise self._failed(event["response"])
        elif kind == "error":
            raise refused(200, event, {}, self._key)
        return ""  # future types too: the API asks clients to ignore unknown ones

    def _failed(self, response: Json) -> ModelError:
        found = refused(200, response.get("error") or response, {}, self._key)
        if response.get("usage"):
            self._assembler.add(_start(response, self._request))
            found.usage = self._assembler.usage
        return found

    def _end(self, response: Json) -> str:
        if response.get("status") in ("failed", "cancelled", "in_progress", "queued"):
            raise self._failed(response)
        items: Sequence[Json] = response["output"] or self._items
        blocks = [block for item in items for block in blocks_of_item(item)]
        events = [_start({**response, "output": items}, self._request)]
        for index, block in enumerate(blocks):
            events += _whole_block(index, block)
        stop = _stop(response, items, blocks)
        kept = {k: v for k, v in response.items() if k not in ECHOED and v is not None}
        why = str(inside(response, "incomplete_details").get("reason") or "")
        kept |= refusal(stop, why, "".join(part["refusal"] for part in _refusals(items)))
        end = {**kept, "type": "message_delta", "delta": {"stop_reason": stop}}
        events += [end, {"type": "message_stop"}]
        return "".join(self._assembler.add(event) for event in events)


def _start(response: Json, request: Request) -> StreamEvent:
    usage = response.get("usage")
    message: Json = {"model": response.get("model") or request.model, "content": []}
    told = _estimate(response, request) if usage is None else responses_usage(usage)
    if searches := sum(map(_is_search, response.get("output") or ())):
        told["server_tool_use"] = {"web_search_requests": searches}
    return {"type": "message_start", "message": {**message, "usage": told}}


def _is_search(item: Json) -> bool:
    """Whether it is a search that is billed; opening a page it found is not."""
    kind = str(inside(item, "action").get("type", "search"))
    return (str(item["type"]), kind) == ("web_search_call", "search")


def _estimate(response: Json, request: Request) -> Json:
    """For a server that tells no usage: bounds, since a token has at least one byte."""
    written = len(str(response.get("output")).encode("utf-8", "replace"))
    return {"input_tokens": request.bound or len(request.content), "output_tokens": written}


def _stop(response: Json, items: Sequence[Json], blocks: Sequence[Json]) -> str:
    if response.get("status") == "incomplete":
        why = str(inside(response, "incomplete_details").get("reason"))
        return CUT.get(why, why)
    if _refusals(items):
        return "refusal"
    return "tool_use" if any(b["type"] == "tool_use" for b in blocks) else "end_turn"


def _refusals(items: Sequence[Json]) -> list[Json]:
    parts = [part for item in items if item["type"] == "message" for part in item["content"]]
    return [part for part in parts if part["type"] == "refusal"]


def _whole_block(index: int, block: Json) -> Iterator[StreamEvent]:
    """Arguments go as text, so that they are parsed by the same strict rule as all others."""
    given = block.pop("arguments", None)
    yield {"type": "content_block_start", "index": index, "content_block": block}
    if given is not None:
        delta = {"type": "input_json_delta", "partial_json": given}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    elif (text := block.get("text")) is not None:
        block["text"] = ""
        delta = {"type": "text_delta", "text": text}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def blocks_of_item(item: Json) -> Iterator[Json]:
    """An output item as blocks."""
    match item["type"]:
        case "message":
            for part in item["content"]:
                yield _text_block(item, part)
        case "reasoning":
            said = [*(item.get("summary") or ()), *(item.get("content") or ())]
            thought = "\n\n".join(str(part.get("text") or "") for part in said)
            yield {"type": "thinking", "thinking": thought, "openai": dict(item)}
        case "function_call":
            kept = _without(item, "type", "call_id", "name", "arguments")
            use = NOT_IN_ID.sub("_", item["call_id"])
            call: Json = {"type": "tool_use", "id": use, "name": item["name"], "input": {}}
            yield {**call, "openai": kept, "arguments": item["arguments"]}
        case _:
            yield {"type": "openai_item", "openai": dict(item)}


def _text_block(item: Json, part: Mapping[str, Any]) -> Json:
    refusal = part["type"] == "refusal"
    text = part["refusal"] if refusal else part["text"]
    kept = _without(item, "type", "role", "content")
    rest = {} if refusal else _without(part, "type", "text")
    more = {key: value for key, value in rest.items() if value}
    return {"type": "text", "text": text, "openai": {**kept, "part": more} if more else kept}


def _without(item: Mapping[str, Any], *names: str) -> Json:
    return {key: value for key, value in item.items() if key not in names}
