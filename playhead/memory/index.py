"""Searches a log's memories without writing to the log: by words, and by recorded vectors.

Programs search with `recall`; runs with `memories` and `all`, whose results the run records.
"""

import base64
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from playhead.events.kinds.facts import KnownFact
from playhead.events.kinds.memory import MemoryRecalled, Recalled
from playhead.events.log.contract import Reader
from playhead.events.logger import ProgramLogger
from playhead.events.spec.memory import Scope
from playhead.memory.facts import facts_view
from playhead.projections.memory.facts import find_facts
from playhead.projections.memory.index import Recall, embedder_key
from playhead.projections.memory.search import Filter, MemoryHit, Ranking, SearchResult, search
from playhead.projections.stored.view import Views, views_path
from playhead.tools.models.embedders import Embedder, EmbedError, unit_vectors

if TYPE_CHECKING:
    from playhead.projections.memory.vectors import Vectors  # needs numpy

KEPT = 64
"""Maximum number of namespaces whose vectors stay in memory; least recently used ones go first."""

FACTS = 20
"""A starting run receives at most this many facts, the newest ones."""

BY_RANK = Ranking()

WITHOUT_VECTOR = (
    "SELECT id, text FROM recall WHERE namespace = ? AND position > ? AND NOT EXISTS"
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
        self._vectors: dict[str, Vectors] = {}
        self._schema = 0
        self._lock = threading.Lock()

    def recall(
        self,
        query: str,
        namespace: str,
        limit: int = 5,
        metadata: Mapping[str, str] | None = None,
        forks: Sequence[str] = (),
        ranking: Ranking = BY_RANK,
        since: int | None = None,
        until: int | None = None,
    ) -> list[MemoryHit]:
        """The memories of a namespace that are most similar to the query, best first.

        Memories that a fork keeps to itself are excluded, except for `forks`. Times are in
        microseconds since the epoch. An embedder failure is logged, and the search uses words only.
        May block on the embedder.
        """
        query = self._redact(query)
        vector = self._vector_of(query) if ranking.meaning > 0 else None
        if vector is not None:
            self._before_search(namespace)
        where = Filter(namespace, metadata or {}, since, until, forks)
        with self._lock:
            connection = self._caught_up().connection
            nearest = None if vector is None else partial(self._nearest, namespace, vector)
            return search(connection, query, where, limit, nearest, ranking)

    def memories(
        self, scope: Scope, query: str, limit: int, metadata: Mapping[str, str] | None = None
    ) -> MemoryRecalled:
        """The memories of a run's namespace that are most similar to the query."""
        found = self.recall(query, scope.namespace, limit, metadata, scope.forks)
        recalled = [
            Recalled(id=m.id, text=m.text, score=m.score, at=m.at, run=m.run, seq=m.seq)
            for m in found
        ]
        return MemoryRecalled(memories=tuple(recalled), position=self.reached)

    def all(self, scope: Scope, query: str, limit: int) -> MemoryRecalled:
        """What a run receives at its start: memories, and facts that its namespace has learned."""
        found = self.memories(scope, query, limit)
        with facts_view(self._reader) as views:
            known = find_facts(
                views.connection, namespace=scope.namespace, forks=scope.forks, as_of=found.position
            )
        newest = sorted(known, key=lambda fact: -fact.position)[:FACTS]
        facts = [
            KnownFact(entity=f.entity, field=f.field, value=f.value, run=f.run, seq=f.seq)
            for f in newest
        ]
        return found.model_copy(update={"facts": tuple(facts)})

    def without_vector(self, namespace: str, after: int) -> WithoutVector:
        """The memories stored after a position that still need a vector from this embedder."""
        assert self._embedder is not None
        with self._lock:
            connection = self._caught_up().connection
            due = connection.execute(WITHOUT_VECTOR, [namespace, after, self._key(self._embedder)])
            asked = "SELECT seq FROM recall_asked WHERE run = ?"
            cut_off = connection.execute(asked, [f"memory/{namespace}"])
            return WithoutVector(due.fetchall(), [seq for (seq,) in cut_off], self.reached)

    def namespace_of(self, memory: str) -> str | None:
        """The namespace that holds the memory; None if none does."""
        with self._lock:
            query = "SELECT namespace FROM recall WHERE id = ?"
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

    def _nearest(
        self, namespace: str, vector: bytes, depth: int, among: list[int] | None
    ) -> SearchResult:
        """The most similar memories by meaning. Called with the lock held."""
        from playhead.projections.memory.vectors import Vectors

        assert self._embedder is not None
        assert self._views is not None
        known = self._vectors.pop(namespace, None)
        if known is None:
            known = Vectors(namespace, self._key(self._embedder), self._embedder.dimensions)
        self._vectors[namespace] = known
        if len(self._vectors) > KEPT:
            del self._vectors[next(iter(self._vectors))]
        known.refresh(self._views.connection)
        return known.nearest(vector, depth, among)

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
        return self._views

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
