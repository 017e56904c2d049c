"""The list of waits as a stored view: which runs wait, for what, since when and until when.

A wait that has ended stays in the table with the seq that ended it, so that a fork that was cut
before can have it again.
"""

import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from playhead.events.codec import decode
from playhead.events.event import Event, Json
from playhead.events.kinds.approvals import ApprovalDecided, ApprovalRequested
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.logs import RunsMoved
from playhead.events.kinds.plans import PlanProposed, PlanRevised, PlanStep
from playhead.events.kinds.tool_calls import ToolRequested
from playhead.events.kinds.waits import AnswerAwaited, OutageWaitStarted
from playhead.events.log.contract import Reader
from playhead.events.log.run_agent import agent_of
from playhead.events.record import Record
from playhead.events.registry import kind_of
from playhead.projections.state.waits import ENDS, About, Wait, fold_waits

if TYPE_CHECKING:
    from sqlite_utils import Database

WAIT = {
    "seq": int, "about": str, "since": int, "until": int, "call": int, "step": str, "binding": str,
    "error": str, "message": str, "tries": int, "counts": int, "bound": str, "run_ends": int,
}  # fmt: skip
"""The columns of a Wait, in the order of its fields."""

SHOWN = {"tool": str, "effect": str, "arguments": str, "plan": str, "questions": str}
"""What a person is asked about; the last three as JSON."""

SEEN: tuple[type[Event], ...] = (
    *ENDS, ApprovalRequested, AnswerAwaited, OutageWaitStarted, RunForked, RunsMoved,
)  # fmt: skip
"""What begins a wait, ends one, or takes it elsewhere."""

PLAN = TypeAdapter(tuple[PlanStep, ...])


class OpenWait(NamedTuple):
    """One wait of a run that is open."""

    run: str
    wait: Wait
    agent: str
    session: str | None
    goal: str
    tool: str
    """Of the call that a person is asked about; empty for a wait about anything else."""
    effect: str
    arguments: dict[str, Json]
    plan: tuple[PlanStep, ...]
    """The steps that a person is asked about."""
    questions: dict[str, Json] | None = None
    """What a tool asks a person, by key."""


class WaitList:
    """The view `waits`. Query it with `find_waits`, beside the view `runs`."""

    name = "waits"
    version = 3
    kinds = frozenset(map(kind_of, SEEN))

    def __init__(self, reader: Reader) -> None:
        """`reader`: the log that is followed; a request for approval points at its call."""
        self._reader = reader

    def create(self, db: "Database") -> None:
        """Make the table."""
        columns = {"run": str, **WAIT, "ended": int, **SHOWN}
        table = db.table("waits")
        table.create(columns, pk=("run", "seq"), strict=True)
        table.create_index(["ended", "run"])

    def apply(self, connection: sqlite3.Connection, record: Record) -> None:
        """Fold one record."""
        match record.event:
            case RunForked(parent=parent, at=at):
                _carry_over(connection, parent, record.run, at)
                self._drop_imported(connection, record.run)
            case RunsMoved(side="log", runs=moved):
                gone = [(found.run,) for found in moved]
                connection.executemany("DELETE FROM waits WHERE run = ?", gone)
            case _:
                self._fold(connection, record)

    def _drop_imported(self, connection: sqlite3.Connection, run: str) -> None:
        """What an imported run waited for elsewhere is asked about anew in a fork of it."""
        for seq in _open_waits(connection, run):
            row = next(self._reader.read(run, seq - 1, seq), None)
            if row is not None and row.kind == "answer_awaited":
                continue  # begun elsewhere, it is not begun again: whoever answers, answers here
            if row is not None and row.imported:
                connection.execute("DELETE FROM waits WHERE run = ? AND seq = ?", [run, seq])

    def _fold(self, connection: sqlite3.Connection, record: Record) -> None:
        open_waits = _open_waits(connection, record.run)
        for ended in fold_waits(open_waits, record):
            place = [record.seq, record.run, ended.seq]
            connection.execute("UPDATE waits SET ended = ? WHERE run = ? AND seq = ?", place)
        begun = open_waits.get(record.seq)
        if begun is not None:
            shown = self._shown(record.run, begun)
            row = [record.run, *(getattr(begun, name) for name in WAIT), None, *shown]
            places = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO waits VALUES ({places})", row)

    def _shown(self, run: str, wait: Wait) -> tuple[str, str, str, str, str]:
        """What the person sees: tool, effect, arguments, plan, questions."""
        tool, effect, arguments, plan, questions = "", "", b"{}", b"[]", b"null"
        answers = set[str]()
        for row in self._reader.read(run, wait.call - 1, wait.seq) if wait.call else ():
            match decode(row, self._reader.body).event if row.kind in ASKED_ABOUT else None:
                case ToolRequested() as asked if row.seq == wait.call:
                    tool, arguments = asked.tool, to_json(asked.arguments)
                    effect = self._effect(run, tool)
                case ApprovalRequested(questions=dict(found)) if row.seq == wait.seq:
                    questions = to_json(found)
                case ApprovalRequested(call=call, binding=binding, about="input") if (
                    call == wait.call
                ):
                    answers.add(binding)
                case ApprovalDecided(call=call, arguments=dict(changed), binding=binding) if (
                    call == wait.call
                    and not row.imported  # elsewhere: it counts for nothing here
                    and binding not in answers
                ):
                    arguments = to_json(changed)
                case PlanProposed(steps=steps) | PlanRevised(steps=steps) if row.seq == wait.call:
                    tool, effect, plan = "plan", "read", PLAN.dump_json(steps)
                case _:
                    pass
        return tool, effect, arguments.decode(), plan.decode(), questions.decode()

    def _effect(self, run: str, tool: str) -> str:
        tools = agent_of(self._reader, run).tools
        return next((spec.effect for spec in tools if spec.name == tool), "once")


