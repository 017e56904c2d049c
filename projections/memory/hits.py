"""What a search or a list answers: memories, each with all that say the same in one place."""

import json
import sqlite3
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from playhead.projections.memory.filter import Filter

COLUMNS = "id, text, metadata, importance, at, position, run, seq, said_by, stored_at, fork, same"


class ScorePart(NamedTuple):
    """One ranking's say in a memory's score."""

    rank: int
    """From 1; 0 if it is not among its nearest."""
    score: float
    """BM25, or the cosine."""


class Occurrence(NamedTuple):
    """One of several memories that say the same."""

    id: str
    at: int
    """When it was said: microseconds since the epoch."""
    by: str
    run: str
    seq: int


class MemoryHit(NamedTuple):
    """Something remembered, and where from."""

    id: str
    namespace: str
    text: str
    metadata: Mapping[str, str]
    importance: float
    at: int
    """When it was true or said, in microseconds since the epoch: what `remember` was given, or when
    it was stored."""
    position: int
    """In the log."""
    run: str
    """The stream of its record: a run that learned it, or memory/NAMESPACE."""
    seq: int
    """Its record there."""
    score: float = 0.0
    """Higher is nearer; of this search only."""
    parts: Mapping[str, ScorePart] = {}
    """`words`, `meaning`: where it stood in each; a part that found nothing in it is missing."""
    by: str = ""
    """Who said it."""
    stored_at: int = 0
    """Microseconds since the epoch."""
    superseded_by: str = ""
    """The id of the memory that supersedes it."""
    occurrences: tuple[Occurrence, ...] = ()
    """All that say the same, newest first, this one too."""
    share: float = 0.0
    """How much of the query's words it has, by their weight: 1 if it says all of them."""


def said_alike(
    connection: sqlite3.Connection, space: int, where: Filter, sames: Collection[bytes]
) -> dict[bytes, list[MemoryHit]]:
    """The memories that pass a filter, by what they say, each list newest first."""
    condition, wanted = where.sql
    marks = ", ".join("?" * len(sames))
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM recall WHERE space = ? AND same IN ({marks}) AND {condition}"
        " ORDER BY position DESC",
        [space, *sames, *wanted],
    )
    found: dict[bytes, list[MemoryHit]] = {}
    for row in rows:
        found.setdefault(row[-1], []).append(hit(where.namespace, row))
    return found


def together(alike: list[MemoryHit]) -> MemoryHit:
    """The newest of memories that say the same, with all of them as its occurrences."""
    said = tuple(Occurrence(each.id, each.at, each.by, each.run, each.seq) for each in alike)
    return alike[0]._replace(occurrences=said)


def hit(namespace: str, row: tuple[Any, ...]) -> MemoryHit:
    """A row of COLUMNS."""
    memory, text, metadata, importance, at, position, run, seq, by, stored_at, _, _ = row
    return MemoryHit(
        memory, namespace, text, json.loads(metadata), importance, at, position, run, seq, by=by,
        stored_at=stored_at,
    )  # fmt: skip
