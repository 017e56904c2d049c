"""Which runs a person looks for, as the address of a page says."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from urllib.parse import urlencode

from starlette.requests import Request

from playhead.events.spec.prices import PICODOLLARS
from playhead.projections.stored.run_list import RunRow

LISTED = 100
"""Runs on one page of the list."""

SINCE: Mapping[str, tuple[str, int]] = {
    "1h": ("the last hour", 3600), "24h": ("the last 24 hours", 86_400),
    "7d": ("the last 7 days", 604_800), "30d": ("the last 30 days", 2_592_000),
}  # fmt: skip

STATUSES: Mapping[str, str] = {
    "": "all", "waits": "waits for you", "running": "running", "paused": "paused",
    "finished": "finished", "failed": "failed", "cancelled": "cancelled",
}  # fmt: skip
"""The value in an address, and how it reads."""


@dataclass(frozen=True)
class Wanted:
    """What the runs must have; empty for anything."""

    text: str = field(default="", metadata={"name": "q", "label": "text"})
    status: str = field(default="", metadata={"name": "status", "label": "status"})
    agent: str = field(default="", metadata={"name": "agent", "label": "agent"})
    session: str = field(default="", metadata={"name": "session", "label": "session"})
    beginning: str = field(default="", metadata={"name": "run", "label": "id"})
    label: str = field(default="", metadata={"name": "label", "label": "metadata"})
    """KEY=VALUE."""
    since: str = field(default="", metadata={"name": "since", "label": "started in"})
    """An age, as in SINCE, or a day."""
    until: str = field(default="", metadata={"name": "until", "label": "started before"})
    """A day."""
    cost: str = field(default="", metadata={"name": "cost", "label": "cost at least"})
    before: str = field(default="", metadata={"name": "before", "label": ""})
    """A position: the next page."""

    @property
    def any(self) -> bool:
        """Whether anything is asked for."""
        return any(getattr(self, each.name) for each in fields(self) if each.name != "before")

    @property
    def metadata(self) -> dict[str, str]:
        """The label as a pair."""
        key, equals, value = self.label.partition("=")
        return {key: value} if equals and key else {}

    @property
    def times(self) -> tuple[int | None, int | None]:
        """The earliest and the latest start, in microseconds since the epoch."""
        if self.since in SINCE:
            return time.time_ns() // 1000 - SINCE[self.since][1] * 1_000_000, _day(self.until)
        return _day(self.since), _day(self.until)

    @property
    def picodollars(self) -> int | None:
        """The lowest cost."""
        try:
            return int(float(self.cost) * PICODOLLARS) if self.cost else None
        except (ValueError, OverflowError):
            return None

    @property
    def query(self) -> str:
        """As an address has it."""
        return self.without("")

    def without(self, left_out: str, **more: str) -> str:
        """As an address has it, without one of them."""
        pairs = {
            each.metadata["name"]: getattr(self, each.name)
            for each in fields(self)
            if getattr(self, each.name) and each.name not in (left_out, "before")
        }
        return urlencode(pairs | more)

    @property
    def chips(self) -> list[tuple[str, str, str]]:
        """What is asked for: its name, its value, the address without it."""
        named = [(each, getattr(self, each.name)) for each in fields(self)]
        return [
            (each.metadata["label"], _said(each.name, value), self.without(each.name))
            for each, value in named
            if value and each.name not in ("before", "status")
        ]

    def older(self, listed: Sequence[RunRow]) -> str | None:
        """The address of the next page; None if this is the last."""
        if len(listed) < LISTED:
            return None
        return "/?" + self.without("", before=str(listed[-1].position))


def wanted_runs(request: Request) -> Wanted:
    """The filters in an address."""
    given = request.query_params
    return Wanted(**{
        each.name: given.get(each.metadata["name"], "").strip() for each in fields(Wanted)
    })  # fmt: skip


def number(text: str | None, otherwise: int) -> int:
    """A whole number in an address; `otherwise` for anything else."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 18 else otherwise


def _said(name: str, value: str) -> str:
    if name == "since" and value in SINCE:
        return SINCE[value][0]
    return f"${value}" if name == "cost" else value


def _day(text: str) -> int | None:
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1_000_000) if text else None
    except (ValueError, OverflowError):
        return None
