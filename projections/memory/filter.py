"""Which memories a search may find: of one namespace, by metadata and time, as of a position."""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

END = (1 << 63) - 1
"""After every position."""


class Filter(NamedTuple):
    """Which memories are searched."""

    namespace: str
    metadata: Mapping[str, str] = {}
    since: int | None = None
    """Microseconds since the epoch, of when it was said; `until` is exclusive."""
    until: int | None = None
    forks: Sequence[str] = ()
    """What a fork keeps to itself is left out, but for these forks."""
    as_of: int | None = None
    """A position of the log: what was remembered then; None for now."""

    @property
    def narrows(self) -> bool:
        """Whether it leaves out some of what the namespace remembers now."""
        times = (self.since, self.until, self.as_of)
        return bool(self.metadata) or any(each is not None for each in times)

    @property
    def end(self) -> int:
        """The position up to which it looks."""
        return END if self.as_of is None else self.as_of

    @property
    def remembered(self) -> tuple[str, list[Any]]:
        """What was remembered then, as a condition on the table recall, and its values."""
        condition = (
            "recall.position <= ? AND (gone IS NULL OR gone > ?)"
            " AND (fork IS NULL OR promoted <= ? OR fork IN (SELECT value FROM json_each(?)))"
        )
        return condition, [self.end, self.end, self.end, json.dumps(self.forks)]

    @property
    def sql(self) -> tuple[str, list[Any]]:
        """All of it as a condition on the table recall, and its values."""
        condition, wanted = self.remembered
        for pair in self.metadata.items():
            condition += (
                " AND EXISTS (SELECT 1 FROM json_each(metadata) AS given"
                " WHERE given.key = ? AND given.value = ?)"
            )
            wanted += pair
        for bound, compared in ((self.since, ">="), (self.until, "<")):
            if bound is not None:
                condition += f" AND at {compared} ?"
                wanted.append(bound)
        return condition, wanted


class Visible(NamedTuple):
    """Which positions of a namespace pass a filter."""

    among: frozenset[int] | None = None
    """Only these; None for all."""
    hidden: frozenset[int] = frozenset()
    """But not these."""

    @property
    def allowed(self) -> Callable[[int], bool] | None:
        """As a test of a position; None if all pass."""
        if self.among is not None:
            return self.among.__contains__
        hidden = self.hidden
        return (lambda position: position not in hidden) if hidden else None


def visible(connection: sqlite3.Connection, space: int, where: Filter) -> Visible:
    """What passes a filter: usually all but the little that was forgotten or is a fork's own."""
    if where.narrows:
        condition, wanted = where.sql
        query = f"SELECT position FROM recall WHERE space = ? AND {condition}"
        return Visible(frozenset(p for (p,) in connection.execute(query, [space, *wanted])))
    query = (
        "SELECT position FROM recall WHERE space = ?"
        " AND (gone IS NOT NULL OR (fork IS NOT NULL AND promoted IS NULL))"
        " AND NOT (gone IS NULL AND fork IN (SELECT value FROM json_each(?)))"
    )
    hidden = connection.execute(query, [space, json.dumps(where.forks)])
    return Visible(hidden=frozenset(position for (position,) in hidden))


def space_of(connection: sqlite3.Connection, namespace: str) -> int | None:
    """The namespace's number in the view; None if it has never remembered anything."""
    query = "SELECT space FROM recall_spaces WHERE namespace = ?"
    found = connection.execute(query, [namespace]).fetchone()
    return None if found is None else int(found[0])
