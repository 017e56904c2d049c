"""What a namespace remembers, without a query: its memories page by page, and how many."""

import sqlite3
from typing import NamedTuple

from playhead.projections.memory.filter import END, Filter, space_of
from playhead.projections.memory.hits import COLUMNS, MemoryHit, hit


class MemoryPage(NamedTuple):
    """Some of a namespace's memories."""

    memories: list[MemoryHit]
    """Newest first; each that was stored, those that say the same too."""
    total: int
    """How many there are on all pages."""
    next: int | None
    """`after` for the next page; None if this is the last."""


def listed(
    connection: sqlite3.Connection, where: Filter, limit: int, after: int | None
) -> MemoryPage:
    """The newest memories that pass a filter and were stored before the position `after`."""
    space = space_of(connection, where.namespace)
    condition, wanted = where.sql
    (total,) = connection.execute(
        f"SELECT count(*) FROM recall WHERE space = ? AND {condition}", [space, *wanted]
    ).fetchone()
    rows = connection.execute(
        f"SELECT {COLUMNS}, {SUPERSEDED} FROM recall WHERE space = ? AND position < ?"
        f" AND {condition} ORDER BY position DESC LIMIT ?",
        [*where.remembered[1], space, END if after is None else after, *wanted, limit + 1],
    ).fetchall()
    memories = [
        hit(where.namespace, row[:-1])._replace(superseded_by=row[-1] or "") for row in rows[:limit]
    ]
    more = len(rows) > limit and bool(memories)
    return MemoryPage(memories, total, memories[-1].position if more else None)


SUPERSEDED = (
    "(SELECT newer.id FROM recall_superseded AS old JOIN recall AS newer"
    " ON newer.position = old.position WHERE old.space = recall.space AND old.same = recall.same"
    " AND old.position > recall.position AND newer.position <= ?"
    " AND (newer.gone IS NULL OR newer.gone > ?) AND (newer.fork IS NULL OR newer.promoted <= ?"
    " OR newer.fork IN (SELECT value FROM json_each(?))) ORDER BY old.position DESC LIMIT 1)"
)
"""The id of what supersedes a row of recall; its values are those of `Filter.remembered`."""


def namespaces(connection: sqlite3.Connection) -> dict[str, int]:
    """Each namespace that remembers something, and how many memories it has."""
    rows = connection.execute(
        "SELECT namespace, count(*) FROM recall JOIN recall_spaces USING (space)"
        " WHERE gone IS NULL AND (fork IS NULL OR promoted IS NOT NULL)"
        " GROUP BY space ORDER BY namespace"
    )
    return dict(rows.fetchall())
