"""Runs as a text file: one JSON object a line, to be mailed, read, kept beside tests.

header | stream, its bodies, its records (for each run, what it rests on first) | end

The stored bytes travel unchanged, so an import has the same hashes. An export carries every run
that its pointers reach: what it was forked from, what its session said before, its children.
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from hashlib import sha256
from typing import Any, NamedTuple, cast

from pydantic_core import from_json, to_json

from playhead.events.errors import LogDamaged, LogTooNew, UnknownRun, UsageError
from playhead.events.kinds.codec import body_refs, decode
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Append, Head, Log, Reader, Stream
from playhead.events.record import GENESIS, Stored
from playhead.events.version import VERSION

FORMAT = 1
TOGETHER = 500
"""Records imported with one append."""


class Imported(NamedTuple):
    """What an import brought."""

    run: str
    """The run that was exported."""
    runs: tuple[str, ...]
    """With it, those that it rests on."""
    records: int
    """New in the log; 0 when it had them already."""
    redacted: bool


def export(reader: Reader, run: str) -> Iterator[bytes]:
    """The lines of an export. Raises UnknownRun and LogDamaged."""
    return lines_of(reader, run, reach(reader, run), redacted=False)


def reach(reader: Reader, run: str) -> list[Stream]:
    """The run's stream and those that its pointers reach, each after what it rests on."""
    found: dict[str, Stream] = {}

    def visit(name: str) -> None:
        stream = reader.stream(name)
        if stream is None:
            msg = f"no run {name!r} in this log (`playhead runs` lists them)"
            raise UnknownRun(msg)
        found[name] = stream
        for other in _pointers(reader, stream):
            if other not in found:
                visit(other)

    visit(run)
    for stream in reader.streams():
        if stream.parent in found and stream.parent_seq is None and stream.id not in found:
            visit(stream.id)
    return sorted(found.values(), key=lambda stream: _began(reader, stream))


def _pointers(reader: Reader, stream: Stream) -> Iterator[str]:
    if stream.parent is not None:
        yield stream.parent
    first = next(reader.read(stream.id, 0, 1), None)
    event = decode(first, reader.body).event if first is not None else None
    if isinstance(event, RunStarted) and event.past is not None:
        yield event.past.run


def _began(reader: Reader, stream: Stream) -> int:
    first = (stream.parent_seq or 0) + 1
    return next(reader.read(stream.id, first - 1, first)).position


def lines_of(
    reader: Reader, run: str, streams: Iterable[Stream], *, redacted: bool
) -> Iterator[bytes]:
    """The lines of an export of these streams."""
    digest, records = sha256(), 0
    for line in _content(reader, run, streams, redacted):
        digest.update(line)
        records += line.startswith(b'{"seq"')
        yield line
    yield _line({"end": records, "sha256": digest.hexdigest()})


def _content(
    reader: Reader, run: str, streams: Iterable[Stream], redacted: bool
) -> Iterator[bytes]:
    yield _line({"playhead_export": FORMAT, "run": run, "code": VERSION, "redacted": redacted})
    bodies: set[str] = set()
    for stream in streams:
        yield _line({
            "stream": stream.id, "kind": stream.kind, "parent": stream.parent,
            "parent_seq": stream.parent_seq,
        })  # fmt: skip
        for row in reader.read(stream.id, stream.parent_seq or 0):
            for body in body_refs(row).values():
                if body not in bodies:
                    bodies.add(body)
                    yield _line({"body": body, "content": reader.body(body).decode()})
            yield _record_line(row)


def _record_line(row: Stored) -> bytes:
    """A record; its event as JSON where that gives the same bytes back, else as text."""
    fields: dict[str, Any] = {
        "seq": row.seq, "at": row.at, "actor": row.actor, "origin": row.origin,
        "cause": row.cause, "held": row.held, "command": row.command,
        "traceparent": row.traceparent, "imported": row.imported or None, "key_id": row.key_id,
        "kind": row.kind, "version": row.version,
    }  # fmt: skip
    event = from_json(row.data)
    fields |= {"event": event} if to_json(event) == row.data else {"data": row.data.decode()}
    return _line(fields | {"bodies": row.bodies, "hash": row.hash.hex()})


def _line(fields: Mapping[str, Any]) -> bytes:
    return to_json({name: value for name, value in fields.items() if value is not None}) + b"\n"


# And back


