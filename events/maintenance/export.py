"""Exports runs as a text file: one JSON object per line, to send, read, or keep with tests.

header | stream, its bodies, its records (for each run, after those it depends on) | end

Stored bytes are unchanged. An export contains every run that its pointers reach: its fork parents,
its session's past, its children. Imports are in import_run.py.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from pydantic_core import from_json, to_json

from playhead.events.codec import body_refs, decode
from playhead.events.errors import UnknownRun
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Reader, Stream
from playhead.events.record import Stored
from playhead.events.version import VERSION

FORMAT = 1


def export(reader: Reader, run: str) -> Iterator[bytes]:
    """The lines of an export. Raises UnknownRun and LogDamaged."""
    return lines_of(reader, run, reach(reader, run), redacted=False)


def reach(reader: Reader, run: str) -> list[Stream]:
    """The run's stream and all streams that its pointers reach, each after its dependencies."""
    found: dict[str, Stream] = {}

    def visit(name: str) -> None:
        stream = reader.stream(name)
        if stream is None:
            raise UnknownRun.named(name)
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
    """A record; its event as JSON if that restores the same bytes, otherwise as text."""
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
