"""Usage of OpenAI's protocols in the Messages API's words: what the cache gave is counted apart."""

from collections.abc import Mapping
from typing import Any

COUNTED = frozenset({
    "cached_tokens", "cache_write_tokens", "reasoning_tokens", "text_tokens",
})  # fmt: skip
"""Details that have a place of their own; others are kept verbatim."""


def chat_usage(told: Mapping[str, Any]) -> dict[str, Any]:
    """Usage of Chat Completions, where cached tokens are part of the prompt's."""
    return _usage(
        told["prompt_tokens"], told.get("prompt_tokens_details"),
        told["completion_tokens"], told.get("completion_tokens_details"),
    )  # fmt: skip


def responses_usage(told: Mapping[str, Any]) -> dict[str, Any]:
    """Usage of the Responses API."""
    return _usage(
        told["input_tokens"], told.get("input_tokens_details"),
        told["output_tokens"], told.get("output_tokens_details"),
    )  # fmt: skip


def _usage(
    read: int, inside: Mapping[str, Any] | None, written: int, outside: Mapping[str, Any] | None
) -> dict[str, Any]:
    beside = {
        name: count
        for name, count in {**(inside or {}), **(outside or {})}.items()
        if name not in COUNTED and count
    }
    cached = (inside or {}).get("cached_tokens") or 0
    stored = (inside or {}).get("cache_write_tokens") or 0
    return {
        "input_tokens": max(read - cached - stored, 0),
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": stored,
        "output_tokens": written,
        **({"details": beside} if beside else {}),
        "output_tokens_details": {"thinking_tokens": (outside or {}).get("reasoning_tokens") or 0},
    }
