"""Rate limits of one model and the circuit breaker of one endpoint. Pure: time is an argument."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from playhead.events.errors import UsageError

BREAKS = frozenset({
    "overloaded", "server_error", "timeout", "connection", "unreachable", "malformed_reply",
    "truncated",
})  # fmt: skip
"""Errors that count against the endpoint rather than the request."""

UNKNOWN_HOLD = 1.0
"""Seconds for which a lane pauses after a rate limit error that gives no time."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The maximum requests and tokens of one model in any span of `seconds`."""

    requests: int | None = None
    tokens: int | None = None
    """Input and output. Until it ends, a call counts with the most that it may use."""
    seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("requests", "tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                msg = f"RateLimit({name}={value!r}): must be at least 1, or None"
                raise UsageError(msg)
        _check_seconds("RateLimit", self.seconds)


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """After `failures` in a row an endpoint is paused for `seconds`, then one call probes it."""

    failures: int = 5
    seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.failures < 1:
            msg = f"BreakerRule(failures={self.failures!r}): must be at least 1"
            raise UsageError(msg)
        _check_seconds("BreakerRule", self.seconds)


def _check_seconds(what: str, seconds: float) -> None:
    if not 0 < seconds < math.inf:
        msg = f"{what}(seconds={seconds!r}): must be a positive number"
        raise UsageError(msg)


class Counted(Protocol):
    """A call as a window counts it."""

    tokens: int
    ended: float | None


class Window:
    """The calls of one lane that still count.

    A call counts from its start until `seconds` after its end: whenever the server counted it, that
    was then at least `seconds` ago.
    """

    def __init__(self, limit: RateLimit | None) -> None:
        self._limit = limit
        self._under_way: set[Counted] = set()
        self._ended: deque[Counted] = deque()
        self._held_until = 0.0

    def add(self, call: Counted) -> None:
        """A call starts."""
        if self._limit is not None:
            self._under_way.add(call)

    def ended(self, call: Counted) -> None:
        """A call has ended; its `tokens` are what it used."""
        if self._limit is not None:
            self._under_way.discard(call)
            self._ended.append(call)

    def hold(self, now: float, seconds: float | None) -> None:
        """The server refused a call: start none for `seconds`, at most for the limit's span.

        Without a limit of ours, each run waits by itself, following its own `Retry`.
        """
        if self._limit is not None:
            wait = min(UNKNOWN_HOLD if seconds is None else seconds, self._limit.seconds)
            self._held_until = max(self._held_until, now + wait)

    def wait(self, now: float, tokens: int) -> float | None:
        """Seconds until a call with this many tokens may start; None for when another has ended."""
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
            return 0.0  # a call that is larger than the limit runs alone
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
    """The circuit breaker of one endpoint."""

    def __init__(self, rule: BreakerRule) -> None:
        self._rule = rule
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False

    def wait(self, now: float) -> float | None:
        """Seconds until a call may be sent: 0 for now, None while another call probes it."""
        if self._open_until is None:
            return 0.0
        if self._probing:
            return None
        return max(0.0, self._open_until - now)

    def admit(self) -> bool:
        """A call is sent; returns whether it probes a broken endpoint."""
        if self._open_until is None:
            return False
        self._probing = True
        return True

    def ended(self, now: float, error: str | None, *, probe: bool) -> None:
        """A call has ended: with no error, with an error's name, or cancelled."""
        if probe:
            self._probing = False
        if error in BREAKS:
            self._failures += 1
            if self._failures >= self._rule.failures or probe:
                self._open_until = now + self._rule.seconds
        elif error != "cancelled":
            self._failures, self._open_until = 0, None
