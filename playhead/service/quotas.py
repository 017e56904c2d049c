"""Quotas: what the runs of a tenant, a session or an agent may use together in a period.

They are checked before a call is sent, against the log's own projection: calls that are open count
for all that they may use. So a quota holds over all runs, and after a restart.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from playhead.events.errors import ModelError, UsageError
from playhead.events.log.contract import Reader
from playhead.events.spec.prices import PICODOLLARS
from playhead.projections.cost.pricing import picodollars
from playhead.projections.stored.spending import Spending, find_used, group_of, reserved_of
from playhead.projections.stored.view import Views

Period: TypeAlias = Literal["hour", "day", "month"]

PERIODS: tuple[Period, ...] = ("hour", "day", "month")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The most that the runs of one group may use in a period, by UTC.

    Server tools and extras that bill without bound may pass it by what one call adds.
    Raises UsageError for a quota that limits nothing.
    """

    by: str
    """"session", "agent", or a name in the runs' metadata, such as "tenant". Runs without it are
    one group; a child belongs to its parent's."""
    per: Period = "day"
    max_cost: float | None = None
    """US dollars; a call of a model without a known price is refused."""
    max_tokens: int | None = None
    """Input and output tokens."""
    when_reached: Literal["refuse", "wait"] = "refuse"
    """A call that would pass it fails its step, or its run waits until the period turns. One that
    a whole period would not allow fails."""

    def __post_init__(self) -> None:
        given = [each for each in (self.max_cost, self.max_tokens) if each is not None]
        if not self.by or not given or not all(0 <= each < math.inf for each in given):
            msg = f"{self}: name by=, and give max_cost= or max_tokens=, at least 0"
            raise UsageError(msg)
        if self.per not in PERIODS or self.when_reached not in ("refuse", "wait"):
            msg = f'{self}: per= is hour, day or month; when_reached= is "refuse" or "wait"'
            raise UsageError(msg)


def period_of(per: Period, at: int) -> tuple[int, int]:
    """The period that holds a time: its first microsecond, and that of the next one."""
    begin = datetime.fromtimestamp(at // 1_000_000, UTC).replace(minute=0, second=0)
    if per == "hour":
        end = begin + timedelta(hours=1)
    elif per == "day":
        begin = begin.replace(hour=0)
        end = begin + timedelta(days=1)
    else:
        begin = begin.replace(hour=0, day=1)
        end = (begin + timedelta(days=32)).replace(day=1)
    return round(begin.timestamp()) * 1_000_000, round(end.timestamp()) * 1_000_000


class Quotas:
    """Checks the quotas of one log. Safe from any thread."""

    def __init__(self, reader: Reader, quotas: Sequence[Quota], now: Callable[[], int]) -> None:
        """`now`: microseconds since the epoch."""
        self._quotas = quotas
        self._now = now
        self._lock = threading.Lock()
        self._views = Views.of(reader, [Spending(reader)])
        self._refused: set[tuple[str, int]] = set()
        """Calls whose refusal may not be in the log yet."""

    def check(self, run: str, seq: int) -> None:
        """Raise ModelError if a call that is in the log, and not sent yet, would pass a quota."""
        with self._lock:
            self._views.catch_up()
            try:
                for quota in self._quotas:
                    self._check(quota, run, seq)
            except ModelError:
                self._refused.add((run, seq))
                raise

    def _check(self, quota: Quota, run: str, seq: int) -> None:
        connection, now = self._views.connection, self._now()
        since, until = period_of(quota.per, now)
        group = group_of(connection, quota.by, run)
        position, cost, tokens = reserved_of(connection, run, seq)
        if quota.max_cost is not None and cost is None:
            message = f"a quota limits its cost, and its price is not known: {_named(quota, group)}"
            raise ModelError(error="unknown_price", message=message)
        found = find_used(
            connection, quota.by, since=since, group=group, upto=position,
            without=frozenset(self._refused),
        )  # fmt: skip
        used = found[0] if found else None
        over = _over(quota, used.cost if used else 0, used.tokens if used else 0, cost, tokens)
        if over is None:
            return
        alone = _over(quota, cost or 0, tokens, cost, tokens) is not None
        waits = quota.when_reached == "wait" and not alone
        raise ModelError(
            error="quota_reached", message=f"{_named(quota, group)}: {over}", retryable=waits,
            retry_after=max(0.0, (until - now) / 1_000_000) if waits else None,
        )  # fmt: skip

    def close(self) -> None:
        """Close the projection."""
        with self._lock:
            self._views.close()


def quotas_of(reader: Reader, quotas: Sequence[Quota]) -> Quotas | None:
    """The check of these quotas; None if there are none."""
    return Quotas(reader, quotas, lambda: time.time_ns() // 1000) if quotas else None


def _named(quota: Quota, group: str) -> str:
    return f"the quota of {quota.by} {group or '(none)'} per {quota.per}"


def _over(quota: Quota, cost: int, tokens: int, own: int | None, own_tokens: int) -> str | None:
    """What a quota allows and what is used of it, if the call (counted in it) would pass it."""
    if quota.max_cost is not None and cost > picodollars(quota.max_cost):
        used, more = (cost - (own or 0)) / PICODOLLARS, (own or 0) / PICODOLLARS
        return f"${used:.4f} of ${quota.max_cost:g} are used, and this call may cost ${more:.4f}"
    if quota.max_tokens is not None and tokens > quota.max_tokens:
        used = tokens - own_tokens
        return f"{used} of {quota.max_tokens} tokens are used, and this call may use {own_tokens}"
    return None
