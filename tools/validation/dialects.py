"""Schemas of older drafts, said in draft 2020-12, which is what the model API reads.

Keywords that a draft does not know count for nothing in it, so they are left out, as is everything
but annotations beside a `$ref` up to draft-07.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from jsonschema_rs import (
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft201909Validator,
    validator_cls_for,
)

from playhead.events.event import Json

Schema: TypeAlias = dict[str, Any]

DRAFTS: Mapping[type, int] = {
    Draft4Validator: 4,
    Draft6Validator: 6,
    Draft7Validator: 7,
    Draft201909Validator: 8,
}
"""Numbered by age; anything else is 2020-12."""

SINCE: Mapping[int, frozenset[str]] = {
    6: frozenset({"const", "contains", "propertyNames", "$id"}),
    7: frozenset({"if", "then", "else"}),
    8: frozenset({
        "dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties",
        "minContains", "maxContains", "$anchor", "$recursiveRef", "$recursiveAnchor",
    }),
    9: frozenset({"prefixItems", "$dynamicRef", "$dynamicAnchor"}),
}  # fmt: skip
"""The keywords that each draft added."""

BESIDE_REF = frozenset({
    "$ref", "definitions", "$defs", "title", "description", "default", "examples",
})  # fmt: skip

HOLDS_SCHEMA = frozenset({
    "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items",
    "not", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
})  # fmt: skip
HOLDS_LIST = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
HOLDS_NAMED = frozenset({
    "$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties",
})  # fmt: skip


def in_2020_12(schema: dict[str, Json]) -> dict[str, Json]:
    """The schema in draft 2020-12, without its `$schema`; it must be valid in its own draft."""
    draft = DRAFTS.get(validator_cls_for(schema))
    rest = {key: value for key, value in schema.items() if key != "$schema"}
    if draft is None:
        return rest
    late = frozenset[str]().union(*(words for since, words in SINCE.items() if since > draft))
    return _object(each_schema(rest, lambda part: _translated(part, draft, late)))


def each_schema(value: Any, change: Callable[[Schema], Schema]) -> Any:
    """A schema with `change` made to it and to all schemas inside it, the innermost first."""
    if not isinstance(value, dict):
        return value
    made: Schema = {}
    for keyword, inner in _object(value).items():
        if keyword in HOLDS_LIST and isinstance(inner, list):
            made[keyword] = [each_schema(item, change) for item in _list(inner)]
        elif keyword in HOLDS_NAMED and isinstance(inner, dict):
            named = _object(inner).items()
            made[keyword] = {name: each_schema(item, change) for name, item in named}
        else:
            made[keyword] = each_schema(inner, change) if keyword in HOLDS_SCHEMA else inner
    return change(made)


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value)


def _object(value: Any) -> Schema:
    return cast("Schema", value)


def _translated(schema: Schema, draft: int, late: frozenset[str]) -> Schema:
    made = {key: value for key, value in schema.items() if key not in late}
    if draft < 8 and "$ref" in made:
        made = {key: value for key, value in made.items() if key in BESIDE_REF}
    _rename_id(made, draft)
    if draft == 4:
        _bound(made, "minimum", "exclusiveMinimum")
        _bound(made, "maximum", "exclusiveMaximum")
    _tuple(made)
    _dependencies(made)
    made.pop("$recursiveAnchor", None)
    if "$recursiveRef" in made:
        made["$ref"] = made.pop("$recursiveRef")
    if isinstance(made.get("$ref"), str):
        made["$ref"] = _pointer(made["$ref"])
    return made


def _rename_id(made: Schema, draft: int) -> None:
    name = made.pop("id", None) if draft == 4 else made.pop("$id", None)
    if isinstance(name, str) and name.startswith("#") and draft < 8:
        made["$anchor"] = name[1:]
    elif name is not None:
        made["$id"] = name


def _bound(made: Schema, bound: str, exclusive: str) -> None:
    """In draft-04 `exclusiveMinimum` is a flag beside `minimum`."""
    if made.pop(exclusive, False) and bound in made:
        made[exclusive] = made.pop(bound)


def _tuple(made: Schema) -> None:
    """A list of `items` is `prefixItems`, and `additionalItems` then is `items`."""
    rest = made.pop("additionalItems", None)
    if not isinstance(made.get("items"), list):
        return
    first: list[Any] = made.pop("items")
    if first:
        made["prefixItems"] = first
    if rest is not None:
        made["items"] = rest


def _dependencies(made: Schema) -> None:
    for name, needed in made.pop("dependencies", {}).items():
        keyword = "dependentRequired" if isinstance(needed, list) else "dependentSchemas"
        made.setdefault(keyword, {})[name] = needed


def _pointer(ref: str) -> str:
    """A pointer into a keyword that has another name now."""
    ref = re.sub(r"(?<!/properties)/items/(\d+)", r"/prefixItems/\1", ref)
    ref = re.sub(r"(?<!/properties)/additionalItems(?=/|$)", "/items", ref)
    return re.sub(r"(?<!/properties)/dependencies/", "/dependentSchemas/", ref)


WHOLE = "arguments"
"""The one argument of a tool whose schema the model API would not take at its root."""


def nested(schema: dict[str, Json]) -> dict[str, Json]:
    """An object whose one field fits the schema; references within the schema still hold."""
    inner = {key: value for key, value in schema.items() if key != "$id"}
    inner = each_schema(inner, _deeper)
    return {
        "type": "object",
        "properties": {WHOLE: inner},
        "required": [WHOLE],
        "additionalProperties": False,
    }


def _deeper(schema: Schema) -> Schema:
    ref = schema.get("$ref")
    if isinstance(ref, str) and (ref == "#" or ref.startswith("#/")):
        return {**schema, "$ref": f"#/properties/{WHOLE}{ref[1:]}"}
    return schema
