"""A function whose arguments are described by a schema, or by one model, not by its signature."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_origin

import docstring_parser
from pydantic import BaseModel, JsonValue, RootModel

from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.tools.definition.callables import described
from playhead.tools.definition.signature import (
    EVERY,
    Parameters,
    Signature,
    check_type,
    description_of,
    read_parameters,
    read_result_type,
    read_signature,
)
from playhead.tools.definition.strict_schema import StrictSchema
from playhead.tools.validation.schemas import SchemaFault, tool_schema

EVERYTHING = RootModel[dict[str, JsonValue]]

ONE = "take all in one, `arguments: dict`"


def signature_of(
    function: Callable[..., Any], name: str, description: str | None, given: object = None
) -> Signature:
    """Read a function with the schema or type that was given for its arguments, if any.

    Raises UsageError if no call could succeed.
    """
    if given is None:
        return read_signature(function, name, description)
    return read_with_schema(function, name, description, given)


def read_with_schema(
    function: Callable[..., Any], name: str, description: str | None, given: object
) -> Signature:
    """Read a function with the schema of its arguments: a dict, or a type such as a model."""
    parameters = read_parameters(function, name)
    kind = given if isinstance(given, type) or get_origin(given) is not None else None
    schema = _schema(given if kind is None else _schema_of(kind, name), name)
    raw = _receives(parameters, kind, schema, name)
    if raw is None:
        base = read_signature(function, name, description)
        return _fitting(base, schema, name)
    returned = read_result_type(function, parameters.hints, name)
    doc = docstring_parser.parse(described(function))
    return Signature(
        arguments=EVERYTHING if kind is None else _root_of(kind),
        fields={},
        required=frozenset(),
        context=parameters.context,
        given=parameters.given,
        result=returned.adapter,
        shows_content=returned.shows_content,
        awaits=returned.awaits,
        schema=schema,
        description=description or description_of(doc, name),
        raw=raw,
    )


def raw_signature(schema: dict[str, Json], description: str) -> Signature:
    """Of an async function that takes `arguments` as they came, and `context: ToolContext`."""
    return Signature(
        arguments=EVERYTHING,
        fields={},
        required=frozenset(),
        context="context",
        given={},
        result=None,
        shows_content=True,
        awaits=True,
        schema=schema,
        description=description,
        raw="arguments",
    )


def _root_of(kind: Any) -> type[BaseModel]:
    return RootModel[kind]


def _schema(given: object, name: str) -> dict[str, Json]:
    try:
        return tool_schema(given)[0]
    except SchemaFault as fault:
        msg = f"tool {name}: {fault}"
        raise UsageError(msg) from fault


def _schema_of(kind: Any, name: str) -> object:
    adapter = check_type(kind, f"tool {name}: input_schema=")
    return adapter.json_schema(schema_generator=StrictSchema)


def _receives(
    parameters: Parameters, kind: Any, schema: Mapping[str, Any], name: str
) -> str | None:
    """The parameter that receives all arguments; None if each argument has one of its own."""
    shown, hints = parameters.shown, parameters.hints
    keywords = [p for p in shown if p.kind is p.VAR_KEYWORD]
    if keywords and len(shown) == 1 and kind is None:
        _keep_apart(parameters, schema, name)
        return EVERY
    if len(shown) == 1 and shown[0].kind in (shown[0].POSITIONAL_OR_KEYWORD, shown[0].KEYWORD_ONLY):
        parameter = shown[0].name
        hint = hints.get(parameter, Any)
        if hint == kind or (kind is not None and hint is Any):
            return parameter
        if kind is None and hint is Any and parameter in schema.get("properties", {}):
            msg = (
                f"tool {name}: parameter {parameter} is also an argument of the schema: annotate "
                "it as `dict` to receive all arguments, or with the type of that argument"
            )
            raise UsageError(msg)
        if kind is None and (hint is Any or (get_origin(hint) or hint) in (dict, Mapping)):
            return parameter
    if kind is not None:
        msg = f"tool {name}: with input_schema={kind!r} it takes one parameter, annotated with that"
        raise UsageError(msg)
    return None


def _keep_apart(parameters: Parameters, schema: Mapping[str, Any], name: str) -> None:
    """A parameter that is filled in here has no namesake among the arguments."""
    filled = {*parameters.given, *filter(None, [parameters.context])}
    closed = schema.get("additionalProperties") is False
    twice = filled & schema.get("properties", {}).keys()
    if twice or (filled and not closed):
        which = ", ".join(sorted(twice or filled))
        msg = f"tool {name}: parameter {which} may also come as an argument: {ONE}"
        raise UsageError(msg)


def _fitting(base: Signature, schema: dict[str, Json], name: str) -> Signature:
    """The signature with this schema, where each argument has a parameter, and each a value."""
    properties: Any = schema.get("properties", {})
    required: Any = schema.get("required", [])
    surplus = sorted(properties.keys() - base.fields.keys())
    missing = sorted(base.required - set(required))
    extra = schema.setdefault("additionalProperties", False) is not False
    if surplus or missing or extra or "patternProperties" in schema:
        what = (
            f"argument {surplus[0]} has no parameter" if surplus
            else f"parameter {missing[0]} has no default, and the schema does not require it"
            if missing else "the schema allows further arguments"
        )  # fmt: skip
        msg = f"tool {name}: {what}: {ONE}"
        raise UsageError(msg)
    return replace(base, schema=schema)
