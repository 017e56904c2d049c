"""The list of runs as a stored view: what runs there are, and what became of each."""

import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.logs import RunsMoved
from playhead.events.kinds.runs import RunCancelled, RunFailed, RunPaused, RunResumed, RunStarted
from playhead.events.record import Record
from playhead.events.registry import ENDINGS

if TYPE_CHECKING:
    from sqlite_utils import Database

COLUMNS = {
    "run": str,
    "session": str,
    "agent": str,
    "goal": str,
    "status": str,
    "started_at": int,
    "ended_at": int,
    "reason": str,
    "position": int,
    "parent": str,
}


class RunRow(NamedTuple):
    """One run in the list."""

    run: str
    session: str | None
    agent: str
    goal: str
    status: str
    """running, paused, finished, failed or cancelled."""
    started_at: int
    """Microseconds since the Unix epoch."""
    ended_at: int | None
    reason: str | None
    """Why it is paused, failed or was cancelled."""
    position: int
    """Of its first record: the order of starting."""
    parent: str | None = None
    """The run that it was forked from, or that it is a child of."""

    @property
    def child(self) -> bool:
        """Whether another run started it, as a call of an agent."""
        return self.parent is not None and self.run.startswith(f"{self.parent}.")


class RunList:
    """The view `runs`. Query it with `find_runs`."""

    name = "runs"
    version = 5
    kinds = frozenset({
        "run_started", "run_forked", "run_paused", "run_resumed", "runs_moved", *ENDINGS,
    })  # fmt: skip

    def create(self, db: "Database") -> None:
        """Make the table."""
        table = db.table("runs")
        table.create(COLUMNS, pk="run", strict=True)
        for column in ("status", "session", "position"):
            table.create_index([column])

    def apply(self, connection: sqlite3.Connection, record: Record) -> None:
        """Fold one record."""
        match record.event:
            case RunStarted() as started:
                row = RunRow(
                    record.run, None if record.imported else started.session, started.agent.name,
                    started.goal, "running", record.at, None, None, record.position,
                    None if started.parent is None else started.parent.run,
                )  # fmt: skip
                _insert(connection, row)
            case RunForked() as forked:
                (parent,) = find_runs(connection, run=forked.parent)
                agent = parent.agent if forked.agent is None else forked.agent.name
                row = RunRow(
                    record.run, None, agent, parent.goal, "running", record.at, None, None,
                    record.position, parent.run,
                )  # fmt: skip
                _insert(connection, row)
            case RunPaused(reason=reason):
                _become(connection, record.run, "paused", reason)
            case RunResumed():
                _become(connection, record.run, "running", None)
            case RunsMoved(side="log", runs=moved):
                gone = [(found.run,) for found in moved]
                connection.executemany("DELETE FROM runs WHERE run = ?", gone)
            case event if event.kind in ENDINGS:
                _become(connection, record.run, ENDINGS[event.kind], _reason(event), record.at)
            case _:
                pass


def _insert(connection: sqlite3.Connection, row: RunRow) -> None:
    places = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO runs VALUES ({places})", list(row))


def _reason(event: object) -> str | None:
    match event:
        case RunFailed(reason=reason, message=message):
            return f"{reason}: {message}"
        case RunCancelled(reason=reason):
            return reason or None
        case _:
            return None


def _become(
    connection: sqlite3.Connection,
    run: str,
    status: str,
    reason: str | None,
    ended_at: int | None = None,
) -> None:
    connection.execute(
        "UPDATE runs SET status = ?, reason = ?, ended_at = ? WHERE run = ?",
        [status, reason, ended_at, run],
    )


def find_runs(
    connection: sqlite3.Connection,
    *,
    run: str | None = None,
    status: str | None = None,
    session: str | None = None,
    since: int | None = None,
    beginning: str | None = None,
    limit: int | None = None,
) -> list[RunRow]:
    """Runs, newest first. `since`: started at or after (microseconds); `beginning`: of the id."""
    wanted: list[tuple[str, Any]] = [
        ("run = ?", run),
        ("status = ?", status),
        ("session = ?", session),
        ("started_at >= ?", since),
        ("instr(run, ?) = 1", beginning),
    ]
    given = [(clause, value) for clause, value in wanted if value is not None]
    where = " AND ".join(["true", *(clause for clause, _ in given)])
    rows = connection.execute(
        f"SELECT {', '.join(COLUMNS)} FROM runs WHERE {where} ORDER BY position DESC LIMIT ?",
        [*(value for _, value in given), -1 if limit is None else limit],
    )
    return [RunRow(*row) for row in rows]


def open_runs(connection: sqlite3.Connection) -> list[RunRow]:
    """The runs that have not ended, oldest first."""
    rows = connection.execute(
        f"SELECT {', '.join(COLUMNS)} FROM runs WHERE status IN ('running', 'paused')"
        " ORDER BY position"
    )
    return [RunRow(*row) for row in rows]
