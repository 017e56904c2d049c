"""What people say about a run after it: it lies in the runtime stream, since the run has ended."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from playhead.events.errors import HeadMoved, UsageError
from playhead.events.event import Event
from playhead.events.kinds.codec import decode, seal
from playhead.events.kinds.tool_calls import AttemptStarted, ToolOutcomeUnknown
from playhead.events.log.contract import RUNTIME_STREAM, Append, Head, Log, Reader, StreamKind
from playhead.events.record import Actor, Origin, Record, Stored


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
    """An event to append, and who brings it."""

    event: Event
    actor: Actor = "user"
    origin: Origin = "outside"
    cause: int | None = None


def append_event(
    log: Log, event: Event, at: int, command: str | None = None, namespace: str | None = None
) -> None:
    """Append what somebody says after the end to the runtime's stream; returns when durable."""
    append_all(log, [Statement(event)], at, command, namespace)


def append_all(
    log: Log,
    said: Sequence[Statement],
    at: int,
    command: str | None = None,
    namespace: str | None = None,
) -> int:
    """Append all of it at once to the runtime's stream, or a namespace's; the last one's seq.

    Returns when durable. `command` is the first one's.
    """
    stream = RUNTIME_STREAM if namespace is None else f"memory/{namespace}"
    kind: StreamKind = "runtime" if namespace is None else "memory"
    for _ in range(16):
        head = log.head(stream)
        rows, bodies = _sealed(stream, head, said, at, command)
        done: Future[int | Exception] = Future()
        log.submit(Append(stream, head, rows, bodies, kind), done.set_result)
        result = done.result()
        if not isinstance(result, Exception):
            return rows[-1].seq
        if not isinstance(result, HeadMoved):
            raise result
    msg = f"{stream} is being written to by others all the time: try again"
    raise UsageError(msg)


def _sealed(
    stream: str, head: Head, said: Sequence[Statement], at: int, command: str | None
) -> tuple[tuple[Stored, ...], dict[str, bytes]]:
    rows: list[Stored] = []
    bodies: dict[str, bytes] = {}
    for seq, (event, actor, origin, cause) in enumerate(said, head.seq + 1):
        previous = rows[-1].hash if rows else head.hash
        record = Record(
            stream, seq, at, actor, origin, cause, event, command=None if rows else command
        )
        row, its_bodies = seal(record, previous)
        rows.append(row)
        bodies.update(its_bodies)
    return tuple(rows), bodies
