"""Reads an untrusted export: sizes are checked before reading, and it is accepted whole or refused.

This module checks its structure and hashes; import_run.py checks what its records say.
"""

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, BinaryIO, NamedTuple, NoReturn, cast, get_args

from pydantic_core import from_json, to_json

from playhead.events.codec import body_refs
from playhead.events.errors import LogDamaged, LogTooNew
from playhead.events.log.contract import Head, Stream
from playhead.events.maintenance.export import FORMAT
from playhead.events.record import GENESIS, Actor, Origin, Stored

LINE = 32 << 20
"""Maximum bytes of one line."""

WHOLE = 512 << 20
"""Maximum bytes of all lines."""

RECORDS = 200_000
STREAMS = 1_000
NESTED = 100
"""Maximum nesting of lists and objects in one line."""

CHAIN = 100
"""Maximum length of a chain: forks of forks, children of children, sessions."""

NO_BODIES = "its bodies cannot be read"
NUMBER = (1 << 53) - 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(\.[0-9]{1,9}){0,20}")
"""Names of runs. Streams that are not runs have other names: runtime, memory/NAMESPACE."""

RESERVED = frozenset({"runtime", "memory", "last"})
MEMORY = re.compile(r"runtime|memory/[^\x00-\x1f\x7f]{1,200}")
TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]')


class ImportFile(NamedTuple):
    """A completely read export."""

    run: str
    redacted: bool
    streams: dict[str, Stream]
    """By name, each after those that it depends on."""
    rows: dict[str, list[Stored]]
    bodies: dict[str, bytes]


