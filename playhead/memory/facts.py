"""The facts that a log's runs have learned, and the retraction of records with all they led to."""

import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playhead.actors.append import append_event
from playhead.events.codec import decode
from playhead.events.errors import UsageError
from playhead.events.kinds.facts import FactLearned, FactRetracted, LearningsPromoted, RecordRef
from playhead.events.kinds.memory import MemoryStored
from playhead.events.log.contract import Log, Reader
from playhead.memory.influence import Influenced, influence
from playhead.projections.memory.facts import Facts
from playhead.projections.stored.view import Views, views_path

NAMESPACE = "default"
"""The stream that records people's retractions: memory/default."""

_folding = threading.Lock()


@dataclass(frozen=True, slots=True)
class Retraction:
    """What was retracted, and what had used it."""

    facts: list[RecordRef]
    influenced: list[Influenced]
    memories: list[str]
    """The memories stored from it; they are no longer recalled."""

    @property
    def runs(self) -> list[str]:
        """The runs that had used it, oldest first."""
        return list(dict.fromkeys(each.run for each in self.influenced))


@contextmanager
def facts_view(log: Reader) -> Generator[Views]:
    """The stored facts, up to date; in memory if there is no file or it is not writable."""
    found = getattr(log, "path", None)
    path = Path(found) if found is not None else None
    with _folding:
        stored = path is not None and os.access(path.parent, os.W_OK)
        where = views_path(path) if path is not None and stored else ":memory:"
        views = Views(log, where, [Facts()])
        try:
            views.catch_up()
            yield views
        finally:
            views.close()


def retract(log: Log, run: str, seq: int, reason: str = "") -> Retraction:
    """Retract a record: a fact, a memory, or a source of either. Raises UsageError."""
    touched = influence(log, run, seq)
    itself = Influenced(run, seq, decode(next(log.read(run, seq - 1, seq)), log.body).event)
    gone = [t for t in (itself, *touched) if isinstance(t.event, FactLearned | MemoryStored)]
    facts = [RecordRef(run=t.run, seq=t.seq) for t in gone if isinstance(t.event, FactLearned)]
    memories = [t.event.id for t in gone if isinstance(t.event, MemoryStored)]
    others = [t for t in touched if not isinstance(t.event, FactLearned | MemoryStored)]
    event = FactRetracted(
        run=run, seq=seq, reason=reason, facts=tuple(facts), memories=tuple(memories),
        influenced=tuple(RecordRef(run=t.run, seq=t.seq) for t in others),
    )  # fmt: skip
    append_event(log, event, time.time_ns() // 1000, namespace=NAMESPACE)
    return Retraction(facts, others, memories)


def promote(log: Log, run: str, reason: str = "") -> None:
    """Make everything that a fork has learned and stored visible. Raises UsageError."""
    stream = log.stream(run)
    if stream is None or stream.parent_seq is None:
        msg = f"run {run} is not a fork: what it has learned is visible already"
        raise UsageError(msg)
    append_event(log, LearningsPromoted(run=run, reason=reason), time.time_ns() // 1000)
