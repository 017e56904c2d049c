"""What a schema must be for its tool to be callable; checked once, when the tool is defined."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from jsonschema_rs import FancyRegexOptions, ValidationError, Validator, validator_for
from jsonschema_rs.canonical import find_unsatisfiable

from playhead.events.event import Json
from playhead.tools.validation.dialects import in_2020_12, nested

MAX_DEPTH = 100
"""Levels of lists and objects; the validation library has no limit and would crash."""

BACKTRACKS = 100_000
"""Backtracking steps before a pattern counts as not matching."""

FIELD = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
"""Names of arguments that the Messages API accepts."""

LINE = 500
"""Characters of a fault that are told."""

SURROGATE = re.compile("[\ud800-\udfff]")

REFUSED = "which the model API refuses"


def compiled(schema: dict[str, Json]) -> Validator:
    """A validator of the draft that `$schema` names; draft 2020-12 where it names none.

    Offline: a `$ref` to a file or an address is an error, never read.
    """
    return validator_for(
        schema,
        offline=True,
        validate_formats=False,
        pattern_options=FancyRegexOptions(backtrack_limit=BACKTRACKS),
    )


def schema_fault(schema: dict[str, Json]) -> str | None:
    """Why nothing can be checked against this schema: where and what; None if it is valid."""
    try:
        compiled(schema)
    except ValidationError as error:
        if error.message.startswith("Unknown meta-schema"):
            return (
                f"its $schema {schema.get('$schema')!r:.200} is none of draft-04, draft-06, "
                "draft-07, 2019-09 and 2020-12: name one of them, or none"
            )
        place = ".".join(str(step) for step in error.instance_path)
        return f"its schema is not valid{' at ' + place if place else ''}: {error.message}"[:LINE]
    except (ValueError, RecursionError) as error:
        return f"its schema is not valid: {error}"[:LINE]
    return None


def tool_schema_fault(schema: dict[str, Json]) -> str | None:
    """Why a tool with this schema could never be called, by us or by the model API; else None."""
    return root_fault(schema) or schema_fault(schema) or api_fault(schema) or _never(schema)


def root_fault(schema: Mapping[str, Any]) -> str | None:
    """Arguments are an object."""
    kind = schema.get("type", "object")
    if kind == "object":
        return None
    return f"its schema is of type {kind!r}: the arguments of a tool are an object"


def api_fault(schema: Mapping[str, Any]) -> str | None:
    """What the model API refuses at the root of a schema."""
    for keyword in ("oneOf", "anyOf", "allOf"):
        if keyword in schema:
            return f"its schema has {keyword} at the root, {REFUSED}: nest it"
    fields = cast("Mapping[str, Json]", schema.get("properties", {}))
    for name in fields:
        if not FIELD.fullmatch(name):
            return (
                f"its argument {name[:80]!r} has a name that the model API refuses: use 1 to 64 of "
                "a-z, A-Z, 0-9, _, . and -"
            )
    return None


def _never(schema: dict[str, Json]) -> str | None:
    try:
        found = find_unsatisfiable(schema, offline=True)
    except ValueError:  # it is valid, but cannot be analysed
        return None
    if "" not in found:
        return None
    places = [place.replace("/", ".").removeprefix(".") for place in found if place]
    where = f" (look at {', '.join(places[:3])})" if places else ""
    return f"its schema contradicts itself: no arguments fit it{where}"[:LINE]


class SchemaFault(Exception):
    """No tool can have this schema; the message says where and why."""


def tool_schema(given: object, *, reshape: bool = False) -> tuple[dict[str, Json], bool]:
    """The schema as it is recorded and sent, in draft 2020-12, and whether it was nested.

    With `reshape`, what the model API refuses at the root becomes the schema of one argument,
    `arguments`. Raises SchemaFault if no call could be made with it.
    """
    schema = as_json(given)
    if (fault := schema_fault(schema)) is not None:
        raise SchemaFault(fault)
    schema = {"type": "object", **in_2020_12(schema)}
    if reshape and isinstance(schema["type"], list) and "object" in schema["type"]:
        schema["type"] = "object"
    if (fault := root_fault(schema)) is not None:
        raise SchemaFault(fault)
    nest = reshape and api_fault(schema) is not None
    made = nested(schema) if nest else schema
    if (fault := tool_schema_fault(made)) is not None:
        raise SchemaFault(fault)
    return made, nest


def as_json(given: object) -> dict[str, Json]:
    """A copy of a schema that is JSON. Raises SchemaFault for anything else."""
    if not isinstance(given, Mapping):
        msg = f"its schema is {given!r:.80}: give a JSON schema of an object, as a dict"
        raise SchemaFault(msg)
    try:
        text = json.dumps(dict(cast("Mapping[str, Json]", given)), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"its schema is not JSON: {error}"[:LINE]
        raise SchemaFault(msg) from error
    schema: dict[str, Json] = json.loads(text)
    if (fault := text_fault("its schema", json.dumps(schema, ensure_ascii=False))) is not None:
        raise SchemaFault(fault)
    return schema


def text_fault(what: str, text: str) -> str | None:
    """What keeps a text from being stored and sent: half of a surrogate pair."""
    found = SURROGATE.search(text)
    if found is None:
        return None
    return (
        f"{what} contains half of a surrogate pair, U+{ord(found[0]):04X}, after "
        f"{text[max(0, found.start() - 20) : found.start()]!r}: write the whole character"
    )


def deeper_than(limit: int, value: object) -> bool:
    """Whether lists and objects are nested in more levels than `limit`."""
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
