"""The measures of all runs as a stored view, which catches up with the log."""

import sqlite3
from collections.abc import Iterable

from sqlite_utils import Database

from playhead.events.log_events import RunsMoved
from playhead.events.record import Record
from playhead.projections.measure import SEEN, Measure


class MeasuresView:
    """The view `measures`: a row for each run. Query it with `find_measures`."""

    name = "measures"
    version = 1
    kinds = SEEN | {"runs_moved"}

    def create(self, db: Database) -> None:
        """Make the table."""
        table = db.table("measures")
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
        """Fold one record into its run's measure."""
        self.apply_all(connection, [record])

    def apply_all(self, connection: sqlite3.Connection, records: Iterable[Record]) -> None:
        """Fold records, reading and writing each run's measure once."""
        held: dict[str, tuple[int, Measure] | None] = {}
        for record in records:
            if isinstance(record.event, RunsMoved):
                self._forget(connection, held, record.event)
                continue
            if record.run not in held:
                held[record.run] = _stored(connection, record)
            found = held[record.run]
            if found is not None:
                found[1].fold(record)
        rows = [_row(*found) for found in held.values() if found is not None]
        connection.executemany("INSERT OR REPLACE INTO measures VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _forget(
        self,
        connection: sqlite3.Connection,
        held: dict[str, tuple[int, Measure] | None],
        moved: RunsMoved,
    ) -> None:
        if moved.side != "log":
            return
        for run in moved.runs:
            held.pop(run.run, None)
            connection.execute("DELETE FROM measures WHERE run = ?", [run.run])


def _stored(connection: sqlite3.Connection, record: Record) -> tuple[int, Measure] | None:
    """The position of a run's first record, and its measure; None for a stream that is no run."""
    found = connection.execute(
        "SELECT position, data FROM measures WHERE run = ?", [record.run]
    ).fetchone()
    if found is not None:
        return found[0], Measure.model_validate_json(found[1])
    if record.event.kind != "run_started":
        return None
    return record.position, Measure(run=record.run)


def _row(position: int, measure: Measure) -> tuple[str, str, bool, int, int, str]:
    data = measure.model_dump_json(exclude_defaults=True)
    return measure.run, measure.agent, measure.ended, measure.last_at, position, data


def find_measures(
    connection: sqlite3.Connection, *, since: int | None = None, agent: str | None = None
) -> list[Measure]:
    """Open runs, and those that ended at or after `since` (microseconds); oldest start first."""
    rows = connection.execute(
        "SELECT data FROM measures WHERE (ended = 0 OR last_at >= ?) AND agent = coalesce(?, agent)"
        " ORDER BY position",
        [since or 0, agent],
    )
    return [Measure.model_validate_json(data) for (data,) in rows]
