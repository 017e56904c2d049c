"""Searches a log's memories without writing to the log: by words, and by recorded vectors.

Programs search with `recall`; runs with `memories` and `all`, whose results the run records.
"""

import base64
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from playhead.events.kinds.facts import KnownFact
from playhead.events.kinds.memory import MemoryRecalled, Recalled
from playhead.events.log.contract import Reader
from playhead.events.logger import ProgramLogger
from playhead.events.spec.memory import Scope
from playhead.memory.facts import facts_view
from playhead.projections.memory.facts import find_facts
from playhead.projections.memory.filter import Filter, space_of
from playhead.projections.memory.hits import MemoryHit
from playhead.projections.memory.index import Recall, embedder_key
from playhead.projections.memory.listing import MemoryPage, listed, namespaces
from playhead.projections.memory.search import Nearest, Ranking, search
from playhead.projections.plan.references import as_text
from playhead.projections.state.recalled_memory import LINE
from playhead.projections.stored.view import Views, views_path
from playhead.tools.models.embedders import (
    Embedder,
    EmbedError,
    least_of,
    unit_vectors,
    weight_of,
)

if TYPE_CHECKING:
    from playhead.projections.memory.vectors import Vectors  # needs numpy

KEPT = 64
"""Maximum number of namespaces whose vectors stay in memory; least recently used ones go first."""

FACTS = 20
"""A starting run receives at most this many facts, the newest ones."""

DEFAULT = Ranking()

LEAST_SHARE = 0.25
"""A memory with less of the query's words than this, by their weight, is near by meaning only."""

ROOM = 2000
"""Tokens of memories that a starting run receives, if its rules do not say how many."""

BYTES = 3
"""Of a text, for each token: a text has no more tokens than that."""

SAMPLE = 50
"""So many of a namespace's first memories tell how well the embedder knows its words."""

FIRST = (
    "SELECT substr(text, 1, 500) FROM recall WHERE space = ? AND position <= ?"
    " ORDER BY position LIMIT ?"
)

WITHOUT_VECTOR = (
    "SELECT id, text FROM recall WHERE space = ? AND position > ? AND gone IS NULL AND NOT EXISTS"
    " (SELECT 1 FROM recall_vectors AS v WHERE v.position = recall.position AND embedder = ?)"
)

logger = ProgramLogger("playhead.memory")


class WithoutVector(NamedTuple):
    """The memories of a namespace that do not have a vector yet."""

    memories: list[tuple[str, str]]
    """Id and text."""
    cut_off: list[int]
    """Interrupted intents to compute vectors: their seqs in the namespace's stream."""
    reached: int
    """The log position up to which this is valid."""


