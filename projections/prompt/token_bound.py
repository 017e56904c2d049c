"""Upper bounds of a message's tokens, without a tokenizer: a token is at least one byte.

Content that is not text is counted by kind: an image by the API's maximum for one; a document that
is not plain text, or is stored elsewhere, as the model's whole window.
"""

from collections.abc import Iterable

from playhead.events.event import Block, Json

OVERHEAD = 1000
"""Tokens that the API itself adds: for tool use and for output schemas."""

IMAGE = 8000
"""More than any image counts for."""

WINDOW = 1_000_000
"""The maximum of any request."""


def token_upper_bound(blocks: Iterable[Block], message: bytes) -> int:
    """Upper bound of the tokens of a message made of these blocks."""
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
