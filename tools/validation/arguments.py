"""Checks arguments against the recorded schema before anything runs.

Pure, so that a role may decide on it and a replay finds the same message. The messages are our own
(see messages.py), not the library's.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    return _compiled(key.schema)


def _compiled(schema: dict[str, Json]) -> Draft202012Validator:
    """Offline: a `$ref` to a file or an address is an error, never read."""
    return Draft202012Validator(
        schema,
        offline=True,
        validate_formats=False,
        pattern_options=FancyRegexOptions(backtrack_limit=BACKTRACKS),
    )


FIELD = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
"""Names of arguments that the Messages API accepts."""


def schema_fault(schema: dict[str, Json]) -> str | None:
    """Why nothing can be checked against this schema: where and what; None if it is valid."""
    try:
        _compiled(schema)
    except ValidationError as error:
        place = ".".join(str(step) for step in error.instance_path)
        return f"its schema is not valid{' at ' + place if place else ''}: {error.message}"[:500]
    except ValueError as error:
        return f"its schema is not valid: {error}"[:500]
    return None


def tool_schema_fault(schema: dict[str, Json]) -> str | None:
    """Why a tool with this schema could never be called, by us or by the model API; else None."""
    if schema.get("type", "object") != "object":
        return f"its schema is of type {schema['type']!r}: the arguments of a tool are an object"
    for keyword in ("oneOf", "anyOf", "allOf"):
        if keyword in schema:
            return f"its schema has {keyword} at the root, which the model API refuses: nest it"
    if (fault := schema_fault(schema)) is not None:
        return fault
    fields = cast("Mapping[str, Json]", schema.get("properties", {}))
    for name in fields:
        if not FIELD.fullmatch(name):
            return (
                f"its argument {name[:80]!r} has a name that the model API refuses: use 1 to 64 of "
                "a-z, A-Z, 0-9, _, . and -"
            )
    return None


def check(
    spec: ToolSpec,
    arguments: Mapping[str, Json],
    unknown: Callable[[Json], bool] | None = None,
) -> ArgumentError | None:
    """What is wrong with the arguments under the recorded schema, or None.

    `unknown` tells values that will be replaced before the call: only what is wrong whatever comes
    in their place counts, by whichever keywords the schema describes them.
    """
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
    if errors and unknown is not None and unknown(dict(arguments)):
        errors = [error for error in errors if _is_sure(error, unknown)]
        if not errors:
            return None
    if not errors:
        return ArgumentError(
            f"the arguments of {spec.name} are nested too deeply, or are not JSON",
            takes(spec.name, spec.input_schema),
        )
    return ArgumentError(
        problems(errors, spec.input_schema, arguments), takes(spec.name, spec.input_schema)
    )


NAMES = frozenset({
    "required", "additionalProperties", "propertyNames", "dependentRequired", "minProperties",
    "maxProperties", "minItems", "maxItems", "falseSchema",
})  # fmt: skip
"""Keywords that look at names and numbers of values, not at the values."""


def _is_sure(error: ValidationError, unknown: Callable[[Json], bool]) -> bool:
    """Whether an error stands whatever the unknown values turn out to be."""
    if not {"then", "else"}.isdisjoint(map(str, error.evaluation_path)):
        return False
    value, keyword = cast("Json", error.instance), error.kind.name
    shape = keyword == "type" and isinstance(value, list | dict)
    return shape or keyword in NAMES or not unknown(value)


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
