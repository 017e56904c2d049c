"""A run's state as plain data: shown at any record, and compared with the state before it.

It is made from all fields of the state, so a new field appears here automatically.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple, TypeAlias, cast

from pydantic import BaseModel
from pydantic_core import from_json

from playhead.events.model_api import Request
from playhead.events.record import Record
from playhead.projections.prompt.context import NOT_RUN, Context
from playhead.projections.state.calls.loop_guard import PATTERNS, LoopGuard
from playhead.projections.state.run_state import RunState

Plain: TypeAlias = Any
"""None, bool, int, float, str, list of Plain, dict of str to Plain."""

LEFT_OUT = frozenset({"run", "head", "past", "heads", "requests", "ended", "last", "started"})
"""Fields that follow from others or never change."""


AWAITED = "(awaited)"
"""Placeholder for a result that a call has not given yet."""


class Change(NamedTuple):
    """One value that differs between two states."""

    path: str
    """Dotted path."""
    before: Plain
    after: Plain


def snapshot(state: RunState) -> dict[str, Plain]:
    """The state of a run, ready for JSON."""
    names = [name for name in state.__slots__ if name not in LEFT_OUT]
    return {"status": state.status, "agent": plain(state.started and state.agent)} | {
        name: plain(getattr(state, name)) for name in names
    }


def plain(value: object) -> Plain:
    """A value of the state as plain data."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return value.hex()
        case Record():
            return f"{value.seq} {value.event.kind}"
        case Context():
            return {"messages": messages(value)}
        case LoopGuard():
            return {name: value.count(name) for name in PATTERNS if value.count(name)}
        case Request():
            return value.hash
        case BaseModel():
            return value.model_dump(mode="json", exclude_defaults=True)
        case _:
            return _composed(value)


def _composed(value: object) -> Plain:
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {str(key): plain(inner) for key, inner in items}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in cast("Iterable[object]", value)]
    if is_dataclass(value):
        return {
            field.name: plain(getattr(value, field.name))
            for field in fields(value)
            if field.name not in LEFT_OUT
        }
    return str(value)


def messages(context: Context) -> list[Plain]:
    """The conversation as the model would read it now, with a placeholder for missing results."""
    said: list[Plain] = [from_json(message) for message, _ in context.closed()]
    for block in said[-1]["content"] if said else ():
        if block.get("content") == NOT_RUN:
            block |= {"content": AWAITED, "is_error": False}
    return said


def changes(before: Plain, after: Plain, path: str = "") -> Iterator[Change]:
    """The differences between two snapshots, in field order; lists are compared at their ends."""
    if isinstance(before, dict) and isinstance(after, dict):
        old, new = cast("dict[str, Plain]", before), cast("dict[str, Plain]", after)
        for name in dict.fromkeys([*old, *new]):
            inner = f"{path}.{name}" if path else name
            yield from changes(old.get(name), new.get(name), inner)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _list_changes(_items(before), _items(after), path)
    elif before != after:
        yield Change(path, before, after)


def _items(value: Plain) -> list[Plain]:
    return list(value)


def _list_changes(before: list[Plain], after: list[Plain], path: str) -> Iterator[Change]:
    for n in range(max(len(before), len(after))):
        old = before[n] if n < len(before) else None
        new = after[n] if n < len(after) else None
        if old != new:
            yield Change(f"{path}[{n}]", old, new)
