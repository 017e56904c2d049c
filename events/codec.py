"""The closed list of kinds, and the conversion of events to and from their stored form.

Encoding is strict: an event is stored only if it decodes to an equal one. Decoding upcasts old
shapes and keeps unknown kinds: an `UnknownEvent` can be read, exported and verified, not continued.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias, cast

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from playhead.events.errors import LogDamaged, NotStorable
from playhead.events.event import Event, Json
from playhead.events.record import Record, Stored, chained
from playhead.events.registry import KINDS

INLINE = 4096
"""Payloads up to this many bytes stay in their row; large fields of larger ones become bodies."""

FIELD = 1024
"""A field of a large payload becomes a body from this size on, in bytes."""

Fields: TypeAlias = dict[str, Any]
Upcaster: TypeAlias = Callable[[Fields], Fields]

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
"""(kind, version) -> a function that converts its fields to the next version. None yet."""


class UnknownEvent(Event):
    """A kind that this code does not know or cannot decrypt: kept intact, never decided on."""

    kind: str
    version: int
    fields: dict[str, Json]


class Encoded(NamedTuple):
    """An event's stored payload: inline JSON, the names of the moved fields, and their bodies."""

    data: bytes
    fields: str | None
    bodies: Mapping[str, bytes]


NO_BODIES: Mapping[str, bytes] = {}


def encode(event: Event) -> Encoded:
    """The payload to store. Raises NotStorable if it would not decode to an equal event."""
    if isinstance(event, UnknownEvent):
        raise NotStorable(event.kind, "this code does not know the kind")
    cls = type(event)
    try:
        data = cls.__pydantic_serializer__.to_json(
            event, exclude_none=True, exclude_defaults=cls.COMPACT, exclude={"kind"}
        )
        back = cls.__pydantic_validator__.validate_json(data)
    except (PydanticSerializationError, ValidationError, ValueError, RecursionError) as error:
        raise NotStorable(event.kind, _first_line(error)) from error
    if back != event:
        raise NotStorable(event.kind, "a value changes when converted to JSON (NaN or infinity?)")
    if len(data) <= INLINE:
        return Encoded(data, None, NO_BODIES)
    return _split(data)


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).partition("\n")[0][:200]


def _split(data: bytes) -> Encoded:
    fields: Fields = from_json(data)
    moved: dict[str, str] = {}
    bodies: dict[str, bytes] = {}
    for name, value in list(fields.items()):
        content = to_json(value)
        if len(content) >= FIELD:
            digest = sha256(content).hexdigest()
            moved[name], bodies[digest] = digest, content
            del fields[name]
    if not moved:
        return Encoded(data, None, NO_BODIES)
    return Encoded(to_json(fields), json.dumps(moved, separators=(",", ":")), bodies)


def body_refs(row: Stored) -> dict[str, str]:
    """Field name -> SHA-256 (hex) of the bodies that the row refers to."""
    return json.loads(row.bodies) if row.bodies else {}


def payload(row: Stored, body: Callable[[str], bytes]) -> bytes:
    """The complete payload of a row as JSON, with the moved fields restored."""
    if row.bodies is None:
        return row.data
    inner = row.data.strip()[1:-1]
    pieces = [inner] if inner.strip() else []
    for name, digest in body_refs(row).items():
        pieces.append(to_json(name) + b":" + body(digest))
    return b"{" + b",".join(pieces) + b"}"


def decode(
    row: Stored,
    body: Callable[[str], bytes],
    upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
) -> Record:
    """The record of a row. Raises LogDamaged if the payload does not match its kind."""
    (
        position, run, seq, at, actor, origin, cause, held, command, traceparent,
        imported, key_id, kind, version, data, bodies, row_hash,
    ) = row  # fmt: skip
    cls = KINDS.get(kind)
    if cls is None or bodies is not None or version != cls.VERSION or key_id is not None:
        event = _event(row, body, upcasters)
    else:
        try:
            event = cast("Event", cls.__pydantic_validator__.validate_json(data))
        except ValueError as error:
            raise _unreadable(row, error) from error
    fields = (
        run, seq, at, actor, origin, cause, event, held, command, traceparent,
        imported, key_id, row_hash, position,
    )  # fmt: skip
    return Record._make(fields)


def _event(
    row: Stored,
    body: Callable[[str], bytes],
    upcasters: Mapping[tuple[str, int], Upcaster],
) -> Event:
    cls = KINDS.get(row.kind)
    if row.key_id is not None:  # encrypted by a newer Playhead
        return UnknownEvent(kind=row.kind, version=row.version, fields={})
    try:
        data = payload(row, body)
        if cls is None or row.version > cls.VERSION:
            return UnknownEvent(kind=row.kind, version=row.version, fields=from_json(data))
        if row.version < cls.VERSION:
            data = _upcast(row, data, cls.VERSION, upcasters)
        return cast("Event", cls.__pydantic_validator__.validate_json(data))
    except (ValueError, KeyError) as error:
        raise _unreadable(row, error) from error


def _unreadable(row: Stored, error: Exception) -> LogDamaged:
    where = f"run {row.run} record {row.seq} ({row.kind} version {row.version})"
    return LogDamaged(f"{where} cannot be read: {_first_line(error)}")


def _upcast(
    row: Stored, data: bytes, version: int, upcasters: Mapping[tuple[str, int], Upcaster]
) -> bytes:
    fields: Fields = from_json(data)
    for old in range(row.version, version):
        fields = upcasters[row.kind, old](fields)
    return to_json(fields)


@cache
def stored_kind(cls: type[Event]) -> tuple[str, int]:
    """A kind's name and the version of its shape."""
    return cls.model_fields["kind"].default, cls.VERSION


def seal(record: Record, previous: bytes) -> tuple[Stored, Mapping[str, bytes]]:
    """The row to append after a record with the hash `previous`, and its bodies.

    Raises NotStorable, before anything is written.
    """
    encoded = encode(record.event)
    kind, version = stored_kind(type(record.event))
    envelope = (
        record.run, record.seq, record.at, record.actor, record.origin, record.cause,
        record.held, record.command, record.traceparent, record.imported, record.key_id,
        kind, version,
    )  # fmt: skip
    row_hash = chained(previous, envelope, encoded.data, encoded.fields)
    return Stored(0, *envelope, encoded.data, encoded.fields, row_hash), encoded.bodies
