"""The metrics of all runs as a stored view, which catches up with the log."""

import json
import sqlite3
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, TypeAlias

from playhead.events.kinds.evaluations import RunJudged
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.logs import RunsMoved
from playhead.events.kinds.runs import RunStarted
from playhead.events.record import Record
from playhead.projections.metrics.run_metrics import SEEN, RunMetrics

if TYPE_CHECKING:
    from sqlite_utils import Database

Kept: TypeAlias = tuple[int, RunMetrics]
"""The position of a run's first record, and its metrics."""

Held: TypeAlias = dict[str, Kept | None]


class RunMetricsView:
    """The view `run_metrics`: a row for each run. Query it with `find_run_metrics`."""

    name = "run_metrics"
    version = 4
    kinds = SEEN | {"runs_moved", "run_judged"}

    def create(self, db: "Database") -> None:
        """Make the table."""
        table = db.table("run_metrics")
        columns = {
            "run": str,
            "agent": str,
            "ended": int,
            "last_at": int,
            "position": int,
            "data": str,
        }
        table.create(columns, pk="run", strict=True)
        table.create_index(["ended", "last_at"])

    def apply(self, connection: sqlite3.Connection, record: Record) -> None:
        """Fold one record into its run's metrics."""
        self.apply_all(connection, [record])

    def apply_all(self, connection: sqlite3.Connection, records: Iterable[Record]) -> None:
        """Fold records, reading and writing each run's metrics once."""
        held: Held = {}
        for record in records:
            if isinstance(record.event, RunsMoved):
                self._forget(connection, held, record.event)
                continue
            event = record.event
            run = event.run if isinstance(event, RunJudged) else record.run
            if run not in held:
                held[run] = _found(connection, held, record, run)
            found = held[run]
            if found is None:
                continue
            if isinstance(event, RunJudged):
                found[1].judged = event.passed and found[1].judged is not False
            else:
                found[1].fold(record)
        rows = [_row(*found) for found in held.values() if found is not None]
        connection.executemany("INSERT OR REPLACE INTO run_metrics VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _forget(
        self,
        connection: sqlite3.Connection,
        held: Held,
        moved: RunsMoved,
    ) -> None:
        if moved.side != "log":
            return
        for run in moved.runs:
            held.pop(run.run, None)
            connection.execute("DELETE FROM run_metrics WHERE run = ?", [run.run])


def _found(connection: sqlite3.Connection, held: Held, record: Record, run: str) -> Kept | None:
    """A run's metrics as it is kept; a new one for a run that begins; None for another stream."""
    kept = _stored(connection, run)
    if kept is not None:
        return kept
    match record.event:
        case RunStarted():
            return record.position, RunMetrics(run=record.run, own=True)
        case RunForked(parent=parent):
            base = held.get(parent) or _stored(connection, parent)
            metrics = RunMetrics(own=True) if base is None else base[1].model_copy(deep=True)
            metrics.run, metrics.seq = record.run, 0
            return record.position, metrics
        case _:
            return None


def _stored(connection: sqlite3.Connection, run: str) -> Kept | None:
    """The position of a run's first record, and its metrics."""
    row = connection.execute(
        "SELECT position, data FROM run_metrics WHERE run = ?", [run]
    ).fetchone()
    return None if row is None else (row[0], RunMetrics.model_validate_json(row[1]))


def _row(position: int, metrics: RunMetrics) -> tuple[str, str, bool, int, int, str]:
    data = metrics.model_dump_json(exclude_defaults=True)
    return metrics.run, metrics.agent, metrics.ended, metrics.last_at, position, data


def find_run_metrics(
    connection: sqlite3.Connection,
    *,
    since: int | None = None,
    agent: str | None = None,
    among: Collection[str] | None = None,
) -> list[RunMetrics]:
    """Open runs, and those that ended at or after `since` (microseconds); oldest start first.

    `among`: only these, by id.
    """
    rows = connection.execute(
        "SELECT data FROM run_metrics WHERE (ended = 0 OR last_at >= ?)"
        " AND agent = coalesce(?, agent)"
        " AND (? IS NULL OR run IN (SELECT value FROM json_each(?))) ORDER BY position",
        [since or 0, agent, *[None if among is None else json.dumps(list(among))] * 2],
    )
    return [RunMetrics.model_validate_json(data) for (data,) in rows]
