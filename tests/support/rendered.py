"""Requests as the context renders them, for tests that need a request without a run."""

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from playhead.events.model_api import Request


def request_of(*turns: str | list[dict[str, Any]], **fields: Any) -> Request:
    """A request whose messages are these turns, alternating between user and assistant."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": turn} for i, turn in enumerate(turns)]
    return request_with(messages, **fields)


def request_with(messages: Sequence[dict[str, Any]], **fields: Any) -> Request:
    head = json.dumps({"model": "claude-stub", "max_tokens": 100, **fields})[:-1] + ', "messages":['
    encoded = [json.dumps(message).encode() for message in messages]
    digest = sha256(b"".join([head.encode(), *encoded])).hexdigest()
    model = str(fields.get("model", "claude-stub"))
    return Request(head.encode(), encoded[:-1], len(encoded) - 1, encoded[-1], digest, model)
