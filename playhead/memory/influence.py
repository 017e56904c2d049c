"""What had used a record, over all runs of a log: in its own run, and in runs that it reached.

It spreads between runs through sessions, forks, child runs and their parents, and the facts and
memories that runs of a namespace receive. Runs are examined again until nothing is added.
"""

from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from playhead.actors.engine.load_state import load_state
from playhead.events.codec import decode
from playhead.events.errors import UsageError
from playhead.events.event import Event
from playhead.events.kinds.facts import FactLearned
from playhead.events.kinds.memory import MemoryStored
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Reader
from playhead.events.record import Record
from playhead.projections.history.influence import Mark, spread
from playhead.projections.state.run_state import RunState


@dataclass(frozen=True, slots=True)
class Influenced:
    """A record that had used another one."""

    run: str
    seq: int
    event: Event


@dataclass(frozen=True, slots=True)
class _Began:
    """A run, and its links to other runs."""

    run: str
    before: frozenset[str]
    """The runs that it continues, or that started it."""
    namespace: str


def influence(log: Reader, run: str, seq: int) -> list[Influenced]:
    """What had used a record, run by run, in the order in which the runs began.

    Raises UsageError if the record does not exist.
    """
    if not 1 <= seq <= log.head(run).seq:
        msg = f"run {run} has the records 1 to {log.head(run).seq}: there is no record {seq}"
        raise UsageError(msg)
    first = decode(next(log.read(run, seq - 1, seq)), log.body).event
    spreading = _Spreading(log, {(run, seq)}, {run})
    spreading.note(first)
    runs = list(_runs(log))
    after: defaultdict[str, set[str]] = defaultdict(set)
    for each in runs:
        for link in each.before:
            after[link].add(each.run)
    grown = True
    while grown:
        before = len(spreading.marks)
        for each in runs:
            spreading.look_at(each, each.before | after[each.run])
        grown = len(spreading.marks) > before
    return [touched for each in runs for touched in spreading.found.get(each.run, {}).values()]


@dataclass(slots=True)
class _Spreading:
    """The influenced records found so far."""

    log: Reader
    marks: set[Mark]
    reached: set[str]
    """Runs with a marked record."""
    namespaces: set[str] = field(default_factory=set[str])
    """Namespaces that hold a marked fact or memory."""
    found: dict[str, dict[int, Influenced]] = field(default_factory=dict)
    looked: dict[str, int] = field(default_factory=dict[str, int])
    """Run -> how much was marked when it was last examined."""

    def look_at(self, each: _Began, near: Set[str]) -> None:
        """Spread through a run, if something marked may have reached it."""
        received = bool(each.namespace) and each.namespace in self.namespaces
        tied = each.run in self.reached or bool(near & self.reached) or received
        if not tied or self.looked.get(each.run) == len(self.marks):
            return
        for record in _spread(self.log, each.run, self.marks):
            touched = Influenced(each.run, record.seq, record.event)
            self.found.setdefault(each.run, {})[record.seq] = touched
            self.reached.add(each.run)
            self.note(record.event)
        self.looked[each.run] = len(self.marks)

    def note(self, event: Event) -> None:
        """Remember the namespaces whose runs may receive it."""
        if isinstance(event, FactLearned | MemoryStored):
            self.namespaces.add(event.namespace)


def _runs(log: Reader) -> Iterator[_Began]:
    for stream in log.streams():
        row = next(log.read(stream.id, 0, 1), None) if stream.kind == "run" else None
        event = None if row is None else decode(row, log.body).event
        if isinstance(event, RunStarted):
            links = (event.past and event.past.run, event.parent and event.parent.run)
            before = {link for link in (*links, stream.parent) if link}
            yield _Began(stream.id, frozenset(before), event.agent.memory.namespace)


def _spread(log: Reader, run: str, marks: set[Mark]) -> Iterator[Record]:
    """The run's own influenced records; not those that a fork shares with its parent."""
    state = RunState(run, load_state(log, run, 0).past)
    records = (decode(row, log.body) for row in log.read(run))
    return (record for record in spread(state, records, marks) if record.run == run)
