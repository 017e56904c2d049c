"""Searching the view `recall`: by words and by meaning, each score weighed, the best first.

    what may be found (namespace, metadata, time, forks, as of)
        -> BM25, as a share of the best that a text could reach; the cosine of the meaning
        -> words * share + meaning * the embedder's weight * cosine
        -> less for age and unimportance
        -> one place for what says the same; what supersedes before what it supersedes

The share is small where the query's words are hardly there, and then the meaning decides; where
they are there, the words do. An embedder that hardly knows the namespace's words has the weight 0,
and only adds what the words do not find. Ranks fused one to one (reciprocal rank fusion) are worse
than words alone wherever the embedder is the weaker of the two: `make bench ARGS=memory` prints
both.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from playhead.projections.memory.by_words import MOST, SearchResult, Words
from playhead.projections.memory.filter import Filter, Visible, space_of, visible
from playhead.projections.memory.hits import MemoryHit, ScorePart, said_alike, together
from playhead.projections.memory.supersession import Said, places

DAY = 86_400_000_000
"""Microseconds."""

DEPTH = 100
"""How many of each ranking are compared, at least; four times the limit where that is more."""


AFTER_WORDS = 1e-6
"""What a cosine of 1 counts for a memory that no word has found, if the embedder's weight is 0."""


class Nearest(NamedTuple):
    """The search by meaning."""

    find: Callable[[int, Visible], SearchResult]
    """(how many, among which) -> positions and cosines, best first."""
    cosines: Callable[[Collection[int]], Mapping[int, float]]
    """Of these positions; without those that have no vector."""
    weight: float
    """What a cosine of 1 counts, where all words of the query count 1; 0: only after all words."""


class Ranking(NamedTuple):
    """What counts how much. The two rankings have weights; the rest takes away from the score."""

    words: float = 1.0
    meaning: float = 1.0
    """Times the embedder's own weight."""
    recency: float = 0.0
    """From 0 to 1: how much of a score its age can take, 1 - 0.5 ** (age / half_life) of it."""
    half_life: float = 30.0
    """In days, before the newest memory that was found."""
    importance: float = 0.0
    """From 0 to 1: how much of a score a memory of importance 0 loses."""


class Scored(NamedTuple):
    """A memory that was found."""

    score: float
    position: int
    same: bytes
    share: float
    parts: Mapping[str, ScorePart]


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
    space = space_of(connection, where.namespace)
    if space is None or limit < 1:
        return []
    seen, words = visible(connection, space, where), Words(connection, space, query, where.end)
    depth = max(DEPTH, 4 * limit)
    while True:
        found: dict[str, SearchResult] = {}
        if ranking.words > 0:
            found["words"] = words.ranked(depth, seen.allowed)
        if nearest is not None and ranking.meaning > 0:
            found["meaning"] = nearest.find(depth, seen)
        best = _best(_scored(connection, words, found, nearest, ranking))
        if len(best) >= limit or all(len(ranked) < depth for ranked in found.values()):
            break
        depth *= 8  # copies of a few texts have taken the places
    ordered = places(connection, space, where, {same: each.score for same, each in best.items()})
    return _hits(connection, space, where, ordered[:limit], best)


def _scored(
    connection: sqlite3.Connection,
    words: Words,
    found: Mapping[str, SearchResult],
    nearest: Nearest | None,
    ranking: Ranking,
) -> list[Scored]:
    """Everything that a ranking has found, with its score in both."""
    ranks = {
        name: {position: rank for rank, (position, _) in enumerate(ranked, 1)}
        for name, ranked in found.items()
    }
    positions = {position for each in ranks.values() for position in each}
    scores: dict[str, dict[int, float]] = {name: dict(ranked) for name, ranked in found.items()}
    if "words" in scores and nearest is not None:
        scores["words"] |= words.scores(positions - scores["words"].keys())
    if "meaning" in scores and nearest is not None:
        scores["meaning"] |= nearest.cosines(positions - scores["meaning"].keys())
    counts = {"words": ranking.words / (words.best or 1)}
    if nearest is not None:
        counts["meaning"] = ranking.meaning * (nearest.weight or AFTER_WORDS)
    rows = _rows(connection, positions)
    newest = max((at for _, at, _, _ in rows), default=0)
    scored: list[Scored] = []
    for position, at, importance, same in rows:
        parts = {
            name: ScorePart(ranks[name].get(position, 0), of[position])
            for name, of in scores.items()
            if of.get(position, 0.0) > 0
        }
        counted = parts
        if nearest is not None and not nearest.weight and "words" in parts:
            counted = {"words": parts["words"]}
        score = sum(counts[name] * part.score for name, part in counted.items())
        score *= 1 - ranking.recency * (1 - 0.5 ** ((newest - at) / DAY / ranking.half_life))
        score *= 1 - ranking.importance * (1 - importance)
        share = (
            min(1.0, MOST * parts["words"].score / (words.best or 1)) if "words" in parts else 0.0
        )
        scored.append(Scored(score, position, same, share, parts))
    return scored


def _best(scored: Iterable[Scored]) -> dict[bytes, Scored]:
    """The best of those that say the same."""
    best: dict[bytes, Scored] = {}
    for each in sorted(scored, key=lambda each: (-each.score, -each.position)):
        best.setdefault(each.same, each)
    return best


def _hits(
    connection: sqlite3.Connection,
    space: int,
    where: Filter,
    ordered: list[Said],
    best: Mapping[bytes, Scored],
) -> list[MemoryHit]:
    alike = said_alike(connection, space, where, [said.same for said in ordered])
    hits: list[MemoryHit] = []
    for said in ordered:
        hit = together(alike[said.same])._replace(score=said.score, superseded_by=said.superseding)
        if said.same in best:
            hit = hit._replace(parts=best[said.same].parts, share=best[said.same].share)
        hits.append(hit)
    return hits


def _rows(
    connection: sqlite3.Connection, positions: Iterable[int]
) -> list[tuple[int, int, float, bytes]]:
    places = json.dumps(list(positions))
    query = (
        "SELECT position, at, importance, same FROM recall"
        " WHERE position IN (SELECT value FROM json_each(?))"
    )
    return connection.execute(query, [places]).fetchall()
