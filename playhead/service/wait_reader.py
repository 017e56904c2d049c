"""The runs of a log and their waits, read from stored lists and never from loaded runs."""

import threading
from collections.abc import Mapping
from typing import Literal, TypedDict, Unpack

from playhead.events.log.contract import Reader
from playhead.projections.state.calls.approvals import OpenApproval
from playhead.projections.state.waits import APPROVALS, About, Wait
from playhead.projections.stored.run_list import (
    RunList,
    RunRow,
    any_moved_key,
    find_runs,
    moved_key,
)
from playhead.projections.stored.view import Views
from playhead.projections.stored.wait_list import OpenWait, WaitList, find_waits


class Wanted(TypedDict, total=False):
    """The filters of `runtime.find_runs`."""

    session: str | None
    """Only those of this conversation."""
    agent: str | None
    """Only those of the agent of this name."""
    status: Literal["open", "running", "paused", "finished", "failed", "cancelled"] | None
    """Only these; "open": running or paused."""
    metadata: Mapping[str, str] | None
    """Only those with all of these labels."""
    since: int | None
    """Started at or after: in microseconds since the epoch."""
    before: int | None
    """The next page: the `position` of the last row of this one."""
    children: bool
    """Whether to include runs that calls of agents started."""
    limit: int | None
    """The maximum number."""


class WaitReader:
    """The waits of one log, read up to its end at each query; safe from any thread."""

    def __init__(self, reader: Reader) -> None:
        self._lock = threading.Lock()
        self._reader = reader
        self._any_moved: bool | None = None
        self._views = Views.of(reader, [RunList(), WaitList(reader)])

    def waits(
        self, run: str | None = None, about: About | None = None, limit: int | None = None
    ) -> list[OpenWait]:
        """The open waits of one run or all, about one subject or any, by age of their runs."""
        with self._lock:
            self._views.catch_up()
            return find_waits(self._views.connection, run=run, about=about, limit=limit)

    def as_last_read(self, run: str) -> list[Wait]:
        """The waits of a run without reading newer records; for queries over very many runs."""
        with self._lock:
            return [each.wait for each in find_waits(self._views.connection, run=run)]

    def approvals(self, run: str | None = None) -> list[OpenApproval]:
        """The open approvals."""
        return [approval_of(each) for each in self.waits(run) if each.wait.about in APPROVALS]

    def runs(self, **wanted: Unpack[Wanted]) -> list[RunRow]:
        """The runs that were asked for, newest first."""
        with self._lock:
            self._views.catch_up()
            return find_runs(self._views.connection, **wanted)

    def was_moved(self, run: str) -> bool:
        """Whether a run with an idempotency key was archived or erased: nothing is while owned."""
        with self._lock:
            if self._any_moved is None:
                self._views.catch_up()
                self._any_moved = any_moved_key(self._views.connection)
            return self._any_moved and moved_key(self._views.connection, run)

    def close(self) -> None:
        """Close the list."""
        with self._lock:
            self._views.close()


def approval_of(asked: OpenWait) -> OpenApproval:
    """A wait for a person, as that person needs to see it."""
    wait = asked.wait
    about = wait.about if wait.about in ("plan", "input") else "call"
    return OpenApproval(
        asked.run, wait.call or 0, asked.tool, asked.arguments, asked.effect, wait.binding or "",
        asked.goal, wait.until, about, asked.plan, wait.error, asked.questions,
    )  # fmt: skip