class MemoryIndex:
    """Searches a log's memories, from any thread. Nothing is opened before the first search.

    The index is stored beside the log; in memory if there is no file or it is not writable.
    """

    def __init__(
        self,
        log: Reader,
        embedder: Embedder | None = None,
        redact: Callable[[str], str] = str,
        before_search: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare the index; nothing is opened.

        Args:
            log: the log that holds the memories.
            embedder: enables search by meaning; without one, only words are compared.
            redact: applied to every query.
            before_search: called with the namespace before each search by meaning.
        """
        self._reader = log
        self._embedder = embedder
        self._redact = redact
        self._before_search = before_search
        self._views: Views | None = None
        self.reached = 0
        """The log position up to which the last search was complete."""
        self._vectors: dict[int, Vectors] = {}
        self._weights: dict[tuple[int, int], float] = {}
        """By namespace and how many of its memories were looked at."""
        self._schema = 0
        self._lock = threading.Lock()

    def recall(
        self,
        query: str,
        namespace: str,
        limit: int = 5,
        metadata: Mapping[str, str] | None = None,
        forks: Sequence[str] = (),
        ranking: Ranking = DEFAULT,
        since: int | None = None,
        until: int | None = None,
        as_of: int | None = None,
    ) -> list[MemoryHit]:
        """The memories of a namespace that are most similar to the query, best first.

        Memories that a fork keeps to itself are excluded, except for `forks`. Times are in
        microseconds since the epoch, `as_of` is a position of the log. An embedder failure is
        logged, and the search uses words only. May block on the embedder.
        """
        query = self._redact(query)
        vector = self._vector_of(query) if ranking.meaning > 0 else None
        if vector is not None:
            self._before_search(namespace)
        where = Filter(namespace, metadata or {}, since, until, forks, as_of)
        with self._lock:
            connection = self._caught_up().connection
            nearest = None if vector is None else self._nearest(where, vector)
            return search(connection, query, where, limit, nearest, ranking)

    def memories(
        self, scope: Scope, query: str, limit: int, metadata: Mapping[str, str] | None = None
    ) -> MemoryRecalled:
        """The memories of a run's namespace that are most similar to the query."""
        found = self.recall(query, scope.namespace, limit, metadata, scope.forks)
        return MemoryRecalled(memories=tuple(map(_recalled, found)), position=self.reached)

    def near(self, scope: Scope, query: str, limit: int) -> MemoryRecalled:
        """The same, without those that have next to nothing in common with the query."""
        found = self.recall(query, scope.namespace, limit, forks=scope.forks)
        recalled = tuple(_recalled(each) for each in found if self.is_near(each))
        return MemoryRecalled(memories=recalled, position=self.reached)

    def is_near(self, memory: MemoryHit) -> bool:
        """Whether a memory has enough of the query's words, or a near enough meaning."""
        meaning = memory.parts.get("meaning")
        if memory.share >= LEAST_SHARE:
            return True
        return meaning is not None and meaning.score >= least_of(self._embedder)

    def missing(self, scope: Scope, ids: Sequence[str]) -> list[str]:
        """Those of the ids that are not a memory of the run's namespace."""
        where = Filter(scope.namespace, forks=scope.forks)
        with self._lock:
            connection = self._caught_up().connection
            space = space_of(connection, scope.namespace)
            condition, wanted = where.sql
            query = f"SELECT 1 FROM recall WHERE id = ? AND space = ? AND {condition}"
            return [
                memory
                for memory in ids
                if connection.execute(query, [memory, space, *wanted]).fetchone() is None
            ]

    def page(self, where: Filter, limit: int, after: int | None = None) -> MemoryPage:
        """The memories that pass a filter, newest first: those before the position `after`."""
        with self._lock:
            return listed(self._caught_up().connection, where, limit, after)

    def export(self, namespace: str) -> Iterator[dict[str, Any]]:
        """All that a namespace remembers, oldest first, as plain values for JSON."""
        found, after = list[MemoryHit](), None
        while True:
            memories, _, after = self.page(Filter(namespace), 1000, after)
            found += memories
            if after is None:
                break
        yield from map(_exported, reversed(found))

    def namespaces(self) -> dict[str, int]:
        """Each namespace that remembers something, and how many memories it has."""
        with self._lock:
            return namespaces(self._caught_up().connection)

    def all(self, scope: Scope, query: str, limit: int, tokens: int = 0) -> MemoryRecalled:
        """What a run receives at its start: what is near, and facts its namespace has learned."""
        found = self.near(scope, query, 4 * limit)
        told = _fitting(found.memories, limit, tokens or ROOM)
        found = found.model_copy(update={"memories": tuple(told)})
        with facts_view(self._reader) as views:
            known = find_facts(
                views.connection, namespace=scope.namespace, forks=scope.forks, as_of=found.position
            )
        newest = sorted(known, key=lambda fact: -fact.position)[:FACTS]
        facts = {
            (f.entity, f.field, as_text(f.value)): KnownFact(
                entity=f.entity, field=f.field, value=f.value, run=f.run, seq=f.seq
            )
            for f in reversed(newest)
        }
        return found.model_copy(update={"facts": tuple(reversed(facts.values()))})

    def without_vector(self, namespace: str, after: int) -> WithoutVector:
        """The memories stored after a position that still need a vector from this embedder."""
        assert self._embedder is not None
        with self._lock:
            connection = self._caught_up().connection
            space = space_of(connection, namespace)
            due = connection.execute(WITHOUT_VECTOR, [space, after, self._key(self._embedder)])
            asked = "SELECT seq FROM recall_asked WHERE run = ?"
            cut_off = connection.execute(asked, [f"memory/{namespace}"])
            return WithoutVector(due.fetchall(), [seq for (seq,) in cut_off], self.reached)

    def namespace_of(self, memory: str) -> str | None:
        """The namespace that holds the memory; None if none does."""
        with self._lock:
            query = (
                "SELECT namespace FROM recall JOIN recall_spaces USING (space)"
                " WHERE id = ? AND gone IS NULL"
            )
            found = self._caught_up().connection.execute(query, [memory]).fetchone()
            return None if found is None else found[0]

    def close(self) -> None:
        """Close the index."""
        with self._lock:
            if self._views is not None:
                self._views.close()
                self._views = None
            self._vectors.clear()

    def _vector_of(self, query: str) -> bytes | None:
        if self._embedder is None:
            return None
        try:
            return base64.b64decode(unit_vectors(self._embedder, [query]))
        except EmbedError as error:
            logger.warning("memory.words_alone", error=str(error))
            return None

    def _nearest(self, where: Filter, vector: bytes) -> Nearest | None:
        """The search by meaning. Called, and used, with the lock held."""
        from playhead.projections.memory.vectors import Vectors

        assert self._embedder is not None
        assert self._views is not None
        connection = self._views.connection
        space = space_of(connection, where.namespace)
        if space is None:
            return None
        known = self._vectors.pop(space, None)
        if known is None:
            known = Vectors(space, self._key(self._embedder), self._embedder.dimensions)
        self._vectors[space] = known
        if len(self._vectors) > KEPT:
            del self._vectors[next(iter(self._vectors))]
        known.refresh(connection)
        weight = self._weight_in(connection, space, where.end)
        return Nearest(partial(known.nearest, vector), partial(known.cosines, vector), weight)

    def _weight_in(self, connection: sqlite3.Connection, space: int, end: int) -> float:
        """What the embedder's cosines count, by the first memories of a namespace."""
        texts = [text for (text,) in connection.execute(FIRST, [space, end, SAMPLE])]
        key = space, len(texts)
        if key not in self._weights:
            self._weights[key] = weight_of(self._embedder, texts)
        return self._weights[key]

    @staticmethod
    def _key(embedder: Embedder) -> str:
        return embedder_key(embedder.name, embedder.version, embedder.dimensions)

    def _caught_up(self) -> Views:
        """The view, up to the end of the log. Called with the lock held."""
        if self._views is None:
            path = getattr(self._reader, "path", None)
            stored = isinstance(path, Path) and os.access(path.parent, os.W_OK)
            where = views_path(path) if isinstance(path, Path) and stored else ":memory:"
            self._views = Views(self._reader, where, [Recall()])
        self.reached = self._views.catch_up()
        # Another process with other code may have recreated the tables: they count from 1 again.
        (schema,) = self._views.connection.execute("PRAGMA schema_version").fetchone()
        if schema != self._schema:
            self._schema = schema
            self._vectors.clear()
            self._weights.clear()
        return self._views

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _recalled(memory: MemoryHit) -> Recalled:
    """As a run's record has it."""
    return Recalled(
        id=memory.id, text=memory.text, score=memory.score, at=memory.stored_at, run=memory.run,
        seq=memory.seq, said_at=None if memory.at == memory.stored_at else memory.at,
        said_by=memory.by, times=len(memory.occurrences), superseded=bool(memory.superseded_by),
    )  # fmt: skip


def _exported(memory: MemoryHit) -> dict[str, Any]:
    return {
        "id": memory.id, "text": memory.text, "metadata": dict(memory.metadata),
        "importance": memory.importance, "at": memory.at, "by": memory.by,
        "superseded_by": memory.superseded_by, "stored_at": memory.stored_at,
        "source": f"{memory.run}:{memory.seq}",
    }  # fmt: skip


def _fitting(memories: Sequence[Recalled], limit: int, tokens: int) -> Iterator[Recalled]:
    """The best that fit; one that is too long leaves its room to those after it.

    Not what is out of date, and no line twice.
    """
    lines: set[str] = set()
    for memory in memories:
        line = " ".join(memory.text.split())[:LINE]
        size = len(line.encode("utf-8", "replace")) // BYTES + 1
        if limit > 0 and size <= tokens and line not in lines and not memory.superseded:
            yield memory
            lines.add(line)
            limit, tokens = limit - 1, tokens - size
