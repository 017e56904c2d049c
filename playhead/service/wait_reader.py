"""The waits of a log's runs, read from the stored list and never from loaded runs."""

import threading

from playhead.events.log.contract import Reader
from playhead.projections.state.calls.approvals import OpenApproval
from playhead.projections.state.waits import APPROVALS, About, Wait
from playhead.projections.stored.run_list import RunList
from playhead.projections.stored.view import Views
from playhead.projections.stored.wait_list import OpenWait, WaitList, find_waits


class WaitReader:
    """The waits of one log, read up to its end at each query; safe from any thread."""

    def __init__(self, reader: Reader) -> None:
        self._lock = threading.Lock()
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

    def close(self) -> None:
        """Close the list."""
        with self._lock:
            self._views.close()


def approval_of(asked: OpenWait) -> OpenApproval:
    """A wait for a person, as that person needs to see it."""
    wait = asked.wait
    return OpenApproval(
        asked.run, wait.call or 0, asked.tool, asked.arguments, asked.effect, wait.binding or "",
        asked.goal, wait.until, "plan" if wait.about == "plan" else "call", asked.plan, wait.error,
    )  # fmt: skip
