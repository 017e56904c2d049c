"""From what a tool returned to what a log can hold and a model can read.

Text is repaired (a NUL or half of a surrogate pair becomes U+FFFD). Values that JSON cannot hold
are refused with a `ResultRefused` that names the place.
"""

import math
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from playhead.events.event import Json

MAX_DEPTH = 100
MAX_CHARACTERS = 16_000_000
"""Total: text, keys, and a few for each number."""

MAX_INTEGER_BITS = 14_000
"""About 4,200 digits: JSON parsers refuse more than 4,300."""


class ResultRefused(Exception):
    """A tool's result cannot be stored as JSON; the message says where and why."""


def to_result(value: object, declared: TypeAdapter[Any] | None) -> Json:
    """The value as JSON, after validation against the declared type. Raises ResultRefused."""
    if type(value) is str and declared is None:
        return _Cleaner().text(value)
    try:
        return _Cleaner().clean(_json_of(value, declared), "the result", 0)
    except ValidationError as error:
        raise ResultRefused(first_problems(error)) from error
    except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
        msg = f"{type(value).__name__} cannot be converted to JSON: {error}"
        raise ResultRefused(msg) from error


def _json_of(value: object, declared: TypeAdapter[Any] | None) -> object:
    try:
        return _jsonable(value, declared)
    except UnicodeEncodeError:
        return _jsonable(repaired(value), declared)


def repaired(value: object) -> object:
    """Text, lists and dicts with their text repaired; everything else unchanged."""
    if type(value) is str:
        return clean_text(value)
    if type(value) is list:
        return [repaired(each) for each in cast("list[object]", value)]
    if type(value) is dict:
        items = cast("dict[object, object]", value).items()
        return {repaired(key): repaired(each) for key, each in items}
    return value


def _jsonable(value: object, declared: TypeAdapter[Any] | None) -> object:
    if declared is None:
        return to_jsonable_python(value, by_alias=True)
    fitting = declared.validate_python(value, strict=True)
    dumped = declared.dump_python(fitting, mode="json", by_alias=True, warnings="error")
    _check_nulls(declared.dump_python(fitting, by_alias=True), dumped, "the result")
    return dumped


def _check_nulls(given: object, dumped: object, place: str) -> None:
    """Raise ResultRefused for an infinity or NaN that an untyped place has turned into null."""
    match given, dumped:
        case float(), None:
            msg = f"{place} is {given}, which JSON cannot represent"
            raise ResultRefused(msg)
        case dict(), dict():
            values = zip(
                cast("dict[object, object]", given).values(),
                cast("dict[object, object]", dumped).items(),
                strict=False,
            )
            for one, (key, other) in values:
                _check_nulls(one, other, f"{place}.{key}")
        case ((list() | tuple() | set() | frozenset()), list()):
            items = zip(cast("list[object]", given), cast("list[object]", dumped), strict=False)
            for n, (one, other) in enumerate(items):
                _check_nulls(one, other, f"{place}[{n}]")
        case _:
            pass


def first_problems(error: ValidationError) -> str:
    """The first few problems that Pydantic found: `place: what is wrong`."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told: list[str] = []
    for problem in found[:3]:
        where = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in problem["loc"])
        told.append(f"{where.removeprefix('.')}: {problem['msg']}".removeprefix(": "))
    return "; ".join(told)


def clean_text(text: str) -> str:
    """The text with NULs and lone surrogates replaced by U+FFFD, and surrogate pairs joined."""
    if text.isascii() and "\0" not in text:
        return text
    pairs = text.encode("utf-16-le", "surrogatepass")
    return pairs.decode("utf-16-le", "replace").replace("\0", "\ufffd")


class _Cleaner:
    """Walks one JSON value and counts its characters, so that the whole stays bounded."""

    def __init__(self) -> None:
        self.left = MAX_CHARACTERS

    def clean(self, value: object, place: str, depth: int) -> Json:
        if depth > MAX_DEPTH:
            msg = f"it is nested deeper than {MAX_DEPTH} levels"
            raise ResultRefused(msg)
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self._mapping(cast("dict[object, object]", value), place, depth)
        if isinstance(value, list):
            items = cast("list[object]", value)
            return [self.clean(v, f"{place}[{i}]", depth + 1) for i, v in enumerate(items)]
        self._spend(8)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return _number(value, place)
        msg = f"{place} is a {type(value).__name__}, which JSON cannot represent"
        raise ResultRefused(msg)

    def text(self, value: str) -> str:
        self._spend(len(value))
        return clean_text(value)

    def _mapping(self, value: dict[object, object], place: str, depth: int) -> Json:
        cleaned = {
            self.text(str(k)): self.clean(v, f"{place}.{k}", depth + 1) for k, v in value.items()
        }
        if len(cleaned) != len(value):
            msg = f"two keys of {place} are the same once their text is repaired"
            raise ResultRefused(msg)
        return cleaned

    def _spend(self, characters: int) -> None:
        self.left -= characters
        if self.left < 0:
            msg = f"it is larger than {MAX_CHARACTERS} characters"
            raise ResultRefused(msg)


def _number(value: float, place: str) -> Json:
    if isinstance(value, float):
        if not math.isfinite(value):
            msg = f"{place} is {value}, which JSON cannot represent"
            raise ResultRefused(msg)
        return float(value)
    if value.bit_length() > MAX_INTEGER_BITS:
        msg = f"{place} is an integer of about {value.bit_length() * 3 // 10} digits"
        raise ResultRefused(msg)
    return int(value)
