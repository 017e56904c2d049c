"""What namespaces remember: searched here, written by `Memories`; each memory is a record."""

import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from playhead.actors.verdicts import append_event
from playhead.events.errors import UsageError
from playhead.events.learning import MemoryForgotten, MemoryStored
from playhead.events.log import Log, Reader
from playhead.projections.recall import Memory, Recall, search
from playhead.projections.views import Views, views_path


class Recollection:
    """The memories of a log, searched; for any thread. Nothing is opened before the first search.

    The index is stored beside the log; in memory where there is no file, or it cannot be written.
    """

    def __init__(self, log: Reader) -> None:
        self._reader = log
        self._views: Views | None = None
        self.reached = 0
        """The position in the log up to which the last search saw everything."""
        self._lock = threading.Lock()

    def recall(
        self,
        query: str,
        namespace: str,
        limit: int = 5,
        metadata: Mapping[str, str] | None = None,
        forks: Sequence[str] = (),
    ) -> list[Memory]:
        """The memories of a namespace that are nearest to the query; these forks' own too."""
        with self._lock:
            return search(self._caught_up().connection, query, namespace, limit, metadata, forks)

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

    def _caught_up(self) -> Views:
        if self._views is None:
            path = getattr(self._reader, "path", None)
            stored = isinstance(path, Path) and os.access(path.parent, os.W_OK)
            where = views_path(path) if isinstance(path, Path) and stored else ":memory:"
            self._views = Views(self._reader, where, [Recall()])
        self.reached = self._views.catch_up()
        return self._views

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Memories(Recollection):
    """Those of a log that this process owns: more can be stored, and forgotten."""

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self._log = log

    def remember(
        self, text: str, namespace: str, metadata: Mapping[str, str], importance: float
    ) -> str:
        """Store a memory; its id. Raises UsageError."""
        if not text.strip() or not namespace.strip() or not 0 <= importance <= 1:
            msg = "a memory needs a text, a namespace, and an importance from 0 to 1"
            raise UsageError(msg)
        event = MemoryStored(
            id=secrets.token_hex(6), namespace=namespace, text=text, metadata=dict(metadata),
            importance=importance,
        )  # fmt: skip
        append_event(self._log, event, time.time_ns() // 1000, namespace=namespace)
        return event.id

    def forget(self, memory: str, reason: str) -> None:
        """Recall a memory no more. Raises UsageError for one that there is not."""
        namespace = self.namespace_of(memory)
        if namespace is None:
            msg = f"no memory {memory!r} (`playhead memory search` lists ids)"
            raise UsageError(msg)
        event = MemoryForgotten(id=memory, namespace=namespace, reason=reason)
        append_event(self._log, event, time.time_ns() // 1000, namespace=namespace)
