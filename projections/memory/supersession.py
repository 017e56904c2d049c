"""The places of an answer: one for each thing said, what supersedes before what it supersedes.

A memory supersedes what says the same as one that it names and was stored before it: not a copy
that was stored later, which says it anew. So from a thing said to what supersedes it is always
forward in the log, and there are no circles.
"""

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

from playhead.projections.memory.filter import Filter

LESS = 0.5
"""What is left of the score of something superseded: it is history."""


class Said(NamedTuple):
    """A thing said, once or often, of which a search found something."""

    score: float
    newest: int
    """The position of the last that says it."""
    same: bytes
    superseded_by: bytes | None = None
    """Of what supersedes it, if the filter lets that be found."""
    superseding: str = ""
    """The id of the memory that supersedes it, whether it may be found or not."""


def places(
    connection: sqlite3.Connection, space: int, where: Filter, scores: Mapping[bytes, float]
) -> list[Said]:
    """The things said, best first; what supersedes one of them comes in with its score."""
    found: dict[bytes, Said] = {}
    new = dict(scores)
    while new:
        for said in _looked_up(connection, space, where, new):
            found[said.same] = said
        new = {
            said.superseded_by: said.score
            for said in found.values()
            if said.superseded_by is not None and said.superseded_by not in found
        }
    oldest_first = sorted(found, key=lambda same: found[same].newest)
    for same in oldest_first:
        said = found[same]
        if said.superseded_by is not None:
            by = found[said.superseded_by]
            found[by.same] = by._replace(score=max(by.score, said.score))
    for same in reversed(oldest_first):
        said = found[same]
        if said.superseding:
            by_score = said.score if said.superseded_by is None else found[said.superseded_by].score
            found[same] = said._replace(score=LESS * min(said.score, by_score))
    return sorted(found.values(), key=lambda said: (-said.score, -said.newest))


def _looked_up(
    connection: sqlite3.Connection, space: int, where: Filter, scores: Mapping[bytes, float]
) -> list[Said]:
    """What was found, with when it was last said and what supersedes it."""
    marks = ", ".join("?" * len(scores))
    condition, wanted = where.sql
    newest = connection.execute(
        f"SELECT same, max(position) FROM recall WHERE space = ? AND same IN ({marks})"
        f" AND {condition} GROUP BY same",
        [space, *scores, *wanted],
    ).fetchall()
    remembered, known = where.remembered
    superseded = connection.execute(
        "SELECT old.same, recall.position, recall.id, recall.same,"
        f" {condition} FROM recall_superseded AS old"
        " JOIN recall ON recall.position = old.position"
        f" WHERE old.space = ? AND old.same IN ({marks}) AND {remembered}"
        " ORDER BY old.position",
        [*wanted, space, *scores, *known],
    )
    last = {same: (position, by, by_same, ok) for same, position, by, by_same, ok in superseded}
    found: list[Said] = []
    for same, position in newest:
        by_position, by, by_same, may_be_found = last.get(same, (0, "", None, False))
        said = Said(scores[same], position, same)
        if by_position > position:
            by_same = by_same if may_be_found else None
            said = said._replace(superseded_by=by_same, superseding=by)
        found.append(said)
    return found
