"""Recall as a stored view: memories by namespace, the terms of their texts, and their vectors.

Dropped and folded again it gives the same answers: everything in it comes from the log. Nothing is
deleted from it: what is forgotten is marked with the position of its forgetting, and each count is
kept as it was when a memory came, so that any earlier position can be asked (`as_of`).
"""

import base64
import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from playhead.events.kinds.facts import FactRetracted, LearningsPromoted
from playhead.events.kinds.memory import (
    Embedded,
    EmbedRequested,
    MemoryForgotten,
    MemoryStored,
    NamespaceForgotten,
)
from playhead.events.record import Record
from playhead.projections.memory.terms import terms, wording

if TYPE_CHECKING:
    from sqlite_utils import Database

TABLES = """
CREATE TABLE recall_spaces (space INTEGER PRIMARY KEY, namespace TEXT UNIQUE) STRICT;
CREATE TABLE recall (
    position INTEGER PRIMARY KEY, id TEXT UNIQUE, space INTEGER, text TEXT, metadata TEXT,
    importance REAL, at INTEGER, stored_at INTEGER, said_by TEXT, run TEXT, seq INTEGER, fork TEXT,
    promoted INTEGER, gone INTEGER, same BLOB, nth INTEGER, total INTEGER
) STRICT;
CREATE INDEX recall_space ON recall (space, position);
CREATE INDEX recall_same ON recall (space, same);
CREATE INDEX recall_hidden ON recall (space)
    WHERE gone IS NOT NULL OR (fork IS NOT NULL AND promoted IS NULL);
CREATE INDEX recall_forks ON recall (fork) WHERE fork IS NOT NULL;
CREATE TABLE recall_terms (
    space INTEGER, term TEXT, position INTEGER, count INTEGER, size INTEGER, nth INTEGER,
    PRIMARY KEY (space, term, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE recall_superseded (
    space INTEGER, same BLOB, position INTEGER, PRIMARY KEY (space, same, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE recall_vectors (
    number INTEGER PRIMARY KEY AUTOINCREMENT, position INTEGER, space INTEGER, embedder TEXT,
    vector BLOB, UNIQUE (position, embedder)
) STRICT;
CREATE INDEX recall_vectors_of ON recall_vectors (space, embedder);
CREATE TABLE recall_asked (
    run TEXT, seq INTEGER, embedder TEXT, dimensions INTEGER, memories TEXT,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID
"""
"""`recall.nth` and `total`: memories and terms of the namespace so far; `recall_terms.nth`: its
memories with the term so far; `recall_superseded.position`: of the memory that supersedes."""

ADD_TERM = """
INSERT INTO recall_terms SELECT ?1, ?2, ?3, ?4, ?5, 1 + coalesce((
    SELECT nth FROM recall_terms WHERE space = ?1 AND term = ?2 ORDER BY position DESC LIMIT 1
), 0)
"""

UNTRUSTED = "[imported, not verified] "
"""Before the text of a memory that was imported: its reader is to know."""


class TermRow(NamedTuple):
    """A term of a memory, to be added."""

    space: int
    term: str
    position: int
    times: int
    size: int
    """Terms of the whole memory."""


def embedder_key(name: str, version: str, dimensions: int) -> str:
    """What vectors are stored under: only those of one embedder are compared."""
    return f"{name} {version} {dimensions}"


class Recall:
    """The view `recall`. `search` in `projections/memory/search.py` queries it."""

    name = "recall"
    version = 5
    kinds = frozenset({
        "memory_stored", "memory_forgotten", "namespace_forgotten", "fact_retracted",
        "learnings_promoted", "embed_requested", "embedded",
    })  # fmt: skip

    def create(self, db: "Database") -> None:
        """Make the tables and their indices."""
        connection: sqlite3.Connection = db.conn
        for table in TABLES.split(";"):
            connection.execute(table)

    def apply(self, connection: sqlite3.Connection, record: Record) -> None:
        """Add a memory or vectors, hide some, or let a fork's be everybody's."""
        self.apply_all(connection, [record])

    def apply_all(self, connection: sqlite3.Connection, records: Iterable[Record]) -> None:
        """Fold records; their terms are added together, in the order of the index."""
        added: list[TermRow] = []
        for record in records:
            if isinstance(record.event, MemoryStored):
                added += _add(connection, record, record.event)
            elif not record.imported:
                _change(connection, record)
        connection.executemany(ADD_TERM, sorted(added))


def _change(connection: sqlite3.Connection, record: Record) -> None:
    at = record.position
    match record.event:
        case MemoryForgotten(id=memory):
            _hide(connection, at, "id = ?", memory)
        case NamespaceForgotten(namespace=namespace):
            _hide(connection, at, "space = ?", _space(connection, namespace))
        case FactRetracted(memories=memories):
            for memory in memories:
                _hide(connection, at, "id = ?", memory)
        case LearningsPromoted(run=fork):
            connection.execute(
                "UPDATE recall SET promoted = ? WHERE fork = ? AND promoted IS NULL", [at, fork]
            )
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


def _hide(connection: sqlite3.Connection, at: int, which: str, value: object) -> None:
    connection.execute(f"UPDATE recall SET gone = ? WHERE {which} AND gone IS NULL", [at, value])


def _space(connection: sqlite3.Connection, namespace: str) -> int:
    connection.execute("INSERT OR IGNORE INTO recall_spaces (namespace) VALUES (?)", [namespace])
    query = "SELECT space FROM recall_spaces WHERE namespace = ?"
    (space,) = connection.execute(query, [namespace]).fetchone()
    return int(space)


def _add(connection: sqlite3.Connection, record: Record, event: MemoryStored) -> list[TermRow]:
    space, found = _space(connection, event.namespace), terms(event.text)
    text = f"{UNTRUSTED}{event.text}" if record.imported else event.text
    same = hashlib.blake2b(wording(text).encode("utf-8", "replace"), digest_size=12).digest()
    nth, total = connection.execute(
        "SELECT nth, total FROM recall WHERE space = ? ORDER BY position DESC LIMIT 1", [space]
    ).fetchone() or (0, 0)
    added = connection.execute(
        f"INSERT OR IGNORE INTO recall VALUES ({', '.join('?' * 17)})",
        [
            record.position, event.id, space, text, json.dumps(event.metadata), event.importance,
            record.at if event.said_at is None else event.said_at, record.at, event.said_by,
            record.run, record.seq, event.fork, None, None, same, nth + 1, total + len(found),
        ],
    )  # fmt: skip
    if not added.rowcount:
        return []
    if not record.imported:  # nobody here vouches for it: it does not outrank what is known here
        connection.executemany(
            "INSERT OR IGNORE INTO recall_superseded"
            " SELECT space, same, ? FROM recall WHERE space = ? AND id = ? AND position < ?",
            [(record.position, space, older, record.position) for older in event.supersedes],
        )
    return [
        TermRow(space, term, record.position, count, len(found))
        for term, count in Counter(found).items()
    ]


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
        "INSERT OR IGNORE INTO recall_vectors (position, space, embedder, vector)"
        " SELECT position, space, ?, ? FROM recall WHERE id = ?",
        [
            (embedder, vectors[n * size : (n + 1) * size], memory)
            for n, memory in enumerate(json.loads(memories))
        ],
    )
