"""What people give a namespace to remember, and searching it: each a record in memory/NAMESPACE."""

import os
import secrets
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playhead.actors.verdicts import append_event
from playhead.events.errors import UsageError
from playhead.events.learning import MemoryForgotten, MemoryStored
from playhead.events.log import Log, Reader
from playhead.projections.recall import Memory, Recall, search
from playhead.projections.views import Views, views_path

_folding = threading.Lock()


@contextmanager
def recall_view(log: Reader) -> Generator[Views]:
    """The stored memories, caught up; in memory where there is no file, or it cannot be written."""
    path = getattr(log, "path", None)
    with _folding:
        stored = isinstance(path, Path) and os.access(path.parent, os.W_OK)
        where = views_path(path) if isinstance(path, Path) and stored else ":memory:"
        views = Views(log, where, [Recall()])
        try:
            views.catch_up()
            yield views
        finally:
            views.close()


def remember(
    log: Log, text: str, namespace: str, metadata: Mapping[str, str], importance: float
) -> str:
    """Store a memory; its id. Raises UsageError."""
    if not text.strip() or not namespace.strip() or not 0 <= importance <= 1:
        msg = "a memory needs a text, a namespace, and an importance from 0 to 1"
        raise UsageError(msg)
    event = MemoryStored(
        id=secrets.token_hex(6), namespace=namespace, text=text, metadata=dict(metadata),
        importance=importance,
    )  # fmt: skip
    append_event(log, event, time.time_ns() // 1000, namespace=namespace)
    return event.id


def recall(
    log: Reader, query: str, namespace: str, limit: int, metadata: Mapping[str, str]
) -> list[Memory]:
    """The memories of a namespace that are nearest to the query."""
    with recall_view(log) as views:
        return search(views.connection, query, namespace, limit, metadata)


def forget(log: Log, memory: str, reason: str) -> None:
    """Recall a memory no more. Raises UsageError for one that there is not."""
    with recall_view(log) as views:
        query = "SELECT namespace FROM recall WHERE id = ?"
        found = views.connection.execute(query, [memory]).fetchone()
    if found is None:
        msg = f"no memory {memory!r} (`playhead memory search` lists ids)"
        raise UsageError(msg)
    event = MemoryForgotten(id=memory, namespace=found[0], reason=reason)
    append_event(log, event, time.time_ns() // 1000, namespace=found[0])
