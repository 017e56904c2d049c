"""The measures of all runs as a stored view, which catches up with the log."""

import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.logs import RunsMoved
from playhead.events.kinds.runs import RunStarted
from playhead.events.record import Record
from playhead.projections.metrics.measure import SEEN, Measure

if TYPE_CHECKING:
    from sqlite_utils import Database

Kept: TypeAlias = tuple[int, Measure]
"""The position of a run's first record, and its measure."""

Held: TypeAlias = dict[str, Kept | None]


class MeasuresView:
    """The view `measures`: a row for each run. Query it with `find_measures`."""

    name = "measures"
    version = 3
    kinds = SEEN | {"runs_moved"}

    def create(self, db: "Database") -> None:
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
        held: Held = {}
        for record in records:
            if isinstance(record.event, RunsMoved):
                self._forget(connection, held, record.event)
                continue
            if record.run not in held:
                held[record.run] = _found(connection, held, record)
            found = held[record.run]
            if found is not None:
                found[1].fold(record)
        rows = [_row(*found) for found in held.values() if found is not None]
        connection.executemany("INSERT OR REPLACE INTO measures VALUES (?, ?, ?, ?, ?, ?)", rows)

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
            connection.execute("DELETE FROM measures WHERE run = ?", [run.run])


def _found(connection: sqlite3.Connection, held: Held, record: Record) -> Kept | None:
    """A run's measure as it is kept; a new one for a run that begins; None for another stream."""
    kept = _stored(connection, record.run)
    if kept is not None:
        return kept
    match record.event:
        case RunStarted():
            return record.position, Measure(run=record.run)
        case RunForked(parent=parent):
            base = held.get(parent) or _stored(connection, parent)
            measure = Measure(run=record.run) if base is None else base[1].model_copy(deep=True)
            return record.position, measure
        case _:
            return None


def _stored(connection: sqlite3.Connection, run: str) -> Kept | None:
    """The position of a run's first record, and its measure."""
    row = connection.execute("SELECT position, data FROM measures WHERE run = ?", [run]).fetchone()
    return None if row is None else (row[0], Measure.model_validate_json(row[1]))


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
