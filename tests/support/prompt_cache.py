"""The Messages API's token counts for a request, by its published rules of prompt caching.

Blocks are in the order tools, system, messages. A marked block writes an entry for the prefix that
ends with it; a request finds the longest entry at, or up to 20 blocks before, one of its marks.
Prefixes are compared without marks. Shorter prefixes than the minimum are not kept. A token counts
as four bytes.
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

LOOKBACK = 20
MOST_MARKS = 4


def blocks(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, block) in the order in which the API reads them."""
    for tool in body.get("tools", ()):
        yield "tools", tool
    system = body.get("system", ())
    for block in [{"type": "text", "text": system}] if isinstance(system, str) else system:
        yield "system", block
    for number, message in enumerate(body["messages"]):
        for block in message["content"]:
            yield f"messages.{number}.{message['role']}", block


def unmarked(block: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "cache_control"}


def marks(body: dict[str, Any]) -> int:
    return sum("cache_control" in block for _, block in blocks(body))


class PromptCache:
    """The entries of one organisation, kept apart by model."""

    def __init__(self, least: int = 1024) -> None:
        self._least = least
        self._entries: set[bytes] = set()

    def usage(self, body: dict[str, Any]) -> dict[str, Any]:
        """The usage of the request's input; stores its entries."""
        prefixes = list(_prefixes(body))
        marked = [n for n, (_, block) in enumerate(blocks(body)) if "cache_control" in block]
        assert len(marked) <= MOST_MARKS, f"{len(marked)} marks: the API takes {MOST_MARKS}"
        total = prefixes[-1][1]
        read = max((tokens for tokens in self._found(prefixes, marked)), default=0)
        ends = [n for n in marked if prefixes[n][1] >= self._least]
        written = max((prefixes[n][1] for n in ends), default=read) - read
        self._entries |= {prefixes[n][0] for n in ends}
        written = max(0, written)
        return {
            "input_tokens": total - read - written,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": written,
                "ephemeral_1h_input_tokens": 0,
            },
        }

    def _found(self, prefixes: list[tuple[bytes, int]], marked: list[int]) -> Iterator[int]:
        for mark in marked:
            for n in range(mark, max(-1, mark - LOOKBACK - 1), -1):
                if prefixes[n][0] in self._entries:
                    yield prefixes[n][1]
                    break


def _prefixes(body: dict[str, Any]) -> Iterator[tuple[bytes, int]]:
    """For each block, the hash of the prefix that ends with it, and that prefix's tokens."""
    digest, tokens = sha256(str(body["model"]).encode()), 0
    for where, block in blocks(body):
        content = json.dumps(unmarked(block)).encode()
        digest.update(where.encode() + content)
        tokens += len(content) // 4 + 1
        yield digest.digest(), tokens
