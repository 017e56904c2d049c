"""A request of the Messages API said in the Responses API.

Nothing is kept at the server (`store: false`): the log has all of it. Reasoning comes encrypted
and goes back as it came, in its place, with the ids of the items around it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from playhead.tools.models.openai.words import (
    Json,
    as_words,
    blocks_of,
    cannot,
    data_url,
    effort_of,
    inside,
    is_strict,
    own_part,
    own_tools,
    result_blocks,
    schema_of,
    system_text,
)

SAID = frozenset({
    "model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking",
    "output_config", "container",
})  # fmt: skip
"""Fields that are said in other words; any other goes as it is."""

REFUSED = ("mcp_servers", "stop_sequences")

LEAST_TOKENS = 16
"""The API refuses a lower `max_output_tokens`."""


def responses_body(body: Mapping[str, Any]) -> Json:
    """The body for `/responses`. Raises ModelError for what it has no words for."""
    for field in REFUSED:
        if body.get(field):
            raise cannot(field, "leave it out, or ask this model over Chat Completions")
    said: Json = {
        "model": body["model"],
        "max_output_tokens": max(body["max_tokens"], LEAST_TOKENS),
        "input": responses_input(body),
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    if system := system_text(body.get("system")):
        said["instructions"] = system
    ours, theirs = own_tools(body, responses=True)
    if ours or theirs:
        said["tools"] = [*map(_function, ours), *theirs]
        said |= _choice(body.get("tool_choice") or {})
    if reasoning := _reasoning(body):
        said["reasoning"] = reasoning
    if (schema := schema_of(body)) is not None:
        shape = {"type": "json_schema", "name": "answer", "schema": schema}
        said["text"] = {"format": {**shape, "strict": is_strict(schema)}}
    return {**said, **{name: value for name, value in body.items() if name not in SAID}}


def _reasoning(body: Mapping[str, Any]) -> Json:
    effort = effort_of(body)
    found: Json = {} if effort is None else {"effort": effort}
    if inside(body, "thinking").get("type") in ("enabled", "adaptive"):
        found["summary"] = "auto"
    return found


def _function(tool: Json) -> Json:
    """`strict` is always said: the API's own default is true."""
    return {
        "type": "function",
        "name": tool["name"],
        "description": tool.get("description") or "",
        "parameters": tool["input_schema"],
        "strict": bool(tool.get("strict")) and is_strict(tool["input_schema"]),
    }


def _choice(choice: Mapping[str, Any]) -> Json:
    kind = choice.get("type")
    found: Json = {}
    if kind == "tool":
        found["tool_choice"] = {"type": "function", "name": choice["name"]}
    elif kind is not None:
        found["tool_choice"] = {"any": "required"}.get(kind, kind)
    if choice.get("disable_parallel_tool_use"):
        found["parallel_tool_calls"] = False
    return found


def responses_input(body: Mapping[str, Any]) -> list[Json]:
    """All messages as items."""
    items: list[Json] = []
    for message in body["messages"]:
        blocks = blocks_of(message)
        items += _assistant(blocks) if message["role"] == "assistant" else _user(blocks)
    return items


def _user(blocks: Sequence[Json]) -> list[Json]:
    results = [
        {"type": "function_call_output", "call_id": b["tool_use_id"], "output": _output(b)}
        for b in blocks
        if b["type"] == "tool_result"
    ]
    parts = [part for b in blocks if b["type"] != "tool_result" for part in _parts(b)]
    said = {"type": "message", "role": "user", "content": parts}
    return [*results, said] if parts else [*results]


def _output(result: Json) -> str | list[Json]:
    parts = [part for block in result_blocks(result) for part in _parts(block)]
    if all(part["type"] == "input_text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts


def _parts(block: Json) -> list[Json]:
    if (text := as_words(block)) is not None:
        return [{"type": "input_text", "text": text}] if text else []
    match block["type"]:
        case "image":
            return [{"type": "input_image", "image_url": data_url(block), "detail": "auto"}]
        case "document":
            by_url = block["source"]["type"] == "url"
            where = "file_url" if by_url else "file_data"
            name = {} if by_url else {"filename": block.get("title") or "document.pdf"}
            return [{"type": "input_file", **name, where: data_url(block)}]
        case kind:
            raise cannot(what=f"a block of type {kind!r}", remedy="leave it out for this model")


def _assistant(blocks: Sequence[Json]) -> list[Json]:
    items: list[Json] = []
    for block in blocks:
        item = _item(block)
        if item is None:
            continue
        last = items[-1] if items else {}
        if item["type"] == "message" and "id" in item and item["id"] == last.get("id"):
            last["content"] += item["content"]  # several texts of one message
        else:
            items.append(item)
    return items


def _item(block: Json) -> Json | None:
    own = own_part(block)
    if block["type"] in ("thinking", "redacted_thinking", "openai_item"):
        return dict(own) if "type" in own else None
    if block["type"] == "tool_use":
        call = {"type": "function_call", "call_id": block["id"], "name": block["name"]}
        kept = {key: value for key, value in own.items() if key != "extra_content"}
        return {**call, "arguments": json.dumps(block["input"]), **kept}
    text = as_words(block)
    if not text:
        return None
    if "id" not in own:
        return {"type": "message", "role": "assistant", "content": text}
    part: Json = {"type": "output_text", "annotations": [], **inside(own, "part"), "text": text}
    kept = {key: value for key, value in own.items() if key != "part"}
    return {"type": "message", "role": "assistant", **kept, "content": [part]}
