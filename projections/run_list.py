"""The list of runs as a stored view: what runs there are, and what became of each."""

from typing import Any, NamedTuple

from sqlite_utils import Database

from playhead.events.kinds import ENDINGS
from playhead.events.record import Record
from playhead.events.runs import RunCancelled, RunFailed, RunPaused, RunResumed, RunStarted

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


class RunList:
    """The view `runs`. Query it with `find_runs`."""

    name = "runs"
    version = 1
    kinds = frozenset({"run_started", "run_paused", "run_resumed", *ENDINGS})

    def create(self, db: Database) -> None:
        """Make the table."""
        table = db.table("runs")
        table.create(COLUMNS, pk="run", strict=True)
        for column in ("status", "session", "position"):
            table.create_index([column])

    def apply(self, db: Database, record: Record) -> None:
        """Fold one record."""
        match record.event:
            case RunStarted() as started:
                row = RunRow(
                    record.run, started.session, started.agent.name, started.goal, "running",
                    record.at, None, None, record.position,
                )  # fmt: skip
                places = ", ".join("?" * len(row))
                db.execute(f"INSERT INTO runs VALUES ({places})", list(row))
            case RunPaused(reason=reason):
                _become(db, record.run, "paused", reason)
            case RunResumed():
                _become(db, record.run, "running", None)
            case event if event.kind in ENDINGS:
                _become(db, record.run, ENDINGS[event.kind], _reason(event), record.at)
            case _:
                pass


def _reason(event: object) -> str | None:
    match event:
        case RunFailed(reason=reason, message=message):
            return f"{reason}: {message}"
        case RunCancelled(reason=reason):
            return reason or None
        case _:
            return None


def _become(
    db: Database, run: str, status: str, reason: str | None, ended_at: int | None = None
) -> None:
    db.execute(
        "UPDATE runs SET status = ?, reason = ?, ended_at = ? WHERE run = ?",
        [status, reason, ended_at, run],
    )


def find_runs(
    db: Database,
    *,
    status: str | None = None,
    session: str | None = None,
    since: int | None = None,
    beginning: str | None = None,
    limit: int | None = None,
) -> list[RunRow]:
    """Runs, newest first. `since`: started at or after (microseconds); `beginning`: of the id."""
    wanted: list[tuple[str, Any]] = [
        ("status = ?", status),
        ("session = ?", session),
        ("started_at >= ?", since),
        ("instr(run, ?) = 1", beginning),
    ]
    given = [(clause, value) for clause, value in wanted if value is not None]
    rows = db.table("runs").rows_where(
        " AND ".join(clause for clause, _ in given) or None,
        [value for _, value in given],
        order_by="position DESC",
        limit=limit,
    )
    return [RunRow(**row) for row in rows]
