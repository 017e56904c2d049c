"""Notices when the prompt cache missed although a hit was expected, and names what differs.

A prefix that changes from request to request (the time of day in the instructions, tools in another
order) makes every request write the cache and none read it. Nothing fails; only the cost grows.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

from playhead.events.model_api import Request
from playhead.events.usage import Usage

KEPT = 64
"""Pairs of agent and model whose last request is remembered."""

NONE = "none: the entry had expired, or the endpoint has no cache"
"""Reported instead of a block when none differs."""

SECONDS = 240.0
"""A request this soon after another should hit the cache; entries live for 300 s."""


class _Seen(NamedTuple):
    run: str
    request: Request
    held: int
    """Tokens that the cache held after it."""
    at: float
    told: str
    """The block last reported in this run; it is not reported twice."""


class Missed(NamedTuple):
    """A cache hit that was expected and did not happen."""

    expected: int
    """Tokens that the previous request had left in the cache."""
    read: int
    block: str
    """The first block that differs from the previous request, or why none does."""


class CacheWatch:
    """Remembers the last request of each agent to each model."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str, str], _Seen] = OrderedDict()

    def answered(
        self, agent: str, run: str, request: Request, usage: Usage, now: float
    ) -> Missed | None:
        """Record an answered request; `now` is in seconds of a monotonic clock."""
        key = (agent, request.model, request.endpoint)
        before = self._seen.pop(key, None)
        block = None if before is None else _missed(before, run, request, usage, now)
        held = usage.cache_read_input_tokens + usage.cache_creation_input_tokens
        told = before.told if before is not None and before.run == run else ""
        self._seen[key] = _Seen(run, request, held, now, block or told)
        while len(self._seen) > KEPT:
            self._seen.popitem(last=False)
        if before is None or block is None or block == told:
            return None
        return Missed(before.held, usage.cache_read_input_tokens, block)


def _missed(before: _Seen, run: str, request: Request, usage: Usage, now: float) -> str | None:
    """The block that differs, or NONE; None if no hit was expected, or it happened."""
    if not before.held or now - before.at > SECONDS:
        return None
    read = usage.cache_read_input_tokens
    same_conversation = before.run == run and before.request.messages is request.messages
    same_head = before.request.head == request.head
    if read >= before.held or (not same_conversation and read):
        return None
    if not same_conversation and same_head:
        return None  # another conversation; the shared prefix may be too short to be cached
    # A conversation only grows: a long run is not read again for each request.
    return NONE if same_conversation and same_head else first_difference(before.request, request)


def first_difference(before: Request, after: Request) -> str:
    """The first block of the earlier request that the later one does not begin with."""
    pairs = zip_longest(_blocks(before), _blocks(after), fillvalue=("", None))
    for (where, old), (place, new) in pairs:
        if old is None or old == new:
            continue
        return where or place
    return NONE


def _blocks(request: Request) -> Iterator[tuple[str, Any]]:
    """(place, content without cache breakpoints) in cache order, stable messages only."""
    head = json.loads(request.head + b"]}")
    for number, tool in enumerate(head.get("tools", ())):
        yield f"tools[{number}] ({tool.get('name')})", _unmarked(tool)
    system = head.get("system", ())
    for number, block in enumerate([{"text": system}] if isinstance(system, str) else system):
        yield f"system[{number}]", _unmarked(block)
    for number, message in enumerate(request.messages[: request.count]):
        for place, block in enumerate(json.loads(message)["content"]):
            yield f"messages[{number}].content[{place}]", block


def _unmarked(block: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "cache_control"}
