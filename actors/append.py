"""Statements about a run after it has ended; they are stored in the runtime stream."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from playhead.events.codec import decode, seal
from playhead.events.errors import UsageError
from playhead.events.event import Event
from playhead.events.kinds.tool_calls import AttemptStarted, ToolOutcomeUnknown
from playhead.events.log.contract import ANY, RUNTIME_STREAM, Append, Log, Reader, StreamKind
from playhead.events.record import GENESIS, Actor, Origin, Record, Stored


def unknown_call(log: Reader, run: str, call: int) -> None:
    """Raise UsageError unless the call's outcome is unknown."""
    intents: dict[int, int] = {}
    unknown: set[int] = set()
    for row in log.read(run):
        event = decode(row, log.body).event
        if isinstance(event, AttemptStarted):
            intents[row.seq] = event.call
        elif isinstance(event, ToolOutcomeUnknown):
            unknown.add(intents[row.cause or 0])
    if call not in unknown:
        calls = ", ".join(map(str, sorted(unknown))) or "none"
        msg = f"call {call} of run {run} has no unknown outcome (calls that have: {calls})"
        raise UsageError(msg)


class Statement(NamedTuple):
    """An event to append, and who made it."""

    event: Event
    actor: Actor = "user"
    origin: Origin = "outside"
    cause: int | None = None


def append_event(
    log: Log, event: Event, at: int, command: str | None = None, namespace: str | None = None
) -> None:
    """Append a statement about an ended run to the runtime stream; returns when durable."""
    append_all(log, [Statement(event)], at, command, namespace)


def append_all(
    log: Log,
    said: Sequence[Statement],
    at: int,
    command: str | None = None,
    namespace: str | None = None,
    stream: str = RUNTIME_STREAM,
) -> int:
    """Append all statements at once to a namespace's or another stream; the seq of the last.

    Returns when durable. `command` is the command id of the first one.
    """
    position = submit_all(log, said, at, command, namespace, stream).result()
    if isinstance(position, Exception):
        raise position
    return next(log.follow(position - 1, 1)).seq


def submit_all(
    log: Log,
    said: Sequence[Statement],
    at: int,
    command: str | None = None,
    namespace: str | None = None,
    stream: str = RUNTIME_STREAM,
    kind: StreamKind = "runtime",
) -> Future[int | Exception]:
    """As `append_all`, without waiting: the position of the last one, or the error."""
    if namespace is not None:
        stream, kind = f"memory/{namespace}", "memory"
    rows: list[Stored] = []
    bodies: dict[str, bytes] = {}
    for event, actor, origin, cause in said:
        record = Record(
            stream, 0, at, actor, origin, cause, event, command=None if rows else command
        )
        row, its_bodies = seal(record, GENESIS)
        rows.append(row)
        bodies.update(its_bodies)
    done: Future[int | Exception] = Future()
    log.submit(Append(stream, ANY, tuple(rows), bodies, kind), done.set_result)
    return done
