"""`runtime.memory`: the facts and memories of a log, across its runs.

Memories and their vectors are records in the stream memory/NAMESPACE:

    MemoryStored + EmbedRequested (one append) -> the embedder -> Embedded

A memory without a vector gets one at the next recall: memories stored by runs, those for which the
embedder failed, and all of them after a change of the embedder.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from playhead.actors.append import Statement, append_all, append_event
from playhead.events.errors import UsageError
from playhead.events.kinds.memory import (
    Embedded,
    EmbedRequested,
    MemoryForgotten,
    MemoryStored,
    NamespaceForgotten,
)
from playhead.events.log.contract import Log
from playhead.events.log.find_run import find_run
from playhead.events.spec.memory import Scope
from playhead.memory.facts import Retraction, facts_view, promote, retract
from playhead.memory.index import DEFAULT, MemoryIndex, logger
from playhead.projections.memory.facts import Fact, find_facts
from playhead.projections.memory.filter import Filter
from playhead.projections.memory.hits import MemoryHit
from playhead.projections.memory.listing import MemoryPage
from playhead.projections.memory.search import Ranking
from playhead.tools.models.embedders import Embedder, EmbedError, unit_vectors

TOGETHER = 256
"""Maximum memories per append, and texts per call of the embedder."""

T = TypeVar("T")


class NewMemory(NamedTuple):
    """A memory to store."""

    text: str
    metadata: Mapping[str, str] = {}
    """Used by filters."""
    importance: float = 0.5
    """From 0 to 1."""
    at: int | datetime | None = None
    """When it was true or said: microseconds since the epoch, or a datetime with a time zone; None:
    when it is stored."""
    by: str = ""
    """Who said it."""
    supersedes: str | Sequence[str] = ()
    """The ids of memories that are out of date now."""


class Memory:
    """The facts and memories of a log that this process owns; usable from any thread."""

    def __init__(
        self,
        log: Log,
        embedder: Embedder | None = None,
        redact: Callable[[str], str] = str,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`check` raises if a call is not allowed (any of them may block)."""
        self._check = check
        self._log = log
        self._embedder = embedder
        self._redact = redact
        self.index = MemoryIndex(log, embedder, redact, self._embed_missing)
        """The search, which runs use too."""
        self._checked: dict[str, int] = {}
        self._embedding: dict[str, threading.Lock] = {}

    def remember(
        self,
        text: str,
        namespace: str,
        *,
        metadata: Mapping[str, str] | None = None,
        importance: float = 0.5,
        at: int | datetime | None = None,
        by: str = "",
        supersedes: str | Sequence[str] = (),
    ) -> str:
        """Store a text in a namespace (a user, a customer, a project); the memory's id.

        Args:
            text: what to remember.
            namespace: whose memory it is.
            metadata: for filters.
            importance: from 0 to 1.
            at: when it was true or said (microseconds since the epoch, or a datetime with a time
                zone), if that is not now.
            by: who said it.
            supersedes: the ids of memories of the namespace that are out of date now: this one
                comes before them from now on.

        Raises UsageError.
        """
        new = NewMemory(text, metadata or {}, importance, at, by, supersedes)
        return self.remember_all([new], namespace)[0]

    def remember_all(self, memories: Iterable[NewMemory | str], namespace: str) -> list[str]:
        """Store many texts at once, thousands per second; their ids, in order.

        Raises UsageError before any is stored.
        """
        self._check()
        new = [NewMemory(each) if isinstance(each, str) else each for each in memories]
        for memory in new:
            if not memory.text.strip() or not namespace.strip() or not 0 <= memory.importance <= 1:
                msg = "a memory needs a text, a namespace, and an importance from 0 to 1"
                raise UsageError(msg)
        self._check_superseded(new, namespace)
        stored = [
            MemoryStored(
                id=secrets.token_hex(6), namespace=namespace, text=self._redact(memory.text),
                metadata={key: self._redact(value) for key, value in memory.metadata.items()},
                importance=memory.importance, said_at=_microseconds(memory.at),
                said_by=self._redact(memory.by), supersedes=_ids(memory.supersedes),
            )
            for memory in new
        ]  # fmt: skip
        with self._embedding_of(namespace):
            for some in _chunks(stored):
                self._embed(namespace, [(each.id, each.text) for each in some], some)
        return [each.id for each in stored]

    def recall(
        self,
        query: str,
        namespace: str,
        *,
        limit: int = 5,
        metadata: Mapping[str, str] | None = None,
        since: int | None = None,
        until: int | None = None,
        as_of: int | None = None,
        ranking: Ranking = DEFAULT,
    ) -> list[MemoryHit]:
        """The memories of one namespace that share words or meaning with the query, best first.

        What several memories say in the same words takes one place, with its `occurrences`.

        Args:
            query: what to look for.
            namespace: whose memories.
            limit: how many at most.
            metadata: what a memory must have.
            since: only what was said from then on, in microseconds since the epoch.
            until: only what was said before then.
            as_of: what was known at this position of the log: what was stored, superseded or
                forgotten later plays no part.
            ranking: the weights of the parts of the score.
        """
        self._check()
        return self.index.recall(
            query, namespace, limit, metadata, ranking=ranking, since=since, until=until,
            as_of=as_of,
        )  # fmt: skip

    def memories(
        self,
        namespace: str,
        *,
        limit: int = 100,
        after: int | None = None,
        metadata: Mapping[str, str] | None = None,
        since: int | None = None,
        until: int | None = None,
        as_of: int | None = None,
    ) -> MemoryPage:
        """What a namespace remembers, newest first, page by page, with how many there are.

        `after`: the `next` of the page before. The filters are those of `recall`.
        """
        self._check()
        where = Filter(namespace, metadata or {}, since, until, as_of=as_of)
        return self.index.page(where, limit, after)

    def namespaces(self) -> dict[str, int]:
        """Each namespace that remembers something, and how many memories it has."""
        self._check()
        return self.index.namespaces()

    def export(self, namespace: str) -> Iterator[dict[str, Any]]:
        """Everything that a namespace remembers, oldest first, as plain values for JSON.

        Each holds what `NewMemory` takes, its id, and the record that it comes from.
        """
        self._check()
        yield from self.index.export(namespace)

    def forget(self, memory: str, reason: str = "") -> None:
        """Stop recalling a memory; it stays in the log. Raises UsageError."""
        self._check()
        namespace = self.index.namespace_of(memory)
        if namespace is None:
            msg = f"no memory {memory!r} (`playhead memory search` lists ids)"
            raise UsageError(msg)
        event = MemoryForgotten(id=memory, namespace=namespace, reason=reason)
        append_event(self._log, event, _now(), namespace=namespace)

    def forget_namespace(self, namespace: str, reason: str = "") -> int:
        """Stop recalling all that a namespace has remembered and learned; how many memories.

        It stays in the log. What is remembered afterwards is recalled. Raises UsageError for a
        namespace that remembers and has learned nothing.
        """
        self._check()
        count = self.index.page(Filter(namespace), 0).total
        if not count and not self._learned(namespace):
            msg = f"{namespace!r} remembers nothing (`playhead memory list` shows all namespaces)"
            raise UsageError(msg)
        event = NamespaceForgotten(namespace=namespace, reason=reason)
        append_event(self._log, event, _now(), namespace=namespace)
        return count

    def facts(self, entity: str | None = None, as_of: int | None = None) -> list[Fact]:
        """The facts learned about an entity, or about all: now, or at a log position."""
        self._check()
        with facts_view(self._log) as views:
            return find_facts(views.connection, entity, as_of)

    def retract(self, run: str, seq: int, reason: str = "") -> Retraction:
        """Retract a record (a tool's result, a fact, a memory) and everything derived from it.

        That includes every fact and memory stored after the record had been seen. The result lists
        what had used it. Raises UsageError for a record that does not exist.
        """
        self._check()
        return retract(self._log, run, seq, reason)

    def promote(self, run: str, reason: str = "") -> None:
        """Make what a fork has learned and stored so far visible, like that of any other run.

        Until then it stays in the fork and in the runs that the fork started. Raises UsageError
        for a run that is not a fork.
        """
        self._check()
        promote(self._log, find_run(self._log, run), reason)

    def close(self) -> None:
        """Close the index."""
        self.index.close()

    def _learned(self, namespace: str) -> list[Fact]:
        with facts_view(self._log) as views:
            return find_facts(views.connection, namespace=namespace)

    def _check_superseded(self, new: Sequence[NewMemory], namespace: str) -> None:
        ids = [memory for each in new for memory in _ids(each.supersedes)]
        missing = self.index.missing(Scope(namespace), ids) if ids else []
        if missing:
            msg = (
                f"the namespace {namespace!r} has no memory {missing[0]!r} that could be superseded"
                " (`playhead memory search` lists ids)"
            )
            raise UsageError(msg)

    def _embedding_of(self, namespace: str) -> threading.Lock:
        """Held while vectors are computed: an intent that is open without it was interrupted."""
        return self._embedding.setdefault(namespace, threading.Lock())

    def _embed_missing(self, namespace: str) -> None:
        """Compute vectors for the memories that have none from this embedder."""
        with self._embedding_of(namespace):
            after = self._checked.get(namespace, 0)
            due, cut_off, reached = self.index.without_vector(namespace, after)
            for seq in cut_off if due else ():
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
        """Store, and compute vectors of (id, text); returns whether that succeeded."""
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


def _ids(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _microseconds(at: int | datetime | None) -> int | None:
    if not isinstance(at, datetime):
        return at
    if at.tzinfo is None:
        msg = f"at={at!r} has no time zone: say datetime(..., tzinfo=UTC), or another one"
        raise UsageError(msg)
    return round(at.timestamp() * 1_000_000)


def _chunks(items: Sequence[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, TOGETHER)):
        yield some
