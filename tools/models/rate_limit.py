"""What bounds calls of one model, or of one endpoint: pure state, the time is an argument."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from playhead.events.errors import UsageError

BREAKS = frozenset({
    "overloaded", "server_error", "timeout", "connection", "unreachable", "malformed_reply",
    "truncated",
})  # fmt: skip
"""Errors that speak against the endpoint, not against the request."""

UNKNOWN_HOLD = 1.0
"""Seconds for which a lane rests after a rate limit that names no time."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most so many requests and tokens of one model in any span of so many seconds."""

    requests: int | None = None
    tokens: int | None = None
    """Input and output. A call counts for all that it may use, until it has ended."""
    seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("requests", "tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                msg = f"RateLimit({name}={value!r}): it must be 1 or more, or None"
                raise UsageError(msg)
        _check_seconds("RateLimit", self.seconds)


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """After so many failures in a row an endpoint rests so many seconds, then one call tries it."""

    failures: int = 5
    seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.failures < 1:
            msg = f"BreakerRule(failures={self.failures!r}): it must be 1 or more"
            raise UsageError(msg)
        _check_seconds("BreakerRule", self.seconds)


def _check_seconds(what: str, seconds: float) -> None:
    if not 0 < seconds < math.inf:
        msg = f"{what}(seconds={seconds!r}): it must be a number above 0"
        raise UsageError(msg)


class Counted(Protocol):
    """A call, as a window counts it."""

    tokens: int
    ended: float | None


class Window:
    """The calls of one lane that still count.

    A call counts from its start until `seconds` after its end: however long it was on its way, the
    server has then seen it so long ago.
    """

    def __init__(self, limit: RateLimit | None) -> None:
        self._limit = limit
        self._under_way: set[Counted] = set()
        self._ended: deque[Counted] = deque()
        self._held_until = 0.0

    def add(self, call: Counted) -> None:
        """A call begins."""
        if self._limit is not None:
            self._under_way.add(call)

    def ended(self, call: Counted) -> None:
        """A call has ended; its tokens are what it has used."""
        if self._limit is not None:
            self._under_way.discard(call)
            self._ended.append(call)

    def hold(self, now: float, seconds: float | None) -> None:
        """The server says that it is too much: nothing goes for so long, but no longer than a span.

        Without a limit of ours, each run waits for itself, as its own `Retry` says.
        """
        if self._limit is not None:
            wait = min(UNKNOWN_HOLD if seconds is None else seconds, self._limit.seconds)
            self._held_until = max(self._held_until, now + wait)

    def wait(self, now: float, tokens: int) -> float | None:
        """Seconds until a call of so many tokens may begin; None until another has ended."""
        if self._limit is None:
            return 0.0
        held = max(0.0, self._held_until - now)
        self._forget(now)
        full = self._until_room(now, tokens, self._limit)
        return None if full is None else max(held, full)

    def _until_room(self, now: float, tokens: int, limit: RateLimit) -> float | None:
        count = len(self._under_way) + len(self._ended)
        used = sum(call.tokens for call in (*self._under_way, *self._ended))
        if count == 0 or _fits(count, used + tokens, limit):
            return 0.0  # a call that is larger than the limit goes alone
        for call in self._ended:
            count, used = count - 1, used - call.tokens
            if count == 0 or _fits(count, used + tokens, limit):
                return max(0.0, (call.ended or 0.0) + limit.seconds - now)
        return None

    def _forget(self, now: float) -> None:
        assert self._limit is not None
        while self._ended and (self._ended[0].ended or 0.0) + self._limit.seconds <= now:
            self._ended.popleft()


def _fits(others: int, tokens: int, limit: RateLimit) -> bool:
    requests = limit.requests is None or others < limit.requests
    return requests and (limit.tokens is None or tokens <= limit.tokens)


class Breaker:
    """Whether one endpoint answers at all."""

    def __init__(self, rule: BreakerRule) -> None:
        self._rule = rule
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False

    def wait(self, now: float) -> float | None:
        """Seconds until a call may try it: 0 for now, None while another one is trying."""
        if self._open_until is None:
            return 0.0
        if self._probing:
            return None
        return max(0.0, self._open_until - now)

    def admit(self) -> bool:
        """A call goes; whether it is the one that tries a broken endpoint."""
        if self._open_until is None:
            return False
        self._probing = True
        return True

    def ended(self, now: float, error: str | None, *, probe: bool) -> None:
        """A call has ended: with nothing, with an error's word, or cancelled."""
        if probe:
            self._probing = False
        if error in BREAKS:
            self._failures += 1
            if self._failures >= self._rule.failures or probe:
                self._open_until = now + self._rule.seconds
        elif error != "cancelled":
            self._failures, self._open_until = 0, None
