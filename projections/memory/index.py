"""Recall as a stored view: memories by namespace, their words (FTS5) and their vectors.

Dropped and folded again it gives the same answers: everything in it comes from the log.
"""

import base64
import json
import sqlite3
from typing import TYPE_CHECKING

from playhead.events.kinds.facts import FactRetracted, LearningsPromoted
from playhead.events.kinds.memory import Embedded, EmbedRequested, MemoryForgotten, MemoryStored
from playhead.events.record import Record

if TYPE_CHECKING:
    from sqlite_utils import Database

TABLES = """
CREATE TABLE recall (
    position INTEGER PRIMARY KEY, id TEXT UNIQUE, namespace TEXT, text TEXT, metadata TEXT,
    importance REAL, at INTEGER, run TEXT, seq INTEGER, fork TEXT
) STRICT;
CREATE INDEX recall_namespace ON recall (namespace);
CREATE INDEX recall_forks ON recall (namespace) WHERE fork IS NOT NULL;
CREATE VIRTUAL TABLE recall_words USING fts5(text, tokenize = 'porter unicode61');
CREATE TABLE recall_vectors (
    number INTEGER PRIMARY KEY AUTOINCREMENT, position INTEGER, namespace TEXT, embedder TEXT,
    vector BLOB, UNIQUE (position, embedder)
) STRICT;
CREATE INDEX recall_vectors_of ON recall_vectors (namespace, embedder);
CREATE TABLE recall_asked (
    run TEXT, seq INTEGER, embedder TEXT, dimensions INTEGER, memories TEXT,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE recall_gone (number INTEGER PRIMARY KEY, position INTEGER, namespace TEXT) STRICT
"""
"""Memories, their words, their vectors; intents without an outcome; what was forgotten."""


def embedder_key(name: str, version: str, dimensions: int) -> str:
    """What vectors are stored under: only those of one embedder are compared."""
    return f"{name} {version} {dimensions}"


UNTRUSTED = "[imported, not verified] "
"""Before the text of a memory that was imported: its reader is to know."""


class Recall:
    """The view `recall`. `recall_search.search` queries it."""

    name = "recall"
    version = 4
    kinds = frozenset({
        "memory_stored", "memory_forgotten", "fact_retracted", "learnings_promoted",
        "embed_requested", "embedded",
    })  # fmt: skip

    def create(self, db: "Database") -> None:
        """Make the tables and their indices."""
        connection: sqlite3.Connection = db.conn
        for table in TABLES.split(";"):
            connection.execute(table)

    def apply(self, connection: sqlite3.Connection, record: Record) -> None:
        """Add a memory or vectors, drop some, or let a fork's be everybody's."""
        if isinstance(record.event, MemoryStored):
            _add(connection, record, record.event)
        elif not record.imported:
            self._change(connection, record)

    def _change(self, connection: sqlite3.Connection, record: Record) -> None:
        match record.event:
            case MemoryForgotten(id=memory):
                _drop(connection, memory)
            case FactRetracted(memories=memories):
                for memory in memories:
                    _drop(connection, memory)
            case LearningsPromoted(run=fork):
                connection.execute("UPDATE recall SET fork = NULL WHERE fork = ?", [fork])
            case EmbedRequested() as asked:
                key = embedder_key(asked.embedder, asked.version, asked.dimensions)
                connection.execute(
                    "INSERT OR IGNORE INTO recall_asked VALUES (?, ?, ?, ?, ?)",
                    [record.run, record.seq, key, asked.dimensions, json.dumps(asked.memories)],
                )
            case Embedded() as embedded:
                _embed(connection, record, embedded)
            case _:
                pass


def _add(connection: sqlite3.Connection, record: Record, event: MemoryStored) -> None:
    text = f"{UNTRUSTED}{event.text}" if record.imported else event.text
    added = connection.execute(
        "INSERT OR IGNORE INTO recall VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            record.position, event.id, event.namespace, text, json.dumps(event.metadata),
            event.importance, record.at, record.run, record.seq, event.fork,
        ],
    )  # fmt: skip
    if added.rowcount:
        connection.execute(
            "INSERT INTO recall_words (rowid, text) VALUES (?, ?)", [record.position, text]
        )


def _drop(connection: sqlite3.Connection, memory: str) -> None:
    row = connection.execute(
        "DELETE FROM recall WHERE id = ? RETURNING position, namespace", [memory]
    ).fetchone()
    if row is not None:
        connection.execute("DELETE FROM recall_words WHERE rowid = ?", row[:1])
        connection.execute("DELETE FROM recall_vectors WHERE position = ?", row[:1])
        connection.execute("INSERT INTO recall_gone (position, namespace) VALUES (?, ?)", row)


def _embed(connection: sqlite3.Connection, record: Record, embedded: Embedded) -> None:
    asked = connection.execute(
        "DELETE FROM recall_asked WHERE run = ? AND seq = ? RETURNING embedder, dimensions,"
        " memories",
        [record.run, record.cause],
    ).fetchone()
    if asked is None or embedded.error is not None:
        return
    embedder, dimensions, memories = asked
    vectors, size = base64.b64decode(embedded.vectors), 2 * dimensions
    connection.executemany(
        "INSERT OR IGNORE INTO recall_vectors (position, namespace, embedder, vector)"
        " SELECT position, namespace, ?, ? FROM recall WHERE id = ?",
        [
            (embedder, vectors[n * size : (n + 1) * size], memory)
            for n, memory in enumerate(json.loads(memories))
        ],
    )
