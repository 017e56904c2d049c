"""Checks arguments against the recorded schema before anything runs.

Pure, so that a role may decide on it and a replay finds the same message. The messages are our own
(see messages.py), not the library's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from jsonschema_rs import (
    Draft202012Validator,
    FancyRegexOptions,
    ValidationError,
)

from playhead.events.event import Json
from playhead.events.spec.agent import ToolSpec
from playhead.tools.validation.did_you_mean import nearest
from playhead.tools.validation.messages import problems, takes

MAX_DEPTH = 100
"""Levels of lists and objects; the validation library has no limit and would crash."""

BACKTRACKS = 100_000
"""Backtracking steps before a pattern counts as not matching."""


@dataclass(frozen=True, slots=True)
class ArgumentError:
    """Why a call does not start, as a message that the model can act on."""

    message: str
    hint: str | None = None


class _SchemaKey:
    """Hashed by the definition, equal only if the schema is: a cached validator is never wrong."""

    __slots__ = ("definition", "schema")

    def __init__(self, definition: str, schema: dict[str, Json]) -> None:
        self.definition = definition
        self.schema = schema

    def __hash__(self) -> int:
        return hash(self.definition)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SchemaKey) and (
            self.schema is other.schema or self.schema == other.schema
        )


@lru_cache(maxsize=1024)
def _validator(key: _SchemaKey) -> Draft202012Validator:
    """Offline: a `$ref` to a file or an address is an error, never read."""
    return Draft202012Validator(
        key.schema,
        offline=True,
        validate_formats=False,
        pattern_options=FancyRegexOptions(backtrack_limit=BACKTRACKS),
    )


def check(spec: ToolSpec, arguments: Mapping[str, Json]) -> ArgumentError | None:
    """What is wrong with the arguments under the recorded schema, or None."""
    try:
        validator = _validator(_SchemaKey(spec.definition, spec.input_schema))
    except ValueError:
        return ArgumentError(
            f"{spec.name} cannot be called: its schema is not valid",
            "This is a fault of the tool, not of the call: continue without it.",
        )
    errors: list[ValidationError] = []
    try:
        deep = _deeper_than(MAX_DEPTH, arguments)
        if not deep and validator.is_valid(arguments):
            return None
        errors.extend(() if deep else validator.iter_errors(arguments))
    except ValueError:
        pass
    if not errors:
        return ArgumentError(
            f"the arguments of {spec.name} are nested too deeply, or are not JSON",
            takes(spec.name, spec.input_schema),
        )
    return ArgumentError(
        problems(errors, spec.input_schema, arguments), takes(spec.name, spec.input_schema)
    )


def _deeper_than(limit: int, value: object) -> bool:
    level = [value]
    for _ in range(limit):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return False
    return True


def _inside(value: object) -> list[object]:
    """The lists and objects directly inside a value."""
    if isinstance(value, Mapping):
        values = cast("Iterable[object]", value.values())
    else:
        values = cast("list[object]", value) if isinstance(value, list) else ()
    return [each for each in values if isinstance(each, list | dict)]


def suggest_tool(name: str, names: Sequence[str]) -> ArgumentError:
    """What to tell a model that asked for an unknown tool."""
    if not names:
        return ArgumentError(
            f"there is no tool `{name[:64]}`", "There are no tools: answer without them."
        )
    close = nearest(name, names)
    more = f": did you mean `{close}`?" if close else ""
    shown = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
    return ArgumentError(f"there is no tool `{name[:64]}`{more}", f"The tools are: {shown}.")
