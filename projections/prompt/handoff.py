"""What the next agent is told of a conversation that is handed over to it."""

from collections.abc import Iterable
from typing import Any

from pydantic_core import from_json

from playhead.events.event import Block


def told(messages: Iterable[bytes], agent: str) -> tuple[Block, ...]:
    """The texts of a conversation, as a run records messages from elsewhere.

    Calls, results and thinking are left out: they belong to tools and a model that the next agent
    may not have. The last message is the assistant's, as the API wants it before a user's.
    """
    found: list[dict[str, Any]] = []
    for message in messages:
        read: dict[str, Any] = from_json(message)
        texts = [
            {"type": "text", "text": block["text"]}
            for block in read["content"]
            if block.get("type") == "text" and block["text"].strip()
        ]
        if texts and (found or read["role"] == "user"):
            _add(found, read["role"], texts)
    if found:
        _add(found, "assistant", [{"type": "text", "text": f"I hand over to {agent}."}])
    return tuple(found)


def _add(found: list[dict[str, Any]], role: str, texts: list[dict[str, Any]]) -> None:
    if found and found[-1]["role"] == role:
        found[-1]["content"] += texts
    else:
        found.append({"role": role, "content": texts})
