"""Data for the pages, kept up to date from a log: the list of runs, and recent runs in memory."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from playhead.events.errors import UnknownRun
from playhead.events.log.contract import Reader, Stream
from playhead.events.log.owner_lock import status_now
from playhead.inspector.run_data import Reading
from playhead.projections.metrics.alert_rules import ALERT_RULES, AlertRule
from playhead.projections.metrics.indicators import Indicator, by_agent, indicators
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.projections.metrics.view import RunMetricsView, find_run_metrics
from playhead.projections.stored.run_list import RunList, RunRow, find_runs
from playhead.projections.stored.view import Views
from playhead.projections.stored.wait_list import OpenWait, WaitList, find_waits

if TYPE_CHECKING:
    from pathlib import Path

KEPT = 8
"""Runs in memory."""


class Listed(NamedTuple):
    """A run in the list, with what it cost and how it went."""

    row: RunRow
    metrics: RunMetrics
    waits: tuple[OpenWait, ...] = ()


class Library:
    """One log; safe from any thread."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._lock = threading.Lock()
        self._readings: OrderedDict[str, Reading] = OrderedDict()
        self._path: Path | None = getattr(reader, "path", None)
        self.name = "memory" if self._path is None else self._path.name
        self._views = Views.of(reader, [RunList(), RunMetricsView(), WaitList(reader)])

    def runs(self, limit: int | None = None, **wanted: Any) -> list[Listed]:
        """The runs, newest first; filters as for `find_runs`."""
        with self._lock:
            self._views.catch_up()
            connection = self._views.connection
            rows = find_runs(connection, limit=limit, **wanted)
            metrics = {m.run: m for m in find_run_metrics(connection)}
            waits = _by_run(find_waits(connection))
        if any(row.status == "running" for row in rows):
            now = self.status_now("running")
            rows = [row._replace(status=now) if row.status == "running" else row for row in rows]
        return [
            Listed(row, metrics.get(row.run) or RunMetrics(run=row.run), waits.get(row.run, ()))
            for row in rows
        ]

    def status_now(self, status: str) -> str:
        """A run's status: `open` for one that is not ended while no process has the log."""
        return status if self._path is None else status_now(status, self._path)

    def waits(self, run: str | None = None) -> list[OpenWait]:
        """What open runs wait for, oldest run first."""
        with self._lock:
            self._views.catch_up()
            return find_waits(self._views.connection, run=run)

    def metrics(self) -> list[RunMetrics]:
        """The metrics of all runs, oldest first."""
        with self._lock:
            self._views.catch_up()
            return find_run_metrics(self._views.connection)

    def position(self) -> int:
        """How far the log has come."""
        with self._lock:
            return self._views.catch_up()

    def reading(self, run: str) -> Reading:
        """A run, up to its last record. Raises UnknownRun."""
        with self._lock:
            reading = self._readings.get(run)
            if reading is None:
                stream = self.reader.stream(run)
                if stream is None or stream.kind != "run":
                    raise UnknownRun.named(run)
                reading = self._readings[run] = Reading(self.reader, run)
                while len(self._readings) > KEPT:
                    self._readings.popitem(last=False)
            self._readings.move_to_end(run)
        reading.catch_up()
        return reading

    def family(self, run: str) -> tuple[Stream | None, list[Stream]]:
        """Where a run was forked from or started by, and what was forked from or started by it."""
        streams = list(self.reader.streams())
        own = next((s for s in streams if s.id == run), None)
        parent = own.parent if own is not None else None
        above = next((s for s in streams if parent is not None and s.id == parent), None)
        return above, [s for s in streams if s.parent == run]

    def close(self) -> None:
        """Close the views; the log is its owner's."""
        self._views.close()


def _by_run(waits: Iterable[OpenWait]) -> dict[str, tuple[OpenWait, ...]]:
    found: dict[str, tuple[OpenWait, ...]] = {}
    for each in waits:
        found[each.run] = (*found.get(each.run, ()), each)
    return found


def alerts(
    runs: Sequence[RunMetrics], rules: Sequence[AlertRule] = ALERT_RULES
) -> list[tuple[str, Indicator]]:
    """The indicators of each agent that are an alert now."""
    found = (
        (name, f) for name, own in by_agent(runs).items() for f in indicators(own, (), rules, name)
    )
    return [(name, indicator) for name, indicator in found if indicator.firing]