ASKED_ABOUT = frozenset({
    "tool_requested", "approval_decided", "plan_proposed", "plan_revised", "approval_requested",
})  # fmt: skip


def _carry_over(connection: sqlite3.Connection, parent: str, fork: str, at: int) -> None:
    """A fork waits for what its parent waited for where it was cut."""
    columns = ", ".join((*WAIT, "ended", *SHOWN)).replace("ended", "NULL")
    connection.execute(
        f"INSERT INTO waits SELECT ?, {columns} FROM waits"
        " WHERE run = ? AND seq <= ? AND (ended IS NULL OR ended > ?)",
        [fork, parent, at, at],
    )


def _open_waits(connection: sqlite3.Connection, run: str) -> dict[int, Wait]:
    rows = connection.execute(
        f"SELECT {', '.join(WAIT)} FROM waits WHERE run = ? AND ended IS NULL ORDER BY seq", [run]
    )
    return {row[0]: _wait(row) for row in rows}


def _wait(row: Any) -> Wait:
    fields: dict[str, Any] = dict(zip(WAIT, row, strict=True))
    fields["counts"] = bool(fields["counts"])
    return Wait(**fields)


def find_waits(
    connection: sqlite3.Connection,
    *,
    run: str | None = None,
    about: About | None = None,
    limit: int | None = None,
) -> list[OpenWait]:
    """The open waits, by the order in which their runs were started."""
    wanted: list[tuple[str, Any]] = [("waits.run = ?", run), ("about = ?", about)]
    given = [(clause, value) for clause, value in wanted if value is not None]
    where = " AND ".join(["ended IS NULL", *(clause for clause, _ in given)])
    names = ", ".join((*WAIT, "waits.run", "agent", "session", "goal", *SHOWN))
    rows = connection.execute(
        f"SELECT {names} FROM waits JOIN runs ON runs.run = waits.run"
        f" WHERE {where} ORDER BY runs.position, seq LIMIT ?",
        [*(value for _, value in given), -1 if limit is None else limit],
    )
    return [_open_wait(row[: len(WAIT)], *row[len(WAIT) :]) for row in rows]


def _open_wait(
    wait: Any, run: str, agent: str, session: str | None, goal: str, tool: str, effect: str,
    arguments: str, plan: str, questions: str,
) -> OpenWait:  # fmt: skip
    return OpenWait(
        run, _wait(wait), agent, session, goal, tool, effect, from_json(arguments),
        () if plan == "[]" else PLAN.validate_json(plan), from_json(questions),
    )  # fmt: skip
