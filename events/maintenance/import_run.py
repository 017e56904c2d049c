"""Imports an export's runs into a log, in one transaction, without trusting their content.

Each record is marked `imported`, which its hash covers, so the hashes are new. An open run is
parked: it does nothing until someone resumes it by name, with their own agent.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import NamedTuple, cast

from pydantic import BaseModel

from playhead.events.codec import body_refs, decode, seal
from playhead.events.errors import LogDamaged, PlayheadError, UsageError
from playhead.events.event import Event
from playhead.events.kinds.child_runs import ChildStarted
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.runs import RunPaused, RunStarted
from playhead.events.log.contract import Append, Head, Log, Reader, Stream
from playhead.events.log.memory import MemoryLog
from playhead.events.maintenance.erase import marks_of
from playhead.events.maintenance.import_file import TRACE, ImportFile, read_export
from playhead.events.record import GENESIS, Record, Stored
from playhead.events.registry import ENDINGS

NOT_IN_RUNS = frozenset({
    "loss_accepted", "runs_moved", "streams_erased", "tool_pinned", "memory_stored",
    "memory_forgotten", "namespace_forgotten", "fact_retracted", "learnings_promoted",
    "embed_requested", "embedded",
})  # fmt: skip
"""Kinds of the runtime and memory streams."""

PARKED = "imported: `playhead resume RUN --agent MODULE:NAME` takes it up"

AHEAD = 86_400_000_000
"""Microseconds by which another machine's clock may be ahead of ours."""

LARGEST = 1 << 62

Check = Callable[[Reader, str], object]
"""Raises for a run that cannot be folded."""


class Imported(NamedTuple):
    """The result of an import."""

    run: str
    """The run that was exported."""
    runs: tuple[str, ...]
    """Including those that it depends on."""
    records: int
    """Records that are new in the log; 0 if it already had them."""
    redacted: bool
    parked: tuple[str, ...] = ()
    """Open runs: they wait until someone resumes them by name."""


def import_run(
    log: Log,
    lines: Iterable[bytes],
    *,
    with_memory: bool = False,
    check: Check | None = None,
    trusted: bool = False,
    erased: frozenset[str] = frozenset(),
) -> Imported:
    """Import all streams of an export into a log, or none.

    Args:
        log: must not be called on the log's thread.
        lines: of the export.
        with_memory: also import memory and runtime streams; they are not trusted.
        check: called for each run before anything is written.
        erased: hashes of what was erased from the log (`noted`): it is not taken back.
        trusted: the file is one's own: nothing is marked or parked, and the hashes stay.

    Raises LogDamaged for an incomplete or inconsistent export, UsageError if the log has another
    stream of the same name, and LogTooNew.
    """
    file = read_export(lines, memory=with_memory)
    _refuse_erased(file, erased)
    appends = _trusted(file) if trusted else _Marked(file).appends
    _try(appends, file, check)
    new = [append for append in appends if not _is_there(log, append, file)]
    if new:
        _commit(log, new)
    return Imported(
        file.run,
        tuple(file.streams),
        sum(len(append.rows) for append in new),
        file.redacted,
        tuple(append.run for append in new if append.rows[-1].kind == "run_paused"),
    )


def _refuse_erased(file: ImportFile, erased: frozenset[str]) -> None:
    for name, stream in file.streams.items():
        if erased.intersection(marks_of(name, stream.kind, file.rows[name][0])):
            msg = f"{name} was erased from this log: nothing was imported"
            raise UsageError(msg)


def _commit(log: Log, appends: list[Append]) -> None:
    done: Future[int | Exception] = Future()
    log.submit_together(appends, done.set_result)
    outcome = done.result()
    if isinstance(outcome, ValueError):
        msg = f"the export does not fit this log: {outcome}"
        raise LogDamaged(msg) from outcome
    if isinstance(outcome, Exception):
        raise outcome


def _try(appends: list[Append], file: ImportFile, check: Check | None) -> None:
    """Raise LogDamaged unless an empty log accepts everything and each run can be folded there."""
    trial = MemoryLog()
    _commit(trial, appends)
    for name, stream in file.streams.items():
        if check is None or stream.kind != "run":
            continue
        try:
            check(trial, name)
        except Exception as error:
            msg = f"run {name} of the export cannot be: {error!r}"[:500]
            raise LogDamaged(msg) from error


def _is_there(log: Log, append: Append, file: ImportFile) -> bool:
    """Whether the log has the stream, as exported or as imported before."""
    if log.stream(append.run) is None:
        return False
    last = file.rows[append.run][-1]
    ours = append.rows[len(file.rows[append.run]) - 1]
    found = next(log.read(append.run, last.seq - 1, last.seq), None)
    if found is not None and found.hash in (last.hash, ours.hash):
        return True
    msg = f"the log has another run {append.run}: import into a separate log (--log FILE)"
    raise UsageError(msg)


def _append(stream: Stream, head: Head, rows: list[Stored], bodies: Mapping[str, bytes]) -> Append:
    wanted = {digest for row in rows for digest in body_refs(row).values()}
    return Append(
        stream.id, head, tuple(rows), {digest: bodies[digest] for digest in wanted}, stream.kind,
        stream.parent, stream.parent_seq,
    )  # fmt: skip


