"""A request of the Messages API said in Chat Completions.

Thinking goes back only where it came from, with the message that called tools: servers refuse it
elsewhere. A tool message holds text only, so images of results follow in a user message.
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
    is_strict,
    joined,
    own_part,
    own_tools,
    result_blocks,
    schema_of,
    system_text,
)

SAID = frozenset({
    "model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking",
    "output_config", "stop_sequences", "container",
})  # fmt: skip
"""Fields that are said in other words; any other goes as it is."""

ONLY_MESSAGES = ("mcp_servers", "context_management")


def chat_body(body: Mapping[str, Any], *, official: bool) -> Json:
    """The body for `/chat/completions`. Raises ModelError for what it has no words for.

    `official`: OpenAI or Azure, which refuse `max_tokens`; other servers may know nothing else.
    """
    for field in ONLY_MESSAGES:
        if field in body:
            raise cannot(field, "leave it out for this model")
    said: Json = {
        "model": body["model"],
        "max_completion_tokens" if official else "max_tokens": body["max_tokens"],
        "messages": chat_messages(body),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    ours, _ = own_tools(body, responses=False)
    if ours:
        said["tools"] = [{"type": "function", "function": _function(tool)} for tool in ours]
        said |= _choice(body.get("tool_choice") or {})
    if stops := body.get("stop_sequences"):
        said["stop"] = stops
    if effort := effort_of(body):
        said["reasoning_effort"] = effort
    if (schema := schema_of(body)) is not None:
        shape = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
        said["response_format"] = {"type": "json_schema", "json_schema": shape}
    return {**said, **{name: value for name, value in body.items() if name not in SAID}}


def _function(tool: Json) -> Json:
    function = {
        "name": tool["name"],
        "description": tool.get("description") or "",
        "parameters": tool["input_schema"],
    }
    return {**function, "strict": True} if _wants_strict(tool) else function


def _wants_strict(tool: Json) -> bool:
    return bool(tool.get("strict")) and is_strict(tool["input_schema"])


def _choice(choice: Mapping[str, Any]) -> Json:
    kind = choice.get("type")
    found: Json = {}
    if kind == "tool":
        found["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    elif kind is not None:
        found["tool_choice"] = {"any": "required"}.get(kind, kind)
    if choice.get("disable_parallel_tool_use"):
        found["parallel_tool_calls"] = False
    return found


def chat_messages(body: Mapping[str, Any]) -> list[Json]:
    """All messages, the instructions first."""
    system = system_text(body.get("system"))
    said: list[Json] = [{"role": "system", "content": system}] if system else []
    for message in body["messages"]:
        blocks = blocks_of(message)
        said += _assistant(blocks) if message["role"] == "assistant" else _user(blocks)
    return said


def _user(blocks: Sequence[Json]) -> list[Json]:
    results: list[Json] = []
    rest: list[Json] = []
    for block in blocks:
        if block["type"] != "tool_result":
            rest.append(block)
            continue
        shown = result_blocks(block)
        texts = [text for each in shown if (text := as_words(each)) is not None]
        more = [each for each in shown if as_words(each) is None]
        if more:
            texts.append(f"({len(more)} more in the next message, as the result of this call)")
        use = block["tool_use_id"]
        results.append({"role": "tool", "tool_call_id": use, "content": joined(texts)})
        rest += more
    return [*results, {"role": "user", "content": _content(rest)}] if rest else results


def _content(blocks: Sequence[Json]) -> str | list[Json]:
    """Text where there is nothing else: some servers know no other content."""
    texts = [as_words(block) for block in blocks]
    if all(text is not None for text in texts):
        return joined(text or "" for text in texts)
    return [
        _part(block) if text is None else {"type": "text", "text": text}
        for block, text in zip(blocks, texts, strict=True)
        if text != ""
    ]


def _part(block: Json) -> Json:
    match block["type"]:
        case "image":
            return {"type": "image_url", "image_url": {"url": data_url(block)}}
        case "document" if block["source"]["type"] == "base64":
            name = block.get("title") or "document.pdf"
            return {"type": "file", "file": {"filename": name, "file_data": data_url(block)}}
        case "document":
            raise cannot(what="a document by URL", remedy="give its bytes")
        case kind:
            raise cannot(what=f"a block of type {kind!r}", remedy="leave it out for this model")


def _assistant(blocks: Sequence[Json]) -> list[Json]:
    text = "".join(as_words(block) or "" for block in blocks)
    calls = [_call(block) for block in blocks if block["type"] == "tool_use"]
    message: Json = {"role": "assistant", "content": text or None}
    if calls:
        message |= {"tool_calls": calls, **_reasoning(blocks)}
    return [message] if text or calls else []


def _call(block: Json) -> Json:
    function = {"name": block["name"], "arguments": json.dumps(block["input"])}
    extra = {key: own_part(block)[key] for key in own_part(block) if key == "extra_content"}
    return {"id": block["id"], "type": "function", "function": function, **extra}


def _reasoning(blocks: Sequence[Json]) -> Json:
    """Thinking under the name that the server gives it."""
    found: Json = {}
    for block in blocks:
        own = own_part(block) if block["type"] == "thinking" else {}
        if "field" in own and block["thinking"]:
            found[own["field"]] = block["thinking"]
        if "reasoning_details" in own:
            found["reasoning_details"] = own["reasoning_details"]
    return found
