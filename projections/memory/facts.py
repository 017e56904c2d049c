"""Facts as a stored view: what is known about whom, from which records, and what was taken back.

A later value supersedes an earlier one; nothing is overwritten, so what was known at any position
of the log can still be asked.
"""

import json
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import to_json

from playhead.events.event import Json
from playhead.events.kinds.facts import FactLearned, FactRetracted, LearningsPromoted
from playhead.events.kinds.memory import NamespaceForgotten
from playhead.events.record import Record

if TYPE_CHECKING:
    from sqlite_utils import Database

COLUMNS = {
    "position": int, "run": str, "seq": int, "at": int, "schema_name": str, "entity": str,
    "field": str, "value": str, "sources": str, "quote": str, "confidence": float,
    "retracted": int, "reason": str, "namespace": str, "fork": str,
}  # fmt: skip


class Fact(NamedTuple):
    """Something known, and where from."""

    entity: str
    field: str
    value: Json
    confidence: float
    quote: str
    run: str
    seq: int
    """Of its FactLearned."""
    sources: tuple[int, ...]
    """The records of that run that say it."""
    position: int
    """In the log: it is known from there on."""
    at: int
    """Microseconds since the epoch."""
    schema_name: str


class Facts:
    """The view `facts`. Query it with `find_facts`."""

    name = "facts"
    version = 4
    kinds = frozenset({
        "fact_learned", "fact_retracted", "learnings_promoted", "namespace_forgotten",
    })  # fmt: skip

    def create(self, db: "Database") -> None:
        """Make the table."""
        table = db.table("facts")
        table.create(COLUMNS, pk=("run", "seq"), strict=True)
        table.create_index(["entity", "field", "position"])

    def apply(self, connection: sqlite3.Connection, record: Record) -> None:
        """Add a fact, or mark what was taken back with the position from which on it is gone.

        What a fork has learned is known from its promotion on; what was imported, never.
        """
        event = record.event
        if record.imported:
            return  # learned elsewhere: nobody here vouches for it
        if isinstance(event, FactLearned):
            connection.execute(
                f"INSERT INTO facts VALUES ({', '.join('?' * len(COLUMNS))})",
                [
                    record.position, record.run, record.seq, record.at, event.schema_name,
                    event.entity, event.field, to_json(event.value).decode(),
                    json.dumps(event.sources), event.quote, event.confidence, None, None,
                    event.namespace, event.fork,
                ],
            )  # fmt: skip
        elif isinstance(event, FactRetracted):
            connection.executemany(
                "UPDATE facts SET retracted = ?, reason = ? WHERE run = ? AND seq = ?"
                " AND retracted IS NULL",
                [(record.position, event.reason, fact.run, fact.seq) for fact in event.facts],
            )
        elif isinstance(event, NamespaceForgotten):
            connection.execute(
                "UPDATE facts SET retracted = ?, reason = ? WHERE namespace = ?"
                " AND retracted IS NULL",
                [record.position, event.reason, event.namespace],
            )
        elif isinstance(event, LearningsPromoted):
            connection.execute(
                "UPDATE facts SET fork = NULL, position = ? WHERE fork = ?",
                [record.position, event.run],
            )


def find_facts(
    connection: sqlite3.Connection,
    entity: str | None = None,
    as_of: int | None = None,
    *,
    superseded: bool = False,
    namespace: str | None = None,
    forks: Sequence[str] = (),
) -> list[Fact]:
    """What was known at a position of the log (now by default), by entity and field.

    Args:
        connection: to the views.
        entity: of whom; None for all.
        as_of: a position of the log.
        superseded: earlier values too, oldest first.
        namespace: learned by runs of this namespace; None for any.
        forks: forks that are to be asked too; otherwise what they learned is left out.
    """
    at = as_of if as_of is not None else (1 << 62)
    rows = connection.execute(
        "SELECT entity, field, value, confidence, quote, run, seq, sources, position, at,"
        " schema_name FROM facts WHERE position <= ? AND (retracted IS NULL OR retracted > ?)"
        " AND (? IS NULL OR entity = ?) AND (? IS NULL OR namespace = ?)"
        " AND (fork IS NULL OR fork IN (SELECT value FROM json_each(?)))"
        " ORDER BY entity, schema_name, field, position, seq",
        [at, at, entity, entity, namespace, namespace, json.dumps(forks)],
    )
    found = [_fact(row) for row in rows]
    if superseded:
        return found
    return list({(f.entity, f.schema_name, f.field): f for f in found}.values())


def _fact(row: tuple[Any, ...]) -> Fact:
    fact = Fact(*row)
    return fact._replace(value=json.loads(row[2]), sources=tuple(json.loads(row[7])))
