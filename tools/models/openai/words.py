"""What both of OpenAI's protocols share when a request of the Messages API is said in them.

A block's `openai` field holds what the Messages API has no words for (encrypted reasoning, the
ids of items, a thought's signature), verbatim. It goes back to the protocol that it came from.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, cast

from playhead.events.errors import ModelError
from playhead.events.event import Block

Json: TypeAlias = dict[str, Any]

EFFORTS = {"max": "xhigh"}
"""Efforts of `output_config` that OpenAI calls otherwise."""

STRICT_REFUSES = frozenset({"default", "allOf", "oneOf", "patternProperties", "not"})
"""Schema keywords that OpenAI's strict mode refuses."""


def cannot(what: str, remedy: str) -> ModelError:
    """The error for a request that the protocol has no words for."""
    return ModelError("invalid_request", f"{what} cannot be said in this protocol: {remedy}")


def inside(fields: Mapping[str, Any], name: str) -> Json:
    """An object in a field; empty where there is none."""
    return cast("Json", fields.get(name) or {})


def system_text(system: object) -> str:
    """The instructions, given as text or as text blocks."""
    if isinstance(system, str):
        return system
    return "\n\n".join(str(block["text"]) for block in cast("list[Json]", system or []))


def blocks_of(message: Mapping[str, Any]) -> list[Json]:
    """A message's content as blocks."""
    content = message["content"]
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return cast("list[Json]", content)


def result_blocks(result: Mapping[str, Any]) -> list[Json]:
    """What a tool_result says, as blocks; a failure is said in words."""
    blocks = blocks_of({"content": result.get("content") or ""})
    if result.get("is_error"):
        blocks = [{"type": "text", "text": "The call failed."}, *blocks]
    return blocks


def as_words(block: Mapping[str, Any]) -> str | None:
    """A block of text, or one that only the Messages API knows, as text; None for anything else."""
    match block.get("type"):
        case "text":
            return str(block["text"])
        case "compaction":
            return str(block.get("content") or "")
        case "search_result":
            inside = "\n".join(str(each.get("text")) for each in block.get("content") or ())
            return f"{block.get('title')} ({block.get('source')})\n{inside}"
        case "document" if (source := block["source"])["type"] in ("text", "content"):
            said = source.get("data") or system_text(source.get("content"))
            return f"{block['title']}\n{said}" if block.get("title") else str(said)
        case str(kind) if kind.endswith("_tool_result") or kind in (
            "server_tool_use", "tool_reference", "mcp_tool_use",
        ):  # fmt: skip
            return json.dumps({k: v for k, v in block.items() if k != "cache_control"})
        case _:
            return None


def data_url(block: Mapping[str, Any]) -> str:
    """The address of an image or a document, or itself as one. Raises ModelError for a file id."""
    source = block["source"]
    match source["type"]:
        case "base64":
            return f"data:{source['media_type']};base64,{source['data']}"
        case "url":
            return str(source["url"])
        case kind:
            raise cannot(
                what=f"a block of type {block['type']} whose source is {kind!r}",
                remedy="give its bytes or its URL",
            )


def own_part(block: Mapping[str, Any]) -> Json:
    """What the block keeps for OpenAI's protocols."""
    return inside(block, "openai")


def effort_of(body: Mapping[str, Any]) -> str | None:
    """How much the model should reason: `output_config.effort`, or else by the thinking budget."""
    told = inside(body, "output_config").get("effort")
    if told is not None:
        return EFFORTS.get(told, str(told))
    match inside(body, "thinking"):
        case {"type": "disabled"}:
            return "none"
        case {"type": "enabled", "budget_tokens": int(budget)}:
            return "low" if budget <= 2048 else "medium" if budget <= 8192 else "high"
        case _:
            return None


def schema_of(body: Mapping[str, Any]) -> Json | None:
    """The JSON schema that the answer must follow."""
    schema: Json | None = inside(inside(body, "output_config"), "format").get("schema")
    return schema


def own_tools(body: Mapping[str, Any], *, responses: bool) -> tuple[list[Json], list[Json]]:
    """The tools that the program performs, and those that the API performs itself, verbatim.

    Raises ModelError for those that only the Messages API performs.
    """
    tools = cast("list[Json]", body.get("tools") or [])
    ours = [tool for tool in tools if "input_schema" in tool]
    theirs = [
        {key: value for key, value in tool.items() if key != "cache_control"}
        for tool in tools
        if "input_schema" not in tool
    ]
    for tool in theirs:
        kind = str(tool.get("type"))
        if kind.rpartition("_")[2].isdigit() or not responses:
            raise cannot(what=f"the server tool {kind!r}", remedy="leave it out for this model")
    return ours, theirs


def refusal(stop: str, category: str, explanation: str) -> Json:
    """What a refusal says of itself, as a reply's envelope has it."""
    if stop != "refusal":
        return {}
    told = {"category": category if category == "content_filter" else None}
    return {"stop_details": {"type": "refusal", **told, "explanation": explanation or None}}


def is_strict(schema: object) -> bool:
    """Whether OpenAI's strict mode accepts the schema: closed objects, every property required."""
    if isinstance(schema, list):
        return all(map(is_strict, cast("list[object]", schema)))
    if not isinstance(schema, dict):
        return True
    found = cast("Json", schema)
    properties = found.get("properties")
    if isinstance(properties, dict):
        names = set(cast("Json", properties))
        if found.get("additionalProperties") is not False or names != set(
            found.get("required") or ()
        ):
            return False
        return all(map(is_strict, cast("Json", properties).values())) and _keywords_fit(found)
    return _keywords_fit(found)


def _keywords_fit(schema: Json) -> bool:
    if STRICT_REFUSES & schema.keys():
        return False
    more = (schema.get(key) for key in ("items", "anyOf"))
    return all(map(is_strict, (*more, *inside(schema, "$defs").values())))


def without_marks(block: Block) -> Block:
    """The block without a prompt cache mark: these protocols cache by prefix, unasked."""
    return {key: value for key, value in block.items() if key != "cache_control"}


def joined(texts: Iterable[str]) -> str:
    """Texts as one, with a blank line between them."""
    return "\n\n".join(text for text in texts if text)
