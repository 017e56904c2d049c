"""What a log's runs have learned, and how something is taken back with all that derives from it."""

import os
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playhead.actors.memory import recollect
from playhead.actors.verdicts import append_event
from playhead.events.errors import UsageError
from playhead.events.event import Event
from playhead.events.kinds import decode
from playhead.events.learning import FactLearned, FactRetracted, Place
from playhead.events.log import Log, Reader
from playhead.events.record import Record
from playhead.projections.facts import Fact, Facts, find_facts
from playhead.projections.influence import Mark, spread
from playhead.projections.run_state import RunState
from playhead.projections.views import Views, views_path

NAMESPACE = "default"
"""Where what people take back is said: the stream memory/default."""

_folding = threading.Lock()


@dataclass(frozen=True, slots=True)
class Influenced:
    """A record that had used another one."""

    run: str
    seq: int
    event: Event


@dataclass(frozen=True, slots=True)
class Retraction:
    """What was taken back, and what had used it."""

    facts: list[Place]
    influenced: list[Influenced]

    @property
    def runs(self) -> list[str]:
        """The runs that had used it, oldest first."""
        return list(dict.fromkeys(each.run for each in self.influenced))


@contextmanager
def facts_view(log: Reader) -> Generator[Views]:
    """The stored facts, caught up; in memory where there is no file, or it cannot be written."""
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


def known(log: Reader, entity: str | None = None, as_of: int | None = None) -> list[Fact]:
    """What is known now, or was at a position of the log."""
    with facts_view(log) as views:
        return find_facts(views.connection, entity, as_of)


def influence(log: Reader, run: str, seq: int) -> list[Influenced]:
    """What had used a record: in its run, and in the later runs of its session.

    Raises UsageError for a record that there is not.
    """
    if not 1 <= seq <= log.head(run).seq:
        msg = f"run {run} has the records 1 to {log.head(run).seq}: there is no record {seq}"
        raise UsageError(msg)
    marks: set[Mark] = {(run, seq)}
    touched: list[Influenced] = []
    reached = {run}
    for each in _runs_from(log, run):
        first = next(_records(log, each), None)
        past = getattr(first and first.event, "past", None)
        if each != run and (past is None or past.run not in reached):
            continue
        reached.add(each)
        state = RunState(each, recollect(log, each, 0).past)
        found = spread(state, _records(log, each), marks)
        touched += [Influenced(each, record.seq, record.event) for record in found]
    return touched


def retract(log: Log, run: str, seq: int, reason: str = "") -> Retraction:
    """Take back a record: a fact, or what facts derive from. Raises UsageError."""
    touched = influence(log, run, seq)
    facts = [Place(run=t.run, seq=t.seq) for t in touched if isinstance(t.event, FactLearned)]
    itself = next(_records(log, run, seq - 1), None)
    if itself is not None and isinstance(itself.event, FactLearned):
        facts.insert(0, Place(run=run, seq=seq))
    others = [t for t in touched if not isinstance(t.event, FactLearned)]
    event = FactRetracted(
        run=run, seq=seq, reason=reason, facts=tuple(facts),
        influenced=tuple(Place(run=t.run, seq=t.seq) for t in others),
    )  # fmt: skip
    append_event(log, event, time.time_ns() // 1000, namespace=NAMESPACE)
    return Retraction(facts, others)


def _records(log: Reader, run: str, after: int = 0) -> Iterator[Record]:
    return (decode(row, log.body) for row in log.read(run, after))


def _runs_from(log: Reader, run: str) -> Iterator[str]:
    """The run, and those that began after it."""
    begun = False
    for stream in log.streams():
        begun = begun or stream.id == run
        if begun and stream.kind == "run":
            yield stream.id
