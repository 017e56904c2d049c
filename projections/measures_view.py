"""The measures of all runs as a stored view, which catches up with the log."""

import sqlite3

from sqlite_utils import Database

from playhead.events.kinds import ENDINGS
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
        if isinstance(record.event, RunsMoved):
            gone = [(moved.run,) for moved in record.event.runs if record.event.side == "log"]
            connection.executemany("DELETE FROM measures WHERE run = ?", gone)
            return
        found = connection.execute(
            "SELECT position, data FROM measures WHERE run = ?", [record.run]
        ).fetchone()
        if found is None and record.event.kind != "run_started":
            return  # no run: the runtime's own stream
        position, measure = record.position, Measure(run=record.run)
        if found is not None:
            position, measure = found[0], Measure.model_validate_json(found[1])
        measure.fold(record)
        ended = record.event.kind in ENDINGS
        row = (
            record.run, measure.agent, ended, measure.last_at, position,
            measure.model_dump_json(exclude_defaults=True),
        )  # fmt: skip
        connection.execute("INSERT OR REPLACE INTO measures VALUES (?, ?, ?, ?, ?, ?)", row)


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
