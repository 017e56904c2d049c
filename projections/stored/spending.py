"""What model calls have used, by run and time, as a stored view: the sums that quotas look at.

A call that has not ended counts for all that was reserved for it, as in a run's own limits.
"""

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from pydantic_core import to_json

from playhead.events.codec import decode
from playhead.events.event import Event
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.model_calls import (
    MODEL_CALLS,
    ModelAnswered,
    ModelCall,
    ModelFailed,
    in_batch,
)
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Reader
from playhead.events.log.run_agent import agent_of
from playhead.events.record import Record
from playhead.events.registry import kind_of
from playhead.events.spec.agent import AgentSpec
from playhead.projections.cost.pricing import charge
from playhead.projections.cost.targets import longest

if TYPE_CHECKING:
    from sqlite_utils import Database

SEEN: tuple[type[Event], ...] = (RunStarted, RunForked, *MODEL_CALLS, ModelAnswered, ModelFailed)

OWN_KEYS = ("session", "agent")
"""What a quota can group by beside a name in the runs' metadata."""


class Used(NamedTuple):
    """What one group has used, open calls included."""

    group: str
    calls: int
    tokens: int
    cost: int
    """Picodollars, of the calls whose price is known."""
    unpriced: int
    """Calls whose price is not known."""


class Spending:
    """The view `spending`. Query it with `find_used`."""

    name = "spending"
    version = 3
    kinds = frozenset(map(kind_of, SEEN))

    def __init__(self, reader: Reader) -> None:
        """`reader`: the log that is followed; an outcome points at its call, a call at its run."""
        self._reader = reader
        self._agent: tuple[str, AgentSpec] | None = None

    def create(self, db: "Database") -> None:
        """Make the tables."""
        runs = {"run": str, "session": str, "agent": str, "metadata": str}
        db.table("spending_runs").create(runs, pk="run", strict=True)
        calls = {
            "run": str,
            "seq": int,
            "position": int,
            "at": int,
            "tokens": int,
            "cost": int,
            "step": str,
            "batch": int,
        }
        table = db.table("spending")
        table.create(calls, pk=("run", "seq"), strict=True)
        table.create_index(["at"])

    def apply(self, connection: sqlite3.Connection, record: Record) -> None:
        """Fold one record. What an imported run used was used elsewhere."""
        match record.event:
            case RunStarted() as started:
                _add_run(connection, record.run, started)
            case RunForked() as forked:
                self._add_fork(connection, record, forked)
            case _ if record.imported:
                pass
            case ModelCall() as asked:
                _asked(connection, record, asked)
            case ModelAnswered() | ModelFailed() as ended:
                self._ended(connection, record, ended)
            case _:
                pass

    def _add_fork(self, connection: sqlite3.Connection, record: Record, forked: RunForked) -> None:
        """A fork belongs to its parent's session, and has its labels."""
        query = "SELECT session, agent, metadata FROM spending_runs WHERE run = ?"
        unknown = None, self._agent_of(record.run, record.seq).name, "{}"  # the parent was moved
        session, agent, metadata = next(connection.execute(query, [forked.parent]), unknown)
        agent = agent if forked.agent is None else forked.agent.name
        row = [record.run, session, agent, metadata]
        connection.execute("INSERT OR REPLACE INTO spending_runs VALUES (?, ?, ?, ?)", row)

    def _ended(
        self, connection: sqlite3.Connection, record: Record, ended: ModelAnswered | ModelFailed
    ) -> None:
        place, seq = [record.run, record.cause], record.cause or 0
        if record.actor == "runtime":  # answered from the records of a fork's parent
            connection.execute("DELETE FROM spending WHERE run = ? AND seq = ?", place)
            return
        row = next(self._reader.read(record.run, seq - 1, seq), None)
        asked = None if row is None else decode(row, self._reader.body).event
        if not isinstance(asked, ModelCall):
            return
        if isinstance(ended, ModelFailed) and in_batch(asked, ended):
            connection.execute("UPDATE spending SET batch = 1 WHERE run = ? AND seq = ?", place)
            return
        agent = self._agent_of(record.run, record.seq)
        end = charge(
            ended, agent.prices.get, asked.model, asked.reserved_cost, longest(agent, asked)
        )
        tokens = asked.reserved_tokens if end.usage is None else end.usage.total
        connection.execute(
            "UPDATE spending SET tokens = ?, cost = ? WHERE run = ? AND seq = ?",
            [tokens, end.cost, *place],
        )

    def _agent_of(self, run: str, at: int) -> AgentSpec:
        """Its definition; calls of one run often come together."""
        if self._agent is None or self._agent[0] != run:
            self._agent = run, agent_of(self._reader, run, at)
        return self._agent[1]