def bounded_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, each read up to the size limit."""
    while line := file.readline(LINE + 1):
        yield line


def refuse(number: int, why: str) -> NoReturn:
    """Raise LogDamaged for a line."""
    msg = f"line {number} of the export: {why}: nothing was imported"
    raise LogDamaged(msg)


def read_export(lines: Iterable[bytes], *, memory: bool = False) -> ImportFile:
    """Read the whole export. `memory`: it may contain memory and runtime streams.

    Raises LogDamaged for one that is incomplete, too large or malformed, and LogTooNew.
    """
    return _Reader(memory).read(lines)


class _Reader:
    def __init__(self, memory: bool) -> None:
        self._memory = memory
        self._header: dict[str, Any] | None = None
        self._streams: dict[str, Stream] = {}
        self._rows: dict[str, list[Stored]] = {}
        self._bodies: dict[str, bytes] = {}
        self._depth: dict[str, int] = {}
        self._current = ""
        self._count = 0

    def read(self, lines: Iterable[bytes]) -> ImportFile:
        digest, size, end = sha256(), 0, None
        for number, line in enumerate(lines, 1):
            size += len(line)
            if len(line) > LINE or size > WHOLE:
                refuse(number, f"more than {LINE} bytes in a line, or {WHOLE} in all")
            if end is not None:
                refuse(number, "it comes after the end")
            end = self._take(_fields(line, number), number)
            if end is None:
                digest.update(line.rstrip(b"\r\n") + b"\n")
        if self._header is None or end != (self._count, digest.hexdigest()):
            msg = "the export is not whole: it was cut off or changed (no end, or another one)"
            raise LogDamaged(msg)
        run = self._header.get("run")
        empty = [name for name, rows in self._rows.items() if not rows]
        if run not in self._streams or self._streams[run].kind != "run" or empty:
            msg = "the export does not hold the run that it names, or a stream without a record"
            raise LogDamaged(msg)
        redacted = self._header.get("redacted") is True
        return ImportFile(str(run), redacted, self._streams, self._rows, self._bodies)

    def _take(self, fields: dict[str, Any], number: int) -> tuple[int, str] | None:
        """One line; for the last one, its content."""
        match fields:
            case {"playhead_export": int(version)} if self._header is None:
                if version > FORMAT:
                    name = "the export"
                    raise LogTooNew(name, version, FORMAT)
                self._header = fields
            case _ if self._header is None:
                refuse(number, "it is not the first line of an export")
            case {"seq": _} if self._current:
                self._record(fields, number)
            case {"body": str(body), "content": str(content)}:
                self._body(body, content, number)
            case {"stream": str(name), "kind": str(kind)}:
                self._stream(name, kind, fields, number)
            case {"end": int(records), "sha256": str(found)}:
                return records, found
            case _:
                refuse(number, "this Playhead does not know such a line")
        return None

    def _body(self, digest: str, content: str, number: int) -> None:
        data = _utf8(content, number)
        if sha256(data).hexdigest() != digest:
            refuse(number, "the body does not have its hash")
        self._bodies[digest] = data

    def _stream(self, name: str, kind: str, fields: dict[str, Any], number: int) -> None:
        is_run = kind == "run" and NAME.fullmatch(name) and name not in RESERVED
        of_memory = kind == ("runtime" if name == "runtime" else "memory")
        if not is_run and not (self._memory and of_memory and MEMORY.fullmatch(name)):
            hint = " (--with-memory imports memory too)" if of_memory else ""
            refuse(number, f"{kind[:20]!r} stream {name[:80]!r} is not a run{hint}")
        parent, parent_seq = fields.get("parent"), fields.get("parent_seq")
        if name in self._streams or len(self._streams) >= STREAMS:
            refuse(number, f"stream {name} comes twice, or there are more than {STREAMS}")
        if parent is None and parent_seq is not None:
            refuse(number, "it was forked from nothing")
        if parent is not None:
            self._check_parent(name, parent, parent_seq, number)
            self._depth[name] = self._depth[parent] + 1
        else:
            self._depth[name] = 1
        if self._depth[name] > CHAIN:
            refuse(number, f"more than {CHAIN} runs rest on each other")
        self._streams[name] = Stream(name, kind, parent, parent_seq, Head())  # type: ignore[arg-type]
        self._rows[name] = []
        self._current = name

    def _check_parent(self, name: str, parent: object, seq: object, number: int) -> None:
        found = self._streams.get(parent) if isinstance(parent, str) else None
        if found is None or found.kind != "run" or MEMORY.fullmatch(name):
            refuse(number, f"its parent {str(parent)[:80]!r} does not stand before it")
        known = seq is None or (isinstance(seq, int) and self._hash_at(found.id, seq) is not None)
        if not known or isinstance(seq, bool):
            refuse(number, f"its parent has no record {seq!r}")

    def _hash_at(self, name: str, seq: int) -> bytes | None:
        stream = self._streams[name]
        begin = stream.parent_seq or 0
        if stream.parent is not None and 1 <= seq <= begin:
            return self._hash_at(stream.parent, seq)
        rows = self._rows[name]
        return rows[seq - begin - 1].hash if 1 <= seq - begin <= len(rows) else None

    def _record(self, fields: dict[str, Any], number: int) -> None:
        stream, rows = self._streams[self._current], self._rows[self._current]
        self._count += 1
        if self._count > RECORDS:
            refuse(number, f"more than {RECORDS} records")
        row = _stored(stream.id, fields, number)
        seq = (stream.parent_seq or 0) + len(rows)
        before = self._hash_at(stream.id, seq) if seq else GENESIS
        if row.seq != seq + 1 or row.hash != row.computed_hash(before or GENESIS):
            refuse(number, f"record {row.seq} of {stream.id} does not fit the one before it")
        if (row.cause or 0) >= row.seq or (rows and row.at < rows[-1].at):
            refuse(number, f"record {row.seq} of {stream.id} goes back in time")
        if row.bodies is not None and not _refs(row, number) <= self._bodies.keys():
            refuse(number, "a body is missing")
        rows.append(row)


def _refs(row: Stored, number: int) -> set[str]:
    try:
        refs = body_refs(row)
    except (ValueError, LogDamaged):
        refuse(number, NO_BODIES)
    digests = set[object](refs.values())  # untrusted: they may be anything
    return {each if isinstance(each, str) else refuse(number, NO_BODIES) for each in digests}


def _fields(line: bytes, number: int) -> dict[str, Any]:
    depth = 0
    for found in BRACKETS.finditer(line):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(found[0], 0)
        if depth > NESTED:
            refuse(number, f"more than {NESTED} lists and objects within each other")
    try:
        fields = from_json(line, allow_inf_nan=False)
    except (ValueError, RecursionError):
        refuse(number, "it is not JSON: is it an export?")
    return cast("dict[str, Any]", fields) if isinstance(fields, dict) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= NUMBER


def _utf8(text: str, number: int) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        refuse(number, "it holds half a character")


def _stored(run: str, fields: dict[str, Any], number: int) -> Stored:
    get = fields.get
    numbers = all(_is_number(get(name)) for name in ("seq", "at", "version"))
    cause, bodies = get("cause"), get("bodies")
    optional = [get("command"), get("traceparent"), get("key_id"), bodies]
    fit = (
        numbers
        and (cause is None or _is_number(cause))
        and get("actor") in get_args(Actor)
        and get("origin") in get_args(Origin)
        and isinstance(get("kind"), str)
        and isinstance(get("held"), bool)
        and isinstance(get("imported", False), bool)
        and all(each is None or isinstance(each, str) for each in optional)
        and ("event" in fields) != isinstance(get("data"), str)
    )
    if not fit:
        refuse(number, "a field of the record is missing, or of another type")
    try:
        row_hash = bytes.fromhex(fields["hash"])
    except (KeyError, ValueError, TypeError):
        refuse(number, "the record has no hash")
    data = to_json(fields["event"]) if "event" in fields else _utf8(fields["data"], number)
    if "data" in fields:
        _fields(data, number)
    return Stored(
        0, run, fields["seq"], fields["at"], fields["actor"], fields["origin"], cause,
        fields["held"], get("command"), get("traceparent"), get("imported", False), get("key_id"),
        fields["kind"], fields["version"], data, bodies, row_hash,
    )  # fmt: skip