def import_run(log: Log, lines: Iterable[bytes]) -> Imported:
    """Put an export's runs into a log, hashes and all; what is there already is left alone.

    Nothing is written unless the export is whole. Raises LogDamaged for one that is not, UsageError
    where a run of that name is another one, and LogTooNew. Not to be called on the log's thread.
    """
    parsed = _Parsed(lines)
    records = 0
    for stream, rows in parsed.streams.items():
        records += _import(log, stream, rows, parsed.bodies)
    names = tuple(stream.id for stream in parsed.streams)
    return Imported(str(parsed.header["run"]), names, records, bool(parsed.header.get("redacted")))


class _Parsed:
    """An export that was read to its end. Raises LogDamaged and LogTooNew."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.header: dict[str, Any] = {}
        self.streams: dict[Stream, list[Stored]] = {}
        self.bodies: dict[str, bytes] = {}
        self._rows: list[Stored] = []
        self._stream = ""
        self._count = 0
        digest, end = sha256(), None
        for number, line in enumerate(lines, 1):
            end = self._take(_fields(line, number), number)
            if end is not None:
                break
            digest.update(line.rstrip(b"\r\n") + b"\n")
        if not self.header or end != (self._count, digest.hexdigest()):
            msg = "the export is not whole: it was cut off or changed (no end, or another one)"
            raise LogDamaged(msg)

    def _take(self, fields: dict[str, Any], number: int) -> tuple[int, str] | None:
        """One line; what the last one says."""
        match fields:
            case {"seq": int()} if self._stream:
                self._rows.append(_stored(self._stream, fields, number))
                self._count += 1
            case {"body": str(body), "content": str(content)}:
                self.bodies[body] = content.encode()
            case {"stream": str(name), "kind": kind, **more}:
                self._stream, self._rows = name, []
                stream = Stream(name, kind, more.get("parent"), more.get("parent_seq"), Head())
                self.streams[stream] = self._rows
            case {"playhead_export": int(version)}:
                self.header = fields
                if version > FORMAT:
                    name = "the export"
                    raise LogTooNew(name, version, FORMAT)
            case {"end": int(records), "sha256": str(found)}:
                return records, found
            case _:
                msg = f"line {number} of the export is none that this Playhead knows"
                raise LogDamaged(msg)
        return None


def _fields(line: bytes, number: int) -> dict[str, Any]:
    try:
        fields = from_json(line)
    except ValueError as error:
        msg = f"line {number} of the export is no JSON: is it an export?"
        raise LogDamaged(msg) from error
    return cast("dict[str, Any]", fields) if isinstance(fields, dict) else {}


def _stored(run: str, fields: dict[str, Any], number: int) -> Stored:
    try:
        data = to_json(fields["event"]) if "event" in fields else fields["data"].encode()
        return Stored(
            0, run, fields["seq"], fields["at"], fields["actor"], fields["origin"],
            fields.get("cause"), fields["held"], fields.get("command"), fields.get("traceparent"),
            fields.get("imported", False), fields.get("key_id"), fields["kind"], fields["version"],
            data, fields.get("bodies"),
            bytes.fromhex(fields["hash"]),
        )  # fmt: skip
    except (KeyError, ValueError, AttributeError) as error:
        msg = f"line {number} of the export is no record: {error}"
        raise LogDamaged(msg) from error


def _import(log: Log, stream: Stream, rows: list[Stored], bodies: Mapping[str, bytes]) -> int:
    if not rows:
        return 0
    last = rows[-1]
    there = log.stream(stream.id)
    if there is not None:
        if there.head == Head(last.seq, last.hash):
            return 0
        msg = f"the log has another run {stream.id}: import into a log of its own (--log FILE)"
        raise UsageError(msg)
    head = _head_before(log, stream)
    for begin in range(0, len(rows), TOGETHER):
        part = tuple(rows[begin : begin + TOGETHER])
        wanted = {digest for row in part for digest in body_refs(row).values()}
        append = Append(
            stream.id, head, part, {d: bodies[d] for d in wanted if d in bodies}, stream.kind,
            stream.parent, stream.parent_seq,
        )  # fmt: skip
        done: Future[int | Exception] = Future()
        log.submit(append, done.set_result)
        outcome = done.result()
        if isinstance(outcome, Exception):
            msg = f"the export was changed: {outcome}"
            raise LogDamaged(msg) from outcome
        head = Head(part[-1].seq, part[-1].hash)
    return len(rows)


def _head_before(log: Log, stream: Stream) -> Head:
    if stream.parent is None or stream.parent_seq is None:
        return Head(0, GENESIS)
    before = next(log.read(stream.parent, stream.parent_seq - 1, stream.parent_seq), None)
    return Head(stream.parent_seq, before.hash if before else GENESIS)
