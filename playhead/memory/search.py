"""The memories of a log, searched, without writing to it: by words, and by recorded vectors."""

import base64
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from playhead.events.log.contract import Reader
from playhead.events.logger import ProgramLogger
from playhead.projections.memory.index import Recall, embedder_key
from playhead.projections.memory.search import Filter, MemoryHit, Ranking, SearchResult, search
from playhead.projections.stored.view import Views, views_path
from playhead.tools.models.embedders import Embedder, EmbedError, unit_vectors

if TYPE_CHECKING:
    from playhead.projections.memory.vectors import Vectors  # needs numpy

KEPT = 64
"""So many namespaces' vectors stay in memory, those used last."""

BY_RANK = Ranking()

logger = ProgramLogger("playhead.memory")


class Recollection:
    """The memories of a log, searched; for any thread. Nothing is opened before the first search.

    The index is stored beside the log; in memory where there is no file, or it cannot be written.
    """

    def __init__(
        self,
        log: Reader,
        embedder: Embedder | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._reader = log
        self._embedder = embedder
        self._redact = redact
        self._views: Views | None = None
        self.reached = 0
        """The position in the log up to which the last search saw everything."""
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
        """The memories of a namespace that are nearest to the query, the best first.

        What a fork keeps to itself is left out, but for these forks. Times are in microseconds
        since the epoch. An embedder that fails is told to the program's log, and the words alone
        count. May block on the embedder.
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

    def namespace_of(self, memory: str) -> str | None:
        """The namespace that remembers it; None when none does."""
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

    def _before_search(self, namespace: str) -> None:
        """Called before a search by meaning, by whoever may write."""

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
        """What is nearest by meaning. Under the lock."""
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
        """The view, as far as the log goes. Under the lock."""
        if self._views is None:
            path = getattr(self._reader, "path", None)
            stored = isinstance(path, Path) and os.access(path.parent, os.W_OK)
            where = views_path(path) if isinstance(path, Path) and stored else ":memory:"
            self._views = Views(self._reader, where, [Recall()])
        self.reached = self._views.catch_up()
        # Another process with other code may have made the tables anew: they count from 1 again.
        (schema,) = self._views.connection.execute("PRAGMA schema_version").fetchone()
        if schema != self._schema:
            self._schema = schema
            self._vectors.clear()
        return self._views

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
