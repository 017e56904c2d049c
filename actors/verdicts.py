"""What people say about a run after it: it lies in the runtime stream, since the run has ended."""

from concurrent.futures import Future

from playhead.events.errors import HeadMoved, UsageError
from playhead.events.event import Event
from playhead.events.kinds import decode, seal
from playhead.events.log import RUNTIME_STREAM, Append, Log, Reader, StreamKind
from playhead.events.record import Record
from playhead.events.tool_calls import ToolOutcomeUnknown, ToolStarted


def unknown_call(log: Reader, run: str, call: int) -> None:
    """Raise UsageError unless the call's outcome is unknown."""
    intents: dict[int, int] = {}
    unknown: set[int] = set()
    for row in log.read(run):
        event = decode(row, log.body).event
        if isinstance(event, ToolStarted):
            intents[row.seq] = event.call
        elif isinstance(event, ToolOutcomeUnknown):
            unknown.add(intents[row.cause or 0])
    if call not in unknown:
        calls = ", ".join(map(str, sorted(unknown))) or "none"
        msg = f"call {call} of run {run} has no unknown outcome (calls that have: {calls})"
        raise UsageError(msg)


def append_event(
    log: Log, event: Event, at: int, command: str | None = None, namespace: str | None = None
) -> None:
    """Append what somebody says after the end to the runtime's stream; returns when durable."""
    stream = RUNTIME_STREAM if namespace is None else f"memory/{namespace}"
    kind: StreamKind = "runtime" if namespace is None else "memory"
    for _ in range(16):
        head = log.head(stream)
        record = Record(stream, head.seq + 1, at, "user", "outside", None, event, command=command)
        row, bodies = seal(record, head.hash)
        done: Future[int | Exception] = Future()
        log.submit(Append(stream, head, (row,), bodies, kind), done.set_result)
        result = done.result()
        if not isinstance(result, Exception):
            return
        if not isinstance(result, HeadMoved):
            raise result
    msg = f"{stream} is being written to by others all the time: try again"
    raise UsageError(msg)
