"""Recall as a stored view: memories by namespace, found by their words (FTS5, BM25).

Dropped and folded again it gives the same answers: everything in it comes from the log.
"""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from playhead.events.learning import (
    FactRetracted,
    LearningsPromoted,
    MemoryForgotten,
    MemoryStored,
)
from playhead.events.record import Record

if TYPE_CHECKING:
    from sqlite_utils import Database

WORD = re.compile(r"\w+")


class Memory(NamedTuple):
    """Something remembered, and where from."""

    id: str
    namespace: str
    text: str
    metadata: Mapping[str, str]
    importance: float
    at: int
    """Microseconds since the epoch."""
    position: int
    """In the log."""
    run: str
    """The stream of its record: a run, or memory/NAMESPACE."""
    seq: int
    score: float
    """Higher is nearer; of this search only."""


class Recall:
    """The view `recall`. Query it with `search`."""

    name = "recall"
    version = 2
    kinds = frozenset({
        "memory_stored", "memory_forgotten", "fact_retracted", "learnings_promoted",
    })  # fmt: skip

    def create(self, db: "Database") -> None:
        """Make the table and its index."""
        connection: sqlite3.Connection = db.conn
        connection.execute(
            "CREATE TABLE recall (position INTEGER PRIMARY KEY, id TEXT UNIQUE, namespace TEXT,"
            " text TEXT, metadata TEXT, importance REAL, at INTEGER, run TEXT, seq INTEGER,"
            " fork TEXT) STRICT"
        )
        connection.execute(
            "CREATE VIRTUAL TABLE recall_words USING fts5(text, tokenize = 'porter unicode61')"
        )

    def apply(self, connection: sqlite3.Connection, record: Record) -> None:
        """Add a memory, drop some, or let a fork's be everybody's."""
        match record.event:
            case MemoryStored() as event:
                _add(connection, record, event)
            case MemoryForgotten(id=memory):
                _drop(connection, memory)
            case FactRetracted(memories=memories):
                for memory in memories:
                    _drop(connection, memory)
            case LearningsPromoted(run=fork):
                connection.execute("UPDATE recall SET fork = NULL WHERE fork = ?", [fork])
            case _:
                pass


def _add(connection: sqlite3.Connection, record: Record, event: MemoryStored) -> None:
    added = connection.execute(
        "INSERT OR IGNORE INTO recall VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            record.position, event.id, event.namespace, event.text, json.dumps(event.metadata),
            event.importance, record.at, record.run, record.seq, event.fork,
        ],
    )  # fmt: skip
    if added.rowcount:
        connection.execute(
            "INSERT INTO recall_words (rowid, text) VALUES (?, ?)", [record.position, event.text]
        )


def _drop(connection: sqlite3.Connection, memory: str) -> None:
    gone = "(SELECT position FROM recall WHERE id = ?)"
    connection.execute(f"DELETE FROM recall_words WHERE rowid = {gone}", [memory])
    connection.execute("DELETE FROM recall WHERE id = ?", [memory])


def search(
    connection: sqlite3.Connection,
    query: str,
    namespace: str,
    limit: int = 5,
    metadata: Mapping[str, str] | None = None,
    forks: Sequence[str] = (),
) -> list[Memory]:
    """The memories of one namespace that share words with the query, the nearest first.

    What a fork keeps to itself is left out, but for these forks.
    """
    words = " OR ".join(f'"{word}"' for word in WORD.findall(query))
    if not words:
        return []
    wanted: list[Any] = [part for key, value in (metadata or {}).items() for part in (key, value)]
    same = " AND json_extract(metadata, '$.' || json_quote(?)) = ?" * len(metadata or {})
    rows = connection.execute(
        "SELECT id, namespace, recall.text, metadata, importance, at, position,"
        " run, seq, -bm25(recall_words)"
        " FROM recall_words JOIN recall ON position = recall_words.rowid"
        f" WHERE recall_words MATCH ? AND namespace = ?{same}"
        " AND (fork IS NULL OR fork IN (SELECT value FROM json_each(?)))"
        " ORDER BY bm25(recall_words), position DESC LIMIT ?",
        [words, namespace, *wanted, json.dumps(forks), limit],
    )
    return [Memory(*row)._replace(metadata=json.loads(row[3])) for row in rows]
