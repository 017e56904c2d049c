"""References to the results of other steps, as they stand in the arguments of a plan.

`${id}` with a path behind the id: `.name` goes into an object, `[0]` into a list. `$${` is a plain
`${`.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias, cast

from pydantic_core import to_json

from playhead.events.event import Json

ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
"""What a step may be called."""

ITEM = "item"
"""The id that stands for the element, in a step with `for_each`."""

PATTERN = re.compile(
    rf"\$\$\{{|\$\{{(?P<id>{ID.pattern})(?P<path>(?:\.[^.\[\]{{}}]+|\[[0-9]{{1,9}}\])*)\}}"
)
ALMOST = re.compile(r"\$\{[^}]*\}?")
"""What begins as a reference does, whether it is one or not."""

PIECE = re.compile(r"\.([^.\[\]{}]+)|\[([0-9]+)\]")


class Unresolved(LookupError):
    """A reference leads nowhere; the message says how far it leads."""


class Reference(NamedTuple):
    """One reference, taken apart."""

    id: str
    path: tuple[str | int, ...]
    text: str
    """As it was written."""


Lookup: TypeAlias = Callable[[Reference], Json]
"""From a reference to its value. Raises Unresolved."""


def references(value: Json) -> Iterator[Reference]:
    """All references within a JSON value; keys of objects hold none."""
    match value:
        case str():
            for found in PATTERN.finditer(value):
                if found["id"] is not None:
                    yield _reference(found)
        case list():
            for each in value:
                yield from references(each)
        case dict():
            for each in value.values():
                yield from references(each)
        case _:
            pass


def holds_references(value: Json) -> bool:
    """Whether the value becomes another one when it is resolved; by a reference, or by `$${`."""
    match value:
        case str():
            return PATTERN.search(value) is not None
        case list():
            return any(map(holds_references, value))
        case dict():
            return any(map(holds_references, value.values()))
        case _:
            return False


def unreadable(value: Json) -> Iterator[str]:
    """What begins as a reference and is none: `${found[-1]}`, `${found[*].name}`, `${ found }`."""
    match value:
        case str():
            for found in ALMOST.finditer(PATTERN.sub(" ", value)):
                yield found[0][:80]
        case list():
            for each in value:
                yield from unreadable(each)
        case dict():
            for each in value.values():
                yield from unreadable(each)
        case _:
            pass


def only_reference(text: str) -> Reference | None:
    """The reference that the whole text is, if it is one."""
    found = PATTERN.fullmatch(text)
    return _reference(found) if found is not None and found["id"] is not None else None


def resolve(value: Json, lookup: Lookup) -> Json:
    """The value with every reference replaced. Raises Unresolved."""
    match value:
        case str():
            only = only_reference(value)
            return _in_text(value, lookup) if only is None else lookup(only)
        case list():
            return [resolve(each, lookup) for each in value]
        case dict():
            return {key: resolve(each, lookup) for key, each in value.items()}
        case _:
            return value


def follow(value: Json, reference: Reference, path: tuple[str | int, ...] | None = None) -> Json:
    """What a path (the reference's own by default) leads to from a value. Raises Unresolved."""
    way = reference.id
    for piece in reference.path if path is None else path:
        if not _leads_on(value, piece):
            msg = f"{reference.text} leads nowhere: {way} is {_kind(value)}"
            raise Unresolved(msg)
        value = cast("Any", value)[piece]
        way += f"[{piece}]" if isinstance(piece, int) else f".{piece}"
    return value


def _leads_on(value: Json, piece: str | int) -> bool:
    if isinstance(piece, int):
        return isinstance(value, list) and piece < len(value)
    return isinstance(value, dict) and piece in value


def as_text(value: Json) -> str:
    """A value as it stands within a text: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else to_json(value).decode()


def _in_text(text: str, lookup: Lookup) -> str:
    def put_in(found: re.Match[str]) -> str:
        return "${" if found["id"] is None else as_text(lookup(_reference(found)))

    return PATTERN.sub(put_in, text)


def _reference(found: re.Match[str]) -> Reference:
    pieces = PIECE.finditer(found["path"])
    path = tuple(piece[1] if piece[2] is None else int(piece[2]) for piece in pieces)
    return Reference(found["id"], path, found[0])


def _kind(value: Json) -> str:
    match value:
        case dict():
            names = ", ".join(list(value)[:8])
            return f"an object with {names}" if names else "an empty object"
        case list():
            return f"a list of {len(value)}"
        case str():
            return "a text"
        case _:
            return to_json(value).decode()
