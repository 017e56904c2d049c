"""Appends for tests of logs: real rows, sealed as the runtime seals them, and written."""

from queue import SimpleQueue

from playhead.events.codec import seal
from playhead.events.event import Event
from playhead.events.kinds.runs import MessageReceived
from playhead.events.log.contract import Append, Head, Log, StreamKind
from playhead.events.record import Record, Stored

BEGIN = 1_700_000_000_000_000
"""Microseconds since the epoch: the time of every run's first record here."""

NOWHERE = Head()


def said(*texts: str) -> list[Event]:
    """One small event for each text."""
    return [MessageReceived(text=text) for text in texts]


def append_of(
    run: str,
    *events: Event,
    after: Head = NOWHERE,
    kind: StreamKind = "run",
    parent: str | None = None,
    parent_seq: int | None = None,
    epoch: int = 0,
    command: str | None = None,
) -> Append:
    """An append of the events on that head."""
    rows: list[Stored] = []
    bodies: dict[str, bytes] = {}
    seq, previous = after
    for event in events:
        seq += 1
        record = Record(
            run, seq, BEGIN + seq, "user", "outside", seq - 1 or None, event, command=command
        )
        row, parts = seal(record, previous)
        command, previous = None, row.hash
        rows.append(row)
        bodies.update(parts)
    return Append(run, after, tuple(rows), bodies, kind, parent, parent_seq, epoch)


def write(log: Log, append: Append) -> int:
    """Append and wait; the position of the last row. Raises the exception given to `done`."""
    outcomes: SimpleQueue[int | Exception] = SimpleQueue()
    log.submit(append, outcomes.put)
    outcome = outcomes.get()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def say(log: Log, run: str, *texts: str) -> int:
    """Append texts at the end of a run."""
    return write(log, append_of(run, *said(*texts), after=log.head(run)))


def fork(log: Log, run: str, parent: str, at: int, *texts: str) -> int:
    """Begin a fork of `parent` after its record `at`."""
    (last,) = log.read(parent, at - 1, at)
    events = said(*texts)
    where = Head(at, last.hash)
    return write(log, append_of(run, *events, after=where, parent=parent, parent_seq=at))
