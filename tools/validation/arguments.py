"""Checks arguments against the recorded schema before anything runs.

Pure, so that a role may decide on it and a replay finds the same message. The messages are our own
(see messages.py), not the library's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from jsonschema_rs import ValidationError, Validator

from playhead.events.event import Json
from playhead.events.spec.agent import ToolSpec
from playhead.tools.validation.did_you_mean import nearest
from playhead.tools.validation.messages import problems, takes
from playhead.tools.validation.schemas import MAX_DEPTH, compiled, deeper_than


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
def _validator(key: _SchemaKey) -> Validator:
    return compiled(key.schema)


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
        deep = deeper_than(MAX_DEPTH, arguments)
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
