"""Storing memories, and their vectors: each a record in the stream memory/NAMESPACE.

    MemoryStored + EmbedRequested (one append) -> the embedder -> Embedded

What has no vector yet gets one at the next recall: what a run stored, what an embedder failed at,
everything once the embedder is another.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from playhead.actors.append import Statement, append_all, append_event
from playhead.events.errors import UsageError
from playhead.events.kinds.memory import Embedded, EmbedRequested, MemoryForgotten, MemoryStored
from playhead.events.log.contract import Log
from playhead.memory.search import Recollection, logger
from playhead.tools.models.embedders import Embedder, EmbedError, unit_vectors

TOGETHER = 256
"""Memories of one append, and texts of one call of the embedder."""

T = TypeVar("T")

DUE = (
    "SELECT id, text FROM recall WHERE namespace = ? AND position > ? AND NOT EXISTS"
    " (SELECT 1 FROM recall_vectors AS v WHERE v.position = recall.position AND embedder = ?)"
)


class NewMemory(NamedTuple):
    """Something to remember."""

    text: str
    metadata: Mapping[str, str] = {}
    """For filters."""
    importance: float = 0.5
    """From 0 to 1."""


class Memories(Recollection):
    """Those of a log that this process owns: more can be stored, and forgotten."""

    def __init__(
        self,
        log: Log,
        embedder: Embedder | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        super().__init__(log, embedder, redact)
        self._log = log
        self._checked: dict[str, int] = {}
        self._embedding: dict[str, threading.Lock] = {}

    def remember(
        self, text: str, namespace: str, metadata: Mapping[str, str], importance: float
    ) -> str:
        """Store a memory; its id. Raises UsageError."""
        return self.remember_all([NewMemory(text, metadata, importance)], namespace)[0]

    def remember_all(self, memories: Sequence[NewMemory], namespace: str) -> list[str]:
        """Store memories; their ids, in order. Raises UsageError before any is stored."""
        for text, _, importance in memories:
            if not text.strip() or not namespace.strip() or not 0 <= importance <= 1:
                msg = "a memory needs a text, a namespace, and an importance from 0 to 1"
                raise UsageError(msg)
        stored = [
            MemoryStored(
                id=secrets.token_hex(6), namespace=namespace, text=self._redact(memory.text),
                metadata={key: self._redact(value) for key, value in memory.metadata.items()},
                importance=memory.importance,
            )
            for memory in memories
        ]  # fmt: skip
        with self._embedding_of(namespace):
            for some in _chunks(stored):
                self._embed(namespace, [(each.id, each.text) for each in some], some)
        return [each.id for each in stored]

    def forget(self, memory: str, reason: str) -> None:
        """Recall a memory no more. Raises UsageError for one that there is not."""
        namespace = self.namespace_of(memory)
        if namespace is None:
            msg = f"no memory {memory!r} (`playhead memory search` lists ids)"
            raise UsageError(msg)
        event = MemoryForgotten(id=memory, namespace=namespace, reason=reason)
        append_event(self._log, event, _now(), namespace=namespace)

    def _embedding_of(self, namespace: str) -> threading.Lock:
        """Held while vectors are made: an intent that is open without it was interrupted."""
        return self._embedding.setdefault(namespace, threading.Lock())

    def _before_search(self, namespace: str) -> None:
        """Give vectors to those memories that have none by this embedder."""
        if self._embedder is None:
            return
        with self._embedding_of(namespace):
            after = self._checked.get(namespace, 0)
            with self._lock:
                connection = self._caught_up().connection
                values = [namespace, after, self._key(self._embedder)]
                due = connection.execute(DUE, values).fetchall()
                reached = self.reached
                query = "SELECT seq FROM recall_asked WHERE run = ?"
                cut_off = connection.execute(query, [f"memory/{namespace}"]).fetchall()
            for (seq,) in cut_off if due else ():
                self._append_vectors(namespace, Embedded(error="interrupted"), seq)
            for some in _chunks(due):
                if not self._embed(namespace, some):
                    return
            self._checked[namespace] = reached

    def _embed(
        self,
        namespace: str,
        texts: Sequence[tuple[str, str]],
        stored: Sequence[MemoryStored] = (),
    ) -> bool:
        """Store, and have vectors made of (id, text); whether they were."""
        said = [Statement(each) for each in stored]
        if self._embedder is None:
            append_all(self._log, said, _now(), namespace=namespace)
            return False
        asked = EmbedRequested(
            memories=tuple(memory for memory, _ in texts), embedder=self._embedder.name,
            version=self._embedder.version, dimensions=self._embedder.dimensions,
        )  # fmt: skip
        asking = [*said, Statement(asked, "runtime")]
        seq = append_all(self._log, asking, _now(), namespace=namespace)
        try:
            vectors = unit_vectors(self._embedder, [text for _, text in texts])
        except EmbedError as error:
            logger.warning("memory.not_embedded", namespace=namespace, error=str(error))
            told = str(error).encode("utf-8", "replace").decode()[:500]
            self._append_vectors(namespace, Embedded(error=told), seq)
            return False
        self._append_vectors(namespace, Embedded(vectors=vectors), seq)
        return True

    def _append_vectors(self, namespace: str, embedded: Embedded, seq: int) -> None:
        outcome = Statement(embedded, "memory", "effect", seq)
        append_all(self._log, [outcome], _now(), namespace=namespace)


def _now() -> int:
    return time.time_ns() // 1000


def _chunks(items: Sequence[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, TOGETHER)):
        yield some