def _trusted(file: ImportFile) -> list[Append]:
    appends: dict[str, Append] = {}
    for name, stream in file.streams.items():
        head = _head(stream, appends)
        appends[name] = _append(stream, head, file.rows[name], file.bodies)
    return list(appends.values())


def _head(stream: Stream, appends: Mapping[str, Append]) -> Head:
    """Where a stream begins, given the earlier ones."""
    if stream.parent is None or stream.parent_seq is None:
        return Head(0, GENESIS)
    return Head(stream.parent_seq, _hash_at(appends, stream.parent, stream.parent_seq))


def _hash_at(appends: Mapping[str, Append], name: str, seq: int) -> bytes:
    append = appends[name]
    while append.parent is not None and append.parent_seq is not None and seq <= append.parent_seq:
        append = appends[append.parent]
    return append.rows[seq - append.expected.seq - 1].hash


class _Marked:
    """The streams with each record marked, and a pause at the end of open runs."""

    def __init__(self, file: ImportFile) -> None:
        self._file = file
        self._now = time.time_ns() // 1000
        self._bodies = dict(file.bodies)
        self._by_name: dict[str, Append] = {}
        for name, stream in file.streams.items():
            self._by_name[name] = self._stream(stream)
        self.appends = list(self._by_name.values())

    def _stream(self, stream: Stream) -> Append:
        head = previous = _head(stream, self._by_name)
        rows = list[Stored]()
        for row in self._file.rows[stream.id]:
            marked = self._row(stream, row, first=not rows)
            marked = marked._replace(hash=marked.computed_hash(previous.hash))
            rows.append(marked)
            previous = Head(marked.seq, marked.hash)
        if stream.kind == "run" and rows[-1].kind not in ENDINGS:
            at = max(self._now, rows[-1].at)
            paused = RunPaused(reason=PARKED.replace("RUN", stream.id))
            record = Record(
                stream.id, previous.seq + 1, at, "runtime", "outside", None, paused, held=True
            )
            rows.append(seal(record, previous.hash)[0])
        return _append(stream, head, rows, self._bodies)

    def _row(self, stream: Stream, row: Stored, *, first: bool) -> Stored:
        if row.key_id is not None:
            raise _cannot_be(row, "it is encrypted, and its key is not here")
        try:
            event = decode(row, self._file.bodies.__getitem__).event
        except (PlayheadError, KeyError, ValueError, RecursionError) as error:
            raise _cannot_be(row, str(error)) from error
        if row.at > self._now + AHEAD:
            raise _cannot_be(row, "its time has not come yet")
        if not _in_bounds(event):
            raise _cannot_be(row, "a number is larger than any log can keep")
        if stream.kind == "run":
            self._check(stream, row, event, first)
        trace = row.traceparent if TRACE.fullmatch(row.traceparent or "") else None
        row = row._replace(imported=True, command=None, traceparent=trace)
        if not isinstance(event, RunStarted) or event.past is None:
            return row
        past = event.past.model_copy(
            update={"hash": _hash_at(self._by_name, event.past.run, event.past.seq).hex()}
        )
        event = event.model_copy(update={"past": past})
        envelope = (row.run, row.seq, row.at, row.actor, row.origin, row.cause, event, row.held)
        again, bodies = seal(Record(*envelope, traceparent=trace, imported=True), b"")  # type: ignore[arg-type]
        self._bodies.update(bodies)
        return again

    def _check(self, stream: Stream, row: Stored, event: Event, first: bool) -> None:
        """Raise LogDamaged for records that no runtime writes there."""
        if row.kind in NOT_IN_RUNS:
            raise _cannot_be(row, f"{row.kind} does not lie in a run")
        forked = stream.parent_seq is not None
        if isinstance(event, RunForked if forked else RunStarted) != first:
            raise _cannot_be(row, "a run begins with run_started, a fork with run_forked, once")
        match event:
            case RunForked() if not forked or (event.parent, event.at) != stream[2:4]:
                raise _cannot_be(row, "it was forked from another run")
            case RunStarted():
                self._check_start(stream, row, event)
            case ChildStarted(run=child) if child != f"{row.run}.{row.seq}":
                raise _cannot_be(row, "a child has another name")
            case _:
                pass

    def _check_start(self, stream: Stream, row: Stored, event: RunStarted) -> None:
        parent = None if event.parent is None else event.parent.run
        if parent != stream.parent or (parent and not row.run.startswith(f"{parent}.")):
            raise _cannot_be(row, "it was started by another run")
        past = event.past
        if past is None:
            return
        found = self._file.rows.get(past.run)
        before = self._by_name.get(past.run)
        begin = 0 if before is None else before.expected.seq
        if found is None or before is None or not 0 < past.seq - begin <= len(found):
            raise _cannot_be(row, "what its session said before is not there")
        if found[past.seq - begin - 1].hash.hex() != past.hash:
            raise _cannot_be(row, "what its session said before is not that")


def _cannot_be(row: Stored, why: str) -> LogDamaged:
    return LogDamaged(f"record {row.seq} of {row.run}: {why}: nothing was imported")


def _in_bounds(value: object) -> bool:
    """Whether SQLite can store each number in an event's own fields; JSON inside it is text."""
    match value:
        case int():
            return -LARGEST < value < LARGEST
        case BaseModel():
            return all(_in_bounds(each) for _, each in value)
        case tuple():
            return all(map(_in_bounds, cast("Iterable[object]", value)))
        case _:
            return True