def _asked(connection: sqlite3.Connection, record: Record, asked: ModelCall) -> None:
    """A call that asks about a batch takes over the reservation of its submission."""
    if asked.batch is not None:
        query = "UPDATE spending SET seq = ?, batch = 0 WHERE run = ? AND step = ? AND batch = 1"
        if connection.execute(query, [record.seq, record.run, asked.step]).rowcount:
            return
    row = [record.run, record.seq, record.position, record.at, asked.reserved_tokens]
    connection.execute(
        "INSERT INTO spending VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
        [*row, asked.reserved_cost, asked.step],
    )


def _add_run(connection: sqlite3.Connection, run: str, started: RunStarted) -> None:
    """A child belongs to the session of its parent, and has its metadata."""
    session, metadata = started.session, to_json(started.metadata).decode()
    if started.parent is not None:
        query = "SELECT session, metadata FROM spending_runs WHERE run = ?"
        for above in connection.execute(query, [started.parent.run]):
            session, metadata = above
    row = [run, session, started.agent.name, metadata]
    connection.execute("INSERT INTO spending_runs VALUES (?, ?, ?, ?)", row)


def find_used(
    connection: sqlite3.Connection,
    by: str,
    *,
    since: int,
    until: int | None = None,
    group: str | None = None,
    upto: int | None = None,
    without: frozenset[tuple[str, int]] = frozenset(),
) -> list[Used]:
    """What was used in a time, by group: the most expensive first.

    Args:
        connection: of the views.
        by: "session", "agent", or a name in the runs' metadata.
        since: from then on; microseconds since the epoch, like `until`.
        until: before then.
        group: only this one.
        upto: calls up to this log position.
        without: calls to leave out, as (run, seq).
    """
    name = by if by in OWN_KEYS else "json_extract(metadata, ?)"
    key = [] if by in OWN_KEYS else [f'$."{by}"']
    clauses: list[tuple[str, object]] = [
        ("at >= ?", since), ("at < ?", until), ("named = ?", group), ("position <= ?", upto),
    ]  # fmt: skip
    given = [(clause, value) for clause, value in clauses if value is not None]
    rows = connection.execute(
        f"SELECT named, spending_run, seq, tokens, cost FROM (SELECT coalesce({name}, '') AS named,"
        " spending.run AS spending_run, seq, at, position, tokens, cost FROM spending JOIN"
        f" spending_runs USING (run)) WHERE {' AND '.join(clause for clause, _ in given)}",
        [*key, *(value for _, value in given)],
    )
    found: dict[str, Used] = {}
    for named, run, seq, tokens, cost in rows:
        if (run, seq) not in without:
            before = found.get(named, Used(named, 0, 0, 0, 0))
            found[named] = Used(
                named, before.calls + 1, before.tokens + tokens, before.cost + (cost or 0),
                before.unpriced + (cost is None),
            )  # fmt: skip
    return sorted(found.values(), key=lambda used: (-used.cost, used.group))


def group_of(connection: sqlite3.Connection, by: str, run: str) -> str:
    """The group of a run; empty if it has none."""
    name = by if by in OWN_KEYS else "json_extract(metadata, ?)"
    key = [] if by in OWN_KEYS else [f'$."{by}"']
    query = f"SELECT coalesce({name}, '') FROM spending_runs WHERE run = ?"
    return next((str(row[0]) for row in connection.execute(query, [*key, run])), "")


def reserved_of(connection: sqlite3.Connection, run: str, seq: int) -> tuple[int, int | None, int]:
    """An open call's position, and the picodollars and tokens reserved for it."""
    query = "SELECT position, cost, tokens FROM spending WHERE run = ? AND seq = ?"
    position, cost, tokens = next(connection.execute(query, [run, seq]))
    return int(position), cost, int(tokens)
