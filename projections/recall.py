"""Recall as a stored view: memories by namespace, found by their words (FTS5, BM25).

Dropped and folded again it gives the same answers: everything in it comes from the log.
"""

import json
import re
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlite_utils import Database

from playhead.events.learning import MemoryForgotten, MemoryStored
from playhead.events.record import Record

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
    score: float
    """Higher is nearer; of this search only."""


class Recall:
    """The view `recall`. Query it with `search`."""

    name = "recall"
    version = 1
    kinds = frozenset({"memory_stored", "memory_forgotten"})

    def create(self, db: Database) -> None:
        """Make the table and its index."""
        connection: sqlite3.Connection = db.conn
        connection.execute(
            "CREATE TABLE recall (position INTEGER PRIMARY KEY, id TEXT UNIQUE, namespace TEXT,"
            " text TEXT, metadata TEXT, importance REAL, at INTEGER) STRICT"
        )
        connection.execute(
            "CREATE VIRTUAL TABLE recall_words USING fts5(text, tokenize = 'porter unicode61')"
        )

    def apply(self, connection: sqlite3.Connection, record: Record) -> None:
        """Add a memory, or drop one."""
        event = record.event
        if isinstance(event, MemoryStored):
            added = connection.execute(
                "INSERT OR IGNORE INTO recall VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    record.position, event.id, event.namespace, event.text,
                    json.dumps(event.metadata), event.importance, record.at,
                ],
            )  # fmt: skip
            if added.rowcount:
                connection.execute(
                    "INSERT INTO recall_words (rowid, text) VALUES (?, ?)",
                    [record.position, event.text],
                )
        elif isinstance(event, MemoryForgotten):
            gone = "(SELECT position FROM recall WHERE id = ? AND namespace = ?)"
            which = [event.id, event.namespace]
            connection.execute(f"DELETE FROM recall_words WHERE rowid = {gone}", which)
            connection.execute("DELETE FROM recall WHERE id = ? AND namespace = ?", which)


def search(
    connection: sqlite3.Connection,
    query: str,
    namespace: str,
    limit: int = 5,
    metadata: Mapping[str, str] | None = None,
) -> list[Memory]:
    """The memories of one namespace that share words with the query, the nearest first."""
    words = " OR ".join(f'"{word}"' for word in WORD.findall(query))
    if not words:
        return []
    wanted: list[Any] = [part for key, value in (metadata or {}).items() for part in (key, value)]
    same = " AND json_extract(metadata, '$.' || json_quote(?)) = ?" * len(metadata or {})
    rows = connection.execute(
        "SELECT id, namespace, recall.text, metadata, importance, at, position,"
        " -bm25(recall_words) FROM recall_words JOIN recall ON position = recall_words.rowid"
        f" WHERE recall_words MATCH ? AND namespace = ?{same}"
        " ORDER BY bm25(recall_words), position DESC LIMIT ?",
        [words, namespace, *wanted, limit],
    )
    return [Memory(*row)._replace(metadata=json.loads(row[3])) for row in rows]
