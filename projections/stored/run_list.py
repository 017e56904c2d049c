"""The list of runs as a stored view: what runs there are, and what became of each."""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.logs import RunsMoved, StreamsErased
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
    "metadata": str,
}

OPEN = ("running", "paused")


KEYED = "key-"
"""Ids of runs with an idempotency key begin so; the rest is its hash."""


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
    metadata: Mapping[str, str] = {}
    """The labels with which it was started; a fork has its parent's."""

    @property
    def child(self) -> bool:
        """Whether another run started it, as a call of an agent."""
        return self.parent is not None and self.run.startswith(f"{self.parent}.")


class RunList:
    """The view `runs`. Query it with `find_runs`."""

    name = "runs"
    version = 6
    kinds = frozenset({
        "run_started", "run_forked", "run_paused", "run_resumed", "runs_moved", "streams_erased",
        *ENDINGS,
    })  # fmt: skip

    def create(self, db: "Database") -> None:
        """Make the table."""
        table = db.table("runs")
        table.create(COLUMNS, pk="run", strict=True)
        for column in ("status", "session", "position"):
            table.create_index([column])
        db.table("runs_moved_keys").create({"run": str}, pk="run", strict=True)

    def apply(self, connection: sqlite3.Connection, record: Record) -> None:
        """Fold one record."""
        match record.event:
            case RunStarted() as started:
                row = RunRow(
                    record.run, None if record.imported else started.session, started.agent.name,
                    started.goal, "running", record.at, None, None, record.position,
                    None if started.parent is None else started.parent.run, started.metadata,
                )  # fmt: skip
                _insert(connection, row)
            case RunForked() as forked:
                (parent,) = find_runs(connection, run=forked.parent)
                agent = parent.agent if forked.agent is None else forked.agent.name
                row = RunRow(
                    record.run, None, agent, parent.goal, "running", record.at, None, None,
                    record.position, parent.run, parent.metadata,
                )  # fmt: skip
                _insert(connection, row)
            case RunPaused(reason=reason):
                _become(connection, record.run, "paused", reason)
            case RunResumed():
                _become(connection, record.run, "running", None)
            case RunsMoved(side="log", runs=moved):
                gone = [(found.run,) for found in moved]
                connection.executemany("DELETE FROM runs WHERE run = ?", gone)
                keyed = [(found.run,) for found in moved if found.run.startswith(KEYED)]
                connection.executemany("INSERT OR IGNORE INTO runs_moved_keys VALUES (?)", keyed)
            case StreamsErased(streams=erased):
                keyed = [(found.key,) for found in erased if found.key is not None]
                connection.executemany("INSERT OR IGNORE INTO runs_moved_keys VALUES (?)", keyed)
            case event if event.kind in ENDINGS:
                _become(connection, record.run, ENDINGS[event.kind], _reason(event), record.at)
            case _:
                pass


def _insert(connection: sqlite3.Connection, row: RunRow) -> None:
    places = ", ".join("?" * len(row))
    values = row._replace(metadata=json.dumps(dict(row.metadata), ensure_ascii=False))  # type: ignore[arg-type]
    connection.execute(f"INSERT INTO runs VALUES ({places})", list(values))


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
    agent: str | None = None,
    metadata: Mapping[str, str] | None = None,
    since: int | None = None,
    beginning: str | None = None,
    before: int | None = None,
    children: bool = True,
    limit: int | None = None,
    until: int | None = None,
    parent: str | None = None,
    among: Collection[str] | None = None,
) -> list[RunRow]:
    """Runs, newest first.

    Args:
        connection: of the view.
        run: only this one.
        status: only these; "open" for running and paused ones.
        session: only those of this conversation.
        agent: only those of the agent of this name.
        metadata: only those with all of these labels.
        since: started at or after (microseconds since the epoch).
        beginning: of the id.
        before: only those with an earlier position: the next page after a row.
        children: whether to include runs that calls of agents started.
        limit: the maximum number.
        until: started before (microseconds since the epoch).
        parent: only those that were forked from this one, or started by it.
        among: only these, by id.
    """
    wanted: list[tuple[str, Any]] = [
        ("run = ?", run),
        ("status = ?", None if status == "open" else status),
        ("session = ?", session),
        ("agent = ?", agent),
        ("started_at >= ?", since),
        ("instr(run, ?) = 1", beginning),
        ("position < ?", before),
        ("started_at < ?", until),
        ("parent = ?", parent),
        (
            "run IN (SELECT value FROM json_each(?))",
            None if among is None else json.dumps(list(among)),
        ),
    ]
    given = [(clause, value) for clause, value in wanted if value is not None]
    for label in (metadata or {}).items():
        both = "EXISTS (SELECT 1 FROM json_each(metadata) WHERE key = ? AND value = ?)"
        given += [(both, label[0]), ("", label[1])]  # two values for one clause
    clauses = [clause for clause, _ in given if clause]
    clauses += [f"status IN {OPEN}"] if status == "open" else []
    clauses += [] if children else ["(parent IS NULL OR instr(run, parent || '.') != 1)"]
    where = " AND ".join(["true", *clauses])
    rows = connection.execute(
        f"SELECT {', '.join(COLUMNS)} FROM runs WHERE {where} ORDER BY position DESC LIMIT ?",
        [*(value for _, value in given), -1 if limit is None else limit],
    )
    return [_row(row) for row in rows]


def _row(values: Sequence[Any]) -> RunRow:
    return RunRow._make([*values[:-1], json.loads(values[-1])])


def moved_key(connection: sqlite3.Connection, run: str) -> bool:
    """Whether a run with an idempotency key was moved to an archive, or erased."""
    found = connection.execute("SELECT 1 FROM runs_moved_keys WHERE run = ?", [run]).fetchone()
    return found is not None


def any_moved_key(connection: sqlite3.Connection) -> bool:
    """Whether any run with an idempotency key was moved to an archive, or erased."""
    return connection.execute("SELECT 1 FROM runs_moved_keys LIMIT 1").fetchone() is not None


def open_runs(connection: sqlite3.Connection) -> list[RunRow]:
    """The runs that have not ended, oldest first."""
    rows = connection.execute(
        f"SELECT {', '.join(COLUMNS)} FROM runs WHERE status IN {OPEN} ORDER BY position"
    )
    return [_row(row) for row in rows]
