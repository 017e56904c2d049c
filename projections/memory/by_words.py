"""Ranking a namespace's memories by words: BM25, with counts of that namespace alone.

The counts are those of a position of the log, and take in what was forgotten later, so that another
namespace's words, or what came after, never change a score.
"""

import heapq
import json
import math
import sqlite3
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple, TypeAlias

from playhead.projections.memory.terms import terms

SearchResult: TypeAlias = list[tuple[int, float]]
"""Positions and scores, best first."""

Allowed: TypeAlias = Callable[[int], bool]
"""Whether the memory at a position may be found."""

COMMON_WORDS = """
a about after again all also am an and any are as at be because been before being between both but
by can could did do does doing down during each few for from further had has have having he her
here hers him his how i if in into is it its itself just me more most must my myself no nor not
now of off on once only or other our ours out over own same shall she should so some such than
that the their theirs them then there these they this those through to too under until up us very
was we were what when where which while who whom whose why will with would you your yours
"""

COMMON = 0.2
"""What a common word counts beside another: it may decide between memories, not find them first."""

FEW = 50
"""A namespace of fewer memories counts as one of so many: in three, no word is common or rare."""

K1, B = 1.2, 0.75

MOST = K1 + 1
"""What a term adds to a score at most, times its weight."""


@cache
def common_terms() -> frozenset[str]:
    """The terms of words that say little in English."""
    return frozenset(terms(COMMON_WORDS))


class Term(NamedTuple):
    """A term of a query."""

    weight: float
    """Its inverse document frequency; less for a common word."""
    text: str
    memories: int
    """How many contain it."""


class Words:
    """A query's words against one namespace, as it was at a position of the log."""

    def __init__(self, connection: sqlite3.Connection, space: int, query: str, as_of: int) -> None:
        self._connection = connection
        self._space = space
        self._as_of = as_of
        memories, total = connection.execute(
            "SELECT nth, total FROM recall WHERE space = ? AND position <= ?"
            " ORDER BY position DESC LIMIT 1",
            [space, as_of],
        ).fetchone() or (0, 0)
        self._memories = int(memories)
        self._mean = max(1.0, total / max(1, self._memories))
        self._terms = sorted(map(self._term, dict.fromkeys(terms(query))), reverse=True)
        self.best = MOST * sum(term.weight for term in self._terms)
        """The score of a memory that says all of it, over and over."""

    def ranked(self, depth: int, allowed: Allowed | None) -> SearchResult:
        """The best, exactly: a memory that can no longer be among them is not looked at."""
        scores: dict[int, float] = {}
        open_ = self.best
        for term in self._terms:
            least = _least(scores, depth, open_, term.memories)
            if least > open_:
                scores = {p: score for p, score in scores.items() if score + open_ >= least}
                found = self._scores_of(term, scores)
            else:
                found = self._scores_in(term, allowed)
            for position, score in found:
                scores[position] = scores.get(position, 0.0) + score
            open_ -= MOST * term.weight
        return heapq.nsmallest(depth, scores.items(), key=lambda each: (-each[1], -each[0]))

    def scores(self, positions: Iterable[int]) -> dict[int, float]:
        """The scores of these memories; those without one are missing."""
        scores: dict[int, float] = {}
        positions = list(positions)
        for term in self._terms if positions else ():
            for position, score in self._scores_of(term, positions):
                scores[position] = scores.get(position, 0.0) + score
        return scores

    def _term(self, text: str) -> Term:
        found = self._connection.execute(
            "SELECT nth FROM recall_terms WHERE space = ? AND term = ? AND position <= ?"
            " ORDER BY position DESC LIMIT 1",
            [self._space, text, self._as_of],
        ).fetchone()
        memories = 0 if found is None else int(found[0])
        others = max(self._memories, FEW) - memories
        rarity = math.log(1 + (others + 0.5) / (memories + 0.5))
        return Term(rarity * (COMMON if text in common_terms() else 1), text, memories)

    def _scores_in(self, term: Term, allowed: Allowed | None) -> SearchResult:
        found = self._score(term, "position <= ?", self._as_of)
        return found if allowed is None else [each for each in found if allowed(each[0])]

    def _scores_of(self, term: Term, positions: Iterable[int]) -> SearchResult:
        places = json.dumps(list(positions))
        return self._score(term, "position IN (SELECT value FROM json_each(?))", places)

    def _score(self, term: Term, where: str, value: object) -> SearchResult:
        rows = self._connection.execute(
            "SELECT position, ? * count / (count + ? + ? * size) FROM recall_terms"
            f" WHERE space = ? AND term = ? AND {where}",
            [
                term.weight * MOST, K1 * (1 - B), K1 * B / self._mean, self._space, term.text,
                value,
            ],
        )  # fmt: skip
        return rows.fetchall()


def _least(scores: dict[int, float], depth: int, open_: float, memories: int) -> float:
    """The score of the last of the best so far, if that may spare reading a long list; or 0."""
    if len(scores) < depth or memories < 4 * depth:
        return 0.0
    highest = max(scores.values())
    return heapq.nlargest(depth, scores.values())[-1] if highest > open_ else 0.0
