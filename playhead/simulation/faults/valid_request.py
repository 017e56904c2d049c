"""What the Messages API requires of a request, as far as a crash or a bug could violate it."""

from collections.abc import Sequence
from typing import Any

BLOCKS = ("text", "tool_use", "tool_result", "thinking", "redacted_thinking", "image")


def invalid_request(body: dict[str, Any]) -> str | None:
    """The first reason for which the API would reject the request, or None."""
    messages: list[dict[str, Any]] = body.get("messages", [])
    if not messages:
        return "it has no messages"
    if messages[0]["role"] != "user":
        return "the first message is not the user's"
    awaited: Sequence[str] = ()
    for number, message in enumerate(messages):
        content = message["content"]
        wrong = _wrong_blocks(content) or _wrong_results(message["role"], content, awaited)
        if wrong:
            return f"message {number}: {wrong}"
        awaited = [b["id"] for b in content if b.get("type") == "tool_use"]
        if len(set(awaited)) != len(awaited):
            return f"message {number}: two tool_use blocks have the same id"
    return f"the calls {list(awaited)} have no results" if awaited else None


def _wrong_blocks(content: list[dict[str, Any]]) -> str | None:
    if not content:
        return "its content is empty"
    for block in content:
        if block.get("type") not in BLOCKS:
            return f"a block of type {block.get('type')!r}"
        if block["type"] == "text" and not block["text"].strip():
            return "a blank text"
        if block["type"] == "tool_result" and _blank(block.get("content")):
            return "a blank tool_result"
    return None


def _blank(content: str | list[dict[str, Any]] | None) -> bool:
    if isinstance(content, list):
        return not content or any(b["type"] == "text" and _blank(b["text"]) for b in content)
    return not (content or "").strip()


def _wrong_results(role: str, content: list[dict[str, Any]], awaited: Sequence[str]) -> str | None:
    results = [b["tool_use_id"] for b in content if b["type"] == "tool_result"]
    if role == "assistant":
        if content[-1]["type"] in ("thinking", "redacted_thinking"):
            return "the assistant's last block is thinking"
        return "the assistant gives a tool_result" if results or awaited else None
    if sorted(results) != sorted(awaited):
        return f"the calls {list(awaited)} are answered by results {results}"
    first_other = next((n for n, b in enumerate(content) if b["type"] != "tool_result"), None)
    if first_other is not None and first_other < len(results):
        return "a tool_result follows another kind of block"
    return None
