"""How many tokens a message has at most, known without a tokenizer: a token is at least one byte.

What is not text is counted by its kind: an image by the most that the API takes for one, a document
that is not plain text, or that lies elsewhere, as if it filled the model's whole window.
"""

from collections.abc import Iterable

from playhead.events.event import Block, Json

OVERHEAD = 1000
"""Tokens that the API adds by itself: how to use tools, how to keep to a schema."""

IMAGE = 8000
"""More than any image counts for."""

WINDOW = 1_000_000
"""The most that any request can hold."""


def weight(blocks: Iterable[Block], message: bytes) -> int:
    """At least the tokens of a message that is made of these blocks."""
    return len(message) + sum(map(_beyond_text, blocks))


def _beyond_text(block: Block) -> int:
    match block.get("type"):
        case "text" | "tool_use" | "thinking" | "redacted_thinking":
            return 0
        case "tool_result":
            content = block.get("content")
            return 0 if isinstance(content, str) else sum(map(_beyond_text, _dicts(content)))
        case "image":
            return IMAGE
        case "document" if _source(block) in ("text", "content"):
            return 0
        case "document" | "container_upload":
            return WINDOW
        case _:
            return 0


def _source(block: Block) -> object:
    return next((source.get("type") for source in _dicts([block.get("source")])), None)


def _dicts(values: Json) -> list[Block]:
    return (
        [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
    )
