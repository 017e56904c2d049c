"""An export with all text removed: what happened, when and how often stays; what was said goes.

A field's type and name decide: a string stays only if it is one of a fixed set of values, or names
a part of the machine. Everything else becomes REDACTED. The copy is a separate log with its own
hashes, and its first record says that it is redacted: it cannot be replayed.
"""

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, Literal, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, JsonValue

from playhead.events.codec import decode, seal
from playhead.events.event import Event
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Append, Head, Reader
from playhead.events.log.memory import MemoryLog
from playhead.events.maintenance.export import lines_of, reach
from playhead.events.record import GENESIS, Record, Stored

REDACTED = "[redacted]"

NAMES = frozenset({
    "binding", "code", "definition", "endpoint", "hash", "kept", "kind", "limit", "model", "name",
    "parent", "price_table", "request", "request_id", "run", "running", "step", "task_type",
    "tool", "use",
})  # fmt: skip
"""Fields of events that name a part of the machine, never something that was said."""

OF_BLOCKS = frozenset({"type", "id", "name", "tool_use_id"})
"""The same fields for content blocks."""

WORDS = frozenset({"error", "reason"})
"""Fields that hold either a machine-readable code or free text: a single word stays."""

WORD = re.compile(r"[a-z_]{1,40}")

T = TypeVar("T", bound=BaseModel)


def redact(model: T) -> T:
    """The event or value without anything that was said in it."""
    fields = {
        name: _field(name, getattr(model, name), info.annotation)
        for name, info in type(model).model_fields.items()
    }
    return type(model).model_validate(fields)


def _field(name: str, value: Any, annotation: Any) -> Any:
    match value:
        case str() if not _is_json(annotation):
            return value if _stays(name, value, annotation) else _replaced(name, value)
        case BaseModel():
            return redact(value)
        case tuple():
            inner = get_args(annotation)[:1] or (None,)
            each_of: tuple[Any, ...] = cast("Any", value)
            return [_field(name, each, inner[0]) for each in _items(each_of)]
        case dict() if not _is_given(annotation):
            fields = cast("dict[str, Any]", value)
            return {key: _field("", each, None) for key, each in fields.items()}
        case dict() | list():
            return _given(value, OF_BLOCKS if name == "content" else frozenset())
        case _:
            return REDACTED if value is not None and _is_json(annotation) else value


def _given(value: Any, keep: frozenset[str]) -> Any:
    """A value supplied by someone: numbers in it can be confidential too, not only text."""
    match value:
        case dict():
            fields = cast("dict[str, Any]", value)
            return {
                key: inner if key in keep and isinstance(inner, str) else
                _given(inner, frozenset() if key == "input" else keep)
                for key, inner in fields.items()
            }  # fmt: skip
        case list():
            each_of: list[Any] = cast("Any", value)
            return [_given(inner, keep) for inner in _items(each_of)]
        case None:
            return None
        case _:
            return REDACTED


def _items(values: object) -> Iterator[Any]:
    return iter(cast("Iterable[Any]", values))


def _is_given(annotation: Any) -> bool:
    """Whether the values of a dict are arbitrary JSON rather than part of a spec."""
    return _is_json(annotation) or any(map(_is_given, get_args(annotation)))


def _is_json(annotation: Any) -> bool:
    return annotation == JsonValue or JsonValue in get_args(annotation)


def _stays(name: str, value: str, annotation: Any) -> bool:
    if name in NAMES or _is_literal(annotation):
        return True
    return name in WORDS and WORD.fullmatch(value) is not None


def _is_literal(annotation: Any) -> bool:
    return get_origin(annotation) is Literal or any(map(_is_literal, get_args(annotation)))


def _replaced(name: str, value: str) -> str:
    """The replacement; runs of one session keep a common one."""
    return f"redacted-{sha256(value.encode()).hexdigest()[:8]}" if name == "session" else REDACTED


def export_redacted(reader: Reader, run: str) -> Iterator[bytes]:
    """The lines of an export with all text removed. Raises UnknownRun and LogDamaged."""
    streams = reach(reader, run)
    copy = MemoryLog()
    for stream in streams:
        begin = stream.parent_seq or 0
        before = next(copy.read(stream.parent or "", begin - 1, begin), None) if begin else None
        head = previous = Head(begin, before.hash if before else GENESIS)
        rows: list[Stored] = []
        bodies: dict[str, bytes] = {}
        for row in reader.read(stream.id, begin):
            record = decode(row, reader.body)
            record = record._replace(event=_event(record, copy), command=None)
            sealed, parts = seal(record, previous.hash)
            previous = Head(sealed.seq, sealed.hash)
            rows.append(sealed)
            bodies.update(parts)
        append = Append(
            stream.id, head, tuple(rows), bodies, stream.kind, stream.parent, stream.parent_seq
        )
        copy.submit(append, _raise)
    yield from lines_of(copy, run, copy.streams(), redacted=True)


def _event(record: Record, copy: MemoryLog) -> Event:
    event = redact(record.event)
    if not isinstance(event, RunStarted):
        return event
    past = event.past
    if past is not None:
        past = past.model_copy(update={"hash": copy.head(past.run).hash.hex()})
    return event.model_copy(update={"past": past, "redacted": True})


def _raise(outcome: int | Exception) -> None:
    if isinstance(outcome, Exception):
        raise outcome
