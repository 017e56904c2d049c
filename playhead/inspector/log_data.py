"""Data for the pages, kept up to date from a log: the list of runs, and recent runs in memory."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from playhead.events.codec import decode
from playhead.events.errors import UnknownRun
from playhead.events.kinds.runs import RunFinished
from playhead.events.log.contract import Reader
from playhead.events.log.owner_lock import status_now
from playhead.inspector.run_data import Reading
from playhead.projections.memory.facts import Fact, Facts, find_facts
from playhead.projections.metrics.alert_rules import ALERT_RULES, AlertRule
from playhead.projections.metrics.indicators import Indicator, by_agent, indicators
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.projections.metrics.view import RunMetricsView, find_run_metrics
from playhead.projections.state.waits import APPROVALS, shown_status
from playhead.projections.stored.run_list import RunList, RunRow, find_runs
from playhead.projections.stored.run_text import RunText, find_text
from playhead.projections.stored.view import Views
from playhead.projections.stored.wait_list import OpenWait, WaitList, find_waits

if TYPE_CHECKING:
    from pathlib import Path

    from playhead.inspector.wanted import Wanted

KEPT = 8
"""Runs in memory."""

BELOW = 50
"""Forks and children that a page names."""

TURNS = 200
"""Runs of a session on its page."""

FOUND_BY: Mapping[str, str] = {"waits": "open"}
"""What a status of a page is for the list of runs."""


class Listed(NamedTuple):
    """A run in the list, with what it cost and how it went."""

    row: RunRow
    metrics: RunMetrics
    waits: tuple[OpenWait, ...] = ()
    status: str = ""
    """As it is shown."""


class Library:
    """One log; safe from any thread."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._lock = threading.Lock()
        self._readings: OrderedDict[str, Reading] = OrderedDict()
        self._path: Path | None = getattr(reader, "path", None)
        self.name = "memory" if self._path is None else self._path.name
        self._views = Views.of(
            reader, [RunList(), RunMetricsView(), WaitList(reader), RunText(), Facts()]
        )

    def runs(self, wanted: "Wanted", limit: int) -> list[Listed]:
        """The runs that are looked for, newest first."""
        since, until = wanted.times
        with self._lock:
            self._views.catch_up()
            connection = self._views.connection
            rows = find_runs(
                connection, limit=limit, status=FOUND_BY.get(wanted.status, wanted.status or None),
                agent=wanted.agent or None, session=wanted.session or None, since=since,
                until=until, beginning=wanted.beginning or None, metadata=wanted.metadata,
                before=int(wanted.before) if wanted.before.isdecimal() else None,
                among=self._among(wanted),
            )  # fmt: skip
            return self._listed(rows)

    def _among(self, wanted: "Wanted") -> set[str] | None:
        """The runs to which the filters leave a choice that the list of runs does not know."""
        connection = self._views.connection
        found: list[set[str]] = []
        if wanted.text:
            found.append(set(find_text(connection, wanted.text)))
        if wanted.status == "waits":
            found.append({w.run for w in find_waits(connection) if w.wait.about in APPROVALS})
        if (least := wanted.picodollars) is not None:
            metrics = find_run_metrics(connection)
            found.append({m.run for m in metrics if (m.known_cost or 0) >= least})
        if not found:
            return None
        first, *others = found
        return first.intersection(*others)

    def _listed(self, rows: Sequence[RunRow]) -> list[Listed]:
        connection = self._views.connection
        named = [row.run for row in rows]
        metrics = {m.run: m for m in find_run_metrics(connection, among=named)}
        waits = _by_run(find_waits(connection))
        now = self.status_now("running") if any(r.status == "running" for r in rows) else ""
        return [
            Listed(
                row, metrics.get(row.run) or RunMetrics(run=row.run), waits.get(row.run, ()),
                shown_status(
                    now if row.status == "running" else row.status,
                    [each.wait.about for each in waits.get(row.run, ())],
                ),
            )
            for row in rows
        ]  # fmt: skip

    def newest(self, limit: int) -> list[RunRow]:
        """The newest runs."""
        with self._lock:
            self._views.catch_up()
            return find_runs(self._views.connection, limit=limit)

    def agents(self) -> list[str]:
        """The names of all agents."""
        with self._lock:
            found = self._views.connection.execute("SELECT DISTINCT agent FROM runs ORDER BY agent")
            return [str(name) for (name,) in found]

    def session(self, session: str) -> list[tuple[Listed, str]]:
        """The runs of a session, oldest first, each with its answer."""
        with self._lock:
            self._views.catch_up()
            rows = find_runs(self._views.connection, session=session, limit=TURNS)
            listed = self._listed(rows[::-1])
        return [(each, self._answer(each.row.run)) for each in listed]

    def _answer(self, run: str) -> str:
        last = self.reader.head(run).seq
        for row in self.reader.read(run, last - 1, last):
            event = decode(row, self.reader.body).event
            return event.answer if isinstance(event, RunFinished) else ""
        return ""

    def waiting(self) -> int:
        """How many approvals wait for a person."""
        with self._lock:
            self._views.catch_up()
            waits = find_waits(self._views.connection)
            return sum(each.wait.about in APPROVALS for each in waits)

    def facts(self, namespace: str) -> list[Fact]:
        """What the runs of a namespace have learned."""
        with self._lock:
            self._views.catch_up()
            return find_facts(self._views.connection, namespace=namespace)

    def fact_namespaces(self) -> dict[str, int]:
        """The namespaces for which something is known, and how many facts."""
        with self._lock:
            self._views.catch_up()
            query = (
                "SELECT namespace, count(*) FROM facts WHERE retracted IS NULL"
                " AND namespace IS NOT NULL AND namespace != '' GROUP BY namespace ORDER BY 1"
            )
            return dict(self._views.connection.execute(query).fetchall())

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

    def parent(self, run: str) -> str | None:
        """The run that it was forked from or started by."""
        own = self.reader.stream(run)
        return None if own is None else own.parent

    def below(self, run: str) -> list[RunRow]:
        """The runs that were forked from it or started by it, the newest first."""
        with self._lock:
            return find_runs(self._views.connection, parent=run, limit=BELOW)

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
