"""Searching the view `recall`: by words and by meaning, fused by reciprocal rank.

    filter (namespace, metadata, time) -> rank by BM25, rank by cosine
        -> sum of weight / (60 + rank) -> what age and unimportance take away -> the best

The filter comes first in both, so what another namespace remembers is never even ranked.
Reciprocal rank fusion: Cormack, Clarke and Buettcher, SIGIR 2009, with their k of 60.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

COMMON_WORDS = frozenset(
    """
    a about after again all also am an and any are as at be because been before being between both
    but by can could did do does doing down during each few for from further had has have having he
    her here hers him his how i if in into is it its itself just me more most must my myself no nor
    not now of off on once only or other our ours out over own same shall she should so some such
    than that the their theirs them then there these they this those through to too under until up
    us very was we were what when where which while who whom whose why will with would you your
    yours
    """.split()  # noqa: SIM905 - a page of words
)


WORD = re.compile(r"\w+")
K = 60
DAY = 86_400_000_000
"""Microseconds."""

DEPTH = 100
"""How many of each ranking are fused, at least; four times the limit where that is more."""

SearchResult: TypeAlias = list[tuple[int, float]]
"""Positions and scores, best first."""

Nearest: TypeAlias = Callable[[int, list[int] | None], SearchResult]
"""(how many, among which positions) -> by meaning."""


class ScorePart(NamedTuple):
    """One ranking's say in a memory's score."""

    rank: int
    """From 1."""
    score: float
    """BM25, or the cosine."""


class MemoryHit(NamedTuple):
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
    """The stream of its record: a run that learned it, or memory/NAMESPACE."""
    seq: int
    """Its record there."""
    score: float = 0.0
    """Higher is nearer; of this search only."""
    parts: Mapping[str, ScorePart] = {}
    """`words`, `meaning`: where it stood in each; a part that did not find it is missing."""


class Ranking(NamedTuple):
    """What counts how much. The two rankings have weights; the rest takes away from the score."""

    words: float = 1.0
    meaning: float = 1.0
    recency: float = 0.0
    """From 0 to 1: how much of a score its age can take, 1 - 0.5 ** (age / half_life) of it."""
    half_life: float = 30.0
    """In days, before the newest memory that was found."""
    importance: float = 0.0
    """From 0 to 1: how much of a score a memory of importance 0 loses."""


class Filter(NamedTuple):
    """Which memories are searched."""

    namespace: str
    metadata: Mapping[str, str] = {}
    since: int | None = None
    """Microseconds since the epoch; `until` is exclusive."""
    until: int | None = None
    forks: Sequence[str] = ()
    """What a fork keeps to itself is left out, but for these forks."""

    @property
    def sql(self) -> tuple[str, list[Any]]:
        """As a condition on the table recall, and its values."""
        wanted: list[Any] = [self.namespace]
        condition = "namespace = ?"
        for key, value in self.metadata.items():
            condition += " AND json_extract(metadata, '$.' || json_quote(?)) = ?"
            wanted += [key, value]
        for bound, compared in ((self.since, ">="), (self.until, "<")):
            if bound is not None:
                condition += f" AND at {compared} ?"
                wanted.append(bound)
        condition += " AND (fork IS NULL OR fork IN (SELECT value FROM json_each(?)))"
        return condition, [*wanted, json.dumps(self.forks)]


def search(
    connection: sqlite3.Connection,
    query: str,
    where: Filter,
    limit: int = 5,
    nearest: Nearest | None = None,
    ranking: Ranking = Ranking(),  # noqa: B008 - immutable
) -> list[MemoryHit]:
    """The memories that share words or meaning with the query, the best first.

    Without `nearest` by words alone. What ranks alike is newest first.
    """
    depth = max(DEPTH, 4 * limit)
    parts: dict[int, dict[str, ScorePart]] = {}
    found: dict[str, SearchResult] = {}
    words = WORD.findall(query)
    if ranking.meaning > 0 and nearest is not None:
        found["meaning"] = nearest(depth, _among(connection, where))
        words = [word for word in words if word.lower() not in COMMON_WORDS] or words
    if ranking.words > 0:
        found["words"] = by_words(connection, words, where, depth)
    for name, ranked in found.items():
        for rank, (position, score) in enumerate(ranked, 1):
            parts.setdefault(position, {})[name] = ScorePart(rank, score)
    scores = _scores(connection, parts, ranking)
    best = sorted(scores, key=lambda position: (-scores[position], -position))[:limit]
    memories = {each.position: each for each in _memories(connection, best)}
    return [memories[p]._replace(score=scores[p], parts=parts[p]) for p in best]


def by_words(
    connection: sqlite3.Connection, words: Sequence[str], where: Filter, depth: int
) -> SearchResult:
    """By BM25; any of the words will do."""
    if not words:
        return []
    condition, wanted = where.sql
    rows = connection.execute(
        "SELECT position, -bm25(recall_words) FROM recall_words"
        f" JOIN recall ON position = recall_words.rowid WHERE recall_words MATCH ? AND {condition}"
        " ORDER BY bm25(recall_words), position DESC LIMIT ?",
        [" OR ".join(f'"{word}"' for word in words), *wanted, depth],
    )
    return rows.fetchall()


def _among(connection: sqlite3.Connection, where: Filter) -> list[int] | None:
    """The positions to search; None for the whole namespace."""
    if where == Filter(where.namespace, forks=where.forks):
        kept = "SELECT 1 FROM recall WHERE namespace = ? AND fork IS NOT NULL LIMIT 1"
        if connection.execute(kept, [where.namespace]).fetchone() is None:
            return None
    condition, wanted = where.sql
    rows = connection.execute(f"SELECT position FROM recall WHERE {condition}", wanted)
    return [position for (position,) in rows]


def _scores(
    connection: sqlite3.Connection, parts: Mapping[int, Mapping[str, ScorePart]], ranking: Ranking
) -> dict[int, float]:
    rows = _rows(connection, "position, at, importance", parts)
    newest = max((at for _, at, _ in rows), default=0)
    weights = {"words": ranking.words, "meaning": ranking.meaning}
    scores: dict[int, float] = {}
    for position, at, importance in rows:
        score = sum(weights[name] / (K + part.rank) for name, part in parts[position].items())
        age = (newest - at) / DAY
        score *= 1 - ranking.recency * (1 - 0.5 ** (age / ranking.half_life))
        scores[position] = score * (1 - ranking.importance * (1 - importance))
    return scores


def _memories(connection: sqlite3.Connection, positions: Iterable[int]) -> list[MemoryHit]:
    columns = "id, namespace, text, metadata, importance, at, position, run, seq"
    rows = _rows(connection, columns, positions)
    return [MemoryHit(*row)._replace(metadata=json.loads(row[3])) for row in rows]


def _rows(
    connection: sqlite3.Connection, columns: str, positions: Iterable[int]
) -> list[tuple[Any, ...]]:
    places = json.dumps(list(positions))
    query = f"SELECT {columns} FROM recall WHERE position IN (SELECT value FROM json_each(?))"
    return connection.execute(query, [places]).fetchall()
