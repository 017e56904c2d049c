"""Every shape of schema works, or is refused in words: in process, and from a server."""

from collections.abc import Callable
from typing import Any

import pytest
from mcp import types
from pydantic import BaseModel

from playhead.events.errors import UsageError
from playhead.tools.context import ToolContext
from playhead.tools.lint.lint import lint
from playhead.tools.mcp.convert import Adoption, to_tool
from playhead.tools.tool import AnyTool, Tool
from playhead.tools.validation.dialects import WHOLE
from tests.tools.calls import call_inline, failure_of, result_of

DRAFT = "http://json-schema.org/draft-0{}/schema#"
NODE = {"properties": {"next": {"$ref": "#/$defs/N"}}, "additionalProperties": False}


def a(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}, **more}


def old(draft: int, schema: Any, **more: Any) -> dict[str, Any]:
    return {"$schema": DRAFT.format(draft), **a(schema, **more)}


def chain(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(levels):
        made = a(made)
    return made


PAIR = [{"type": "integer"}, {"type": "string"}]

WORKING: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any] | None]] = [
    ("nothing", {}, {}, None),
    ("no type", {"properties": {"a": {"type": "integer"}}}, {"a": 1}, {"a": "x"}),
    ("no properties", {"type": "object"}, {"anything": 1}, None),
    ("closed and empty", {"type": "object", "additionalProperties": False}, {}, {"a": 1}),
    ("true", a(True), {"a": [1]}, None),
    ("false", a(False), {}, {"a": 1}),
    ("empty", a({}), {"a": None}, None),
    ("integer", a({"type": "integer"}), {"a": 3}, {"a": 3.5}),
    ("several types", a({"type": ["integer", "null"]}), {"a": None}, {"a": "x"}),
    ("enum", a({"enum": ["x", 1, None]}), {"a": None}, {"a": 2}),
    ("const", a({"const": {"b": 1}}), {"a": {"b": 1}}, {"a": {"b": 2}}),
    ("const null", a({"const": None}), {"a": None}, {"a": 0}),
    ("pattern", a({"pattern": "^x"}), {"a": "xy"}, {"a": "y"}),
    ("look-ahead", a({"pattern": "^(?!x)"}), {"a": "y"}, {"a": "x"}),
    ("unknown format", a({"type": "string", "format": "cow"}), {"a": "moo"}, {"a": 1}),
    ("unknown keyword", a({"x-units": "km"}), {"a": 1}, None),
    ("bounds", a({"minimum": 1, "exclusiveMaximum": 3}), {"a": 1}, {"a": 3}),
    ("multiple", a({"multipleOf": 0.5}), {"a": 1.5}, {"a": 1.2}),
    ("items", a({"items": {"type": "integer"}}), {"a": [1]}, {"a": ["x"]}),
    ("prefixItems", a({"prefixItems": PAIR}), {"a": [1, "x"]}, {"a": ["x"]}),
    ("unique", a({"uniqueItems": True}), {"a": [1, 2]}, {"a": [1, 1]}),
    ("contains", a({"contains": {"const": 1}}), {"a": [1]}, {"a": [2]}),
    ("maxContains", a({"contains": {}, "maxContains": 1}), {"a": [1]}, {"a": [1, 2]}),
    ("oneOf", a({"oneOf": PAIR}), {"a": "x"}, {"a": None}),
    ("anyOf", a({"anyOf": PAIR}), {"a": 1}, {"a": None}),
    ("allOf", a({"allOf": [{"minimum": 1}, {"maximum": 2}]}), {"a": 1}, {"a": 3}),
    ("not", a({"not": {"type": "string"}}), {"a": 1}, {"a": "x"}),
    ("if", a({"if": {"type": "integer"}, "then": {"minimum": 3}}), {"a": "x"}, {"a": 1}),
    ("if at the root", {**a({}), "if": {"required": ["a"]}, "then": {"required": ["b"]}},
     {"b": 1}, {"a": 1}),
    ("$defs", a({"$ref": "#/$defs/I"}, **{"$defs": {"I": PAIR[0]}}), {"a": 1}, {"a": "x"}),
    ("definitions", a({"$ref": "#/definitions/I"}, definitions={"I": PAIR[0]}), {"a": 1},
     {"a": "x"}),
    ("anchor", a({"$ref": "#I"}, **{"$defs": {"I": {"$anchor": "I", **PAIR[0]}}}), {"a": 1},
     {"a": "x"}),
    ("$ref at the root", {"$ref": "#/$defs/X", "$defs": {"X": a(PAIR[0])}}, {"a": 1}, {"a": "x"}),
    ("recursion", a({"$ref": "#/$defs/N"}, **{"$defs": {"N": NODE}}), {"a": {"next": {}}},
     {"a": {"last": {}}}),
    ("recursion from the root", a({"$ref": "#"}), {"a": {"a": {}}}, {"a": 1}),
    ("$id", {"$id": "https://example.com/x", **a({"$ref": "#/$defs/I"}), "$defs": {"I": PAIR[0]}},
     {"a": 1}, {"a": "x"}),
    ("$id inside", a({"$id": "urn:b", "properties": {"c": {"$ref": "#/$defs/I"}},
                      "$defs": {"I": PAIR[0]}}), {"a": {"c": 1}}, {"a": {"c": "x"}}),
    ("patternProperties", {"type": "object", "patternProperties": {"^x": PAIR[0]}}, {"x1": 1},
     {"x1": "x"}),
    ("propertyNames", {"type": "object", "propertyNames": {"pattern": "^x"}}, {"x": 1}, {"y": 1}),
    ("a property propertyNames", {"type": "object", "properties": {"propertyNames": PAIR[0]}},
     {"propertyNames": 1}, {"propertyNames": "x"}),
    ("a property items", {"type": "object", "properties": {"items": {"items": PAIR[0]}}},
     {"items": [1]}, {"items": ["x"]}),
    ("dependentRequired", {"type": "object", "dependentRequired": {"a": ["b"]}}, {"b": 1},
     {"a": 1}),
    ("unevaluated", {**a({}), "unevaluatedProperties": False}, {"a": 1}, {"b": 1}),
    ("minProperties", {"type": "object", "minProperties": 1}, {"a": 1}, {}),
    ("2020-12", {"$schema": "https://json-schema.org/draft/2020-12/schema",
                 **a({"prefixItems": PAIR})}, {"a": [1]}, {"a": ["x"]}),
    ("2019-09 tuple", {"$schema": "https://json-schema.org/draft/2019-09/schema",
                       **a({"items": PAIR, "additionalItems": False})}, {"a": [1, "x"]},
     {"a": [1, "x", 2]}),
    ("2019-09 recursion", {"$schema": "https://json-schema.org/draft/2019-09/schema",
                           **a({"$recursiveRef": "#"}), "$recursiveAnchor": True},
     {"a": {"a": {}}}, {"a": 1}),
    ("draft-07 tuple", old(7, {"type": "array", "items": PAIR}), {"a": [1, "x"]}, {"a": ["x"]}),
    ("draft-07 tuple, closed", old(7, {"items": PAIR, "additionalItems": False}),
     {"a": [1, "x"]}, {"a": [1, "x", 2]}),
    ("draft-07 dependencies", old(7, {}, dependencies={"a": ["b"], "b": {"minProperties": 2}}),
     {"a": 1, "b": 1}, {"a": 1}),
    ("draft-07 $ref hides its siblings", old(7, {"$ref": "#/definitions/I", "minimum": 9},
                                             definitions={"I": PAIR[0]}), {"a": 1}, {"a": "x"}),
    ("draft-07 anchor", old(7, {"$ref": "#I"}, definitions={"I": {"$id": "#I", **PAIR[0]}}),
     {"a": 1}, {"a": "x"}),
    ("draft-07 pointer into a tuple", {"$schema": DRAFT.format(7), "properties": {
        "items": {"items": [PAIR[0]]}, "b": {"$ref": "#/properties/items/items/0"}}},
     {"items": [1], "b": 1}, {"b": "x"}),
    ("draft-06 const", old(6, {"const": 1}), {"a": 1}, {"a": 2}),
    ("draft-06 has no if", old(6, {"if": True, "then": False}), {"a": 1}, None),
    ("draft-04 bounds", old(4, {"minimum": 1, "exclusiveMinimum": True}), {"a": 2}, {"a": 1}),
    ("draft-04 has no const", old(4, {"const": 1}), {"a": 2}, None),
    ("draft-04 id", {"$schema": DRAFT.format(4), "id": "https://example.com/x",
                     **a({"$ref": "#/definitions/I"}), "definitions": {"I": PAIR[0]}}, {"a": 1},
     {"a": "x"}),
]  # fmt: skip

NESTED: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("oneOf", {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": 1},
     {"a": 1, "b": 1}),
    ("anyOf", {"anyOf": [a(PAIR[0], required=["a"]), {"required": ["b"]}]}, {"a": 1}, {"a": "x"}),
    ("allOf", {"allOf": [{"$ref": "#/$defs/X"}], "$defs": {"X": a(PAIR[0])}}, {"a": 1}, {"a": "x"}),
    ("a space in a name", {"type": "object", "properties": {"a b": PAIR[0]}}, {"a b": 1},
     {"a b": "x"}),
    ("a long name", {"type": "object", "properties": {"a" * 65: PAIR[0]}}, {"a" * 65: 1},
     {"a" * 65: "x"}),
    ("a reference to the root", {"anyOf": [a({"$ref": "#"}, required=["a"]), {"required": ["b"]}]},
     {"a": {"b": 1}}, {"a": 1}),
    ("a reference within", {"properties": {"a b": PAIR[0], "b": {"$ref": "#/properties/a%20b"}}},
     {"b": 1}, {"b": "x"}),
]  # fmt: skip
"""What the model API refuses at the root: refused in process, nested for a server's tool."""

REFUSED: list[tuple[str, object, str]] = [
    ("a list", [], "give a JSON schema of an object"),
    ("true", True, "give a JSON schema of an object"),
    ("a text", "object", "give a JSON schema of an object"),
    ("an array", {"type": "array"}, "of type 'array': the arguments of a tool are an object"),
    ("object or null", {"type": ["object", "null"]}, "the arguments of a tool are an object"),
    ("$ref to an array", {"$ref": "#/$defs/X", "$defs": {"X": {"type": "array"}}}, "contradicts"),
    ("type float", a({"type": "float"}), 'at properties.a.type: "float"'),
    ("required null", {"type": "object", "required": None}, "at required: null"),
    ("properties null", {"type": "object", "properties": None}, "at properties: null"),
    ("a number as schema", a(3), "at properties.a: 3"),
    ("dangling", a({"$ref": "#/$defs/X"}), "'/$defs/X' does not exist"),
    ("no such anchor", a({"$ref": "#X"}), "X"),
    ("remote", a({"$ref": "https://example.com/x.json"}), "https://example.com/x.json"),
    ("a file", a({"$ref": "file:///etc/passwd"}), "file:///etc/passwd"),
    ("bad regex", a({"pattern": "("}), "at properties.a.pattern"),
    ("minLength -1", a({"minLength": -1}), "at properties.a.minLength"),
    ("no draft", {"$schema": "https://example.com/meta", **a({})}, "its $schema"),
    ("draft-03", {"$schema": "http://json-schema.org/draft-03/schema#", **a({})}, "draft-04"),
    ("2020-12 with a tuple", a({"items": PAIR}), "at properties.a.items"),
    ("NaN", a({"minimum": float("nan")}), "not JSON"),
    ("a set", a({"enum": {1}}), "not JSON"),
    ("half a character", a({"const": "x\ud83d"}), "half of a surrogate pair, U+D83D"),
    ("too deep", chain(400), "not valid"),
    ("far too deep", chain(5000), "recursion"),
    ("required, never", a(False, required=["a"]), "contradicts itself"),
    ("required, unknown", a({}, required=["b"], additionalProperties=False), "contradicts itself"),
    ("no value", a({"type": "integer", "minimum": 3, "maximum": 2}, required=["a"]), "contradicts"),
]  # fmt: skip


def took(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"took": arguments}


def own(schema: Any) -> AnyTool:
    return Tool.from_schema("take", "Take what comes.", schema, took, effect="read")


def served(schema: dict[str, Any]) -> AnyTool:
    async def answer(asked: types.Tool, arguments: Any, context: ToolContext) -> object:
        return {"took": arguments}

    listed = types.Tool.model_construct(name="take", description="Take.", input_schema=schema)
    return to_tool(listed, Adoption(server="s", effects={"take": "read"}), answer)


def ids(rows: list[Any]) -> list[str]:
    return [row[0] for row in rows]


def check_calls(made: AnyTool, valid: Any, invalid: Any, taken: Any) -> None:
    assert result_of(call_inline(made, valid)) == {"took": taken}
    if invalid is not None:
        refused = failure_of(call_inline(made, invalid))
        assert refused.error == "invalid_arguments"
        assert "takes no arguments" not in (refused.hint or "") or "not allowed" in refused.message
        assert "did not say why" not in refused.message
    lint([made])


@pytest.mark.parametrize("make", [own, served])
@pytest.mark.parametrize(("_", "schema", "valid", "invalid"), WORKING, ids=ids(WORKING))
def test_a_legal_schema_is_called_with_what_fits_and_refuses_what_does_not(
    make: Any, _: str, schema: dict[str, Any], valid: Any, invalid: Any
) -> None:
    made = make(schema)
    assert "$schema" not in made.spec.input_schema
    assert made.spec.input_schema["type"] == "object"
    check_calls(made, valid, invalid, valid)


@pytest.mark.parametrize(("_", "schema", "valid", "invalid"), NESTED, ids=ids(NESTED))
def test_what_the_model_api_refuses_at_the_root_is_refused_here_and_nested_for_a_server(
    _: str, schema: dict[str, Any], valid: Any, invalid: Any
) -> None:
    with pytest.raises(UsageError, match="the model API refuses"):
        own(schema)
    check_calls(served(schema), {WHOLE: valid}, {WHOLE: invalid}, valid)


@pytest.mark.parametrize(("_", "schema", "why"), REFUSED, ids=ids(REFUSED))
def test_what_no_call_could_meet_is_refused_in_words(_: str, schema: Any, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        own(schema)
    line = str(refused.value)
    assert line.startswith("tool take: its ")
    assert why in line
    assert "\n" not in line
    assert len(line) < 600


def test_the_tables_have_the_sixty_shapes_and_more() -> None:
    assert len(WORKING) + len(NESTED) + len(REFUSED) >= 60


def test_a_server_may_also_say_object_or_null() -> None:
    made = served({"type": ["object", "null"], "properties": {"a": PAIR[0]}})
    assert made.spec.input_schema["type"] == "object"
    assert result_of(call_inline(made, {"a": 1})) == {"took": {"a": 1}}


class Order(BaseModel):
    item: str
    count: int = 1


def test_a_model_describes_the_arguments_and_arrives_as_one() -> None:
    def book(order: Order) -> str:
        """Book an order."""
        return f"{order.count} {order.item}"

    made = Tool.from_schema("book", "Book an order.", Order, book)
    assert made.spec.input_schema["required"] == ["item"]
    assert made.spec.input_schema["additionalProperties"] is False
    assert result_of(call_inline(made, {"item": "tea"})) == "1 tea"
    refused = failure_of(call_inline(made, {"count": 1}))
    assert refused.message == "item: missing, expected string"


def test_the_arguments_come_in_one_parameter_as_keywords_or_one_by_one() -> None:
    schema = a(PAIR[0], required=["a"], additionalProperties=False)

    def one(everything: dict[str, Any]) -> object:
        return everything

    def keywords(context: ToolContext, **everything: Any) -> object:
        return [context.run, everything]

    def each(a: int, context: ToolContext, b: int = 5) -> object:
        return [a, b, context.call]

    async def later(everything: Any) -> object:
        return everything

    def untyped(everything: object) -> object:
        return everything

    untyped.__annotations__.clear()

    functions: list[Callable[..., Any]] = [one, keywords, each, later, untyped]
    results = [
        result_of(call_inline(Tool.from_schema("t", "Take.", schema, function), {"a": 1}))
        for function in functions
    ]
    assert results == [{"a": 1}, ["run", {"a": 1}], [1, 5, 7], {"a": 1}, {"a": 1}]


def test_a_function_that_could_not_take_the_arguments_is_refused() -> None:
    def two(a: int, b: int) -> int:
        return a + b

    def twice(context: ToolContext, **everything: Any) -> None: ...

    def typed(order: Order, more: int) -> None: ...

    def untyped(a: object) -> object:
        return a

    untyped.__annotations__.clear()

    def nothing() -> None: ...

    schema = a(PAIR[0])
    rows: list[tuple[Callable[..., Any], Any, str]] = [
        (two, schema, "parameter a has no default, and the schema does not require it"),
        (two, {"properties": {"c": {}}, "required": ["a", "b"]}, "argument c has no parameter"),
        (
            two,
            {**schema, "additionalProperties": True, "required": ["a", "b"]},
            "further arguments",
        ),
        (twice, schema, "parameter context may also come as an argument"),
        (typed, Order, "takes one parameter"),
        (untyped, schema, "annotate it as `dict`"),
        (nothing, schema, "argument a has no parameter"),
    ]
    for function, given, why in rows:
        with pytest.raises(UsageError, match="tool t: ") as refused:
            Tool.from_schema("t", "Take.", given, function)
        assert why in str(refused.value)


def test_a_catalogue_keeps_its_names_and_one_that_the_api_refuses_is_mapped_reversibly() -> None:
    names = ["find", "crm.find", "crm/find", "crm find", "größe", "x" * 80, "...", "crm_find"]
    made = [Tool.from_schema(name, "Find.", {}, took) for name in names]
    again = [Tool.from_schema(name, "Find.", {}, took) for name in reversed(names)]
    assert {t.spec.original or t.spec.name: t.spec.name for t in made} == {
        t.spec.original or t.spec.name: t.spec.name for t in again
    }
    assert len({t.spec.name for t in made}) == len(names)
    assert [t.spec.original or t.spec.name for t in made] == names
    assert all(len(t.spec.name) <= 64 for t in made)


def test_the_callers_own_schema_is_left_as_it_was_and_later_changes_do_not_reach_the_tool() -> None:
    schema = old(7, {"items": PAIR})
    before = repr(schema)
    made = own(schema)
    assert repr(schema) == before
    schema["properties"]["a"] = False
    assert result_of(call_inline(made, {"a": [1, "x"]})) == {"took": {"a": [1, "x"]}}


def test_a_servers_tools_have_the_same_names_in_whatever_order_it_lists_them() -> None:
    async def answer(asked: types.Tool, arguments: Any, context: ToolContext) -> object:
        return {"asked": asked.name}

    def adopted(names: list[str]) -> dict[str, str]:
        made = [
            to_tool(
                types.Tool.model_construct(name=name, description="Take.", input_schema={}),
                Adoption(server="s", prefix="my.", effects={name: "read"}),
                answer,
            )
            for name in names
        ]
        return {result_of(call_inline(each, {}))["asked"]: each.spec.name for each in made}

    names = ["a.b", "a/b", "a_b", "a b"]
    assert adopted(names) == adopted(names[::-1])
    assert len(set(adopted(names).values())) == len(names)
    assert adopted(["a/b"])["a/b"] == adopted(names)["a/b"]


def test_advice_copes_with_every_legal_schema_and_an_old_draft_is_recorded_as_a_new_one() -> None:
    made = served(old(7, {"items": PAIR}))
    assert made.spec.input_schema == a({"prefixItems": PAIR})
    lint([made, served(a(True)), served({"properties": {"b": False}})])


MESSAGES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (a({"$id": "urn:b", "properties": {"c": {"$ref": "#/$defs/I"}}, "$defs": {"I": PAIR[0]}}),
     {"a": {"c": "x"}}, 'a.c: expected integer, got "x"'),
    (a({"oneOf": [{"minimum": 1}, {"type": "integer"}]}), {"a": 1},
     'a: fits more than one alternative, must fit exactly one: {"minimum": 1} or integer'),
    (a({"$id": "urn:b", "oneOf": [{"minimum": 1}, {"type": "integer"}]}), {"a": 1},
     'a: fits more than one alternative, must fit exactly one: {"minimum": 1} or integer'),
    (a({"prefixItems": PAIR, "items": False}), {"a": [1, "x", 2]}, "a[2]: not allowed"),
    ({"type": "object", "propertyNames": {"maxLength": 1}}, {"abc": 1},
     'the arguments: the field name "abc" does not fit {"maxLength": 1}'),
    ({"type": "object", "properties": {"propertyNames": PAIR[0]}}, {"propertyNames": "x"},
     'propertyNames: expected integer, got "x"'),
    ({**a({}), "unevaluatedProperties": False}, {"b": 1}, "unknown field `b`: allowed are `a`"),
    (a({"not": {"type": "string"}}), {"a": "x"}, 'a: must not fit {"type": "string"}, got "x"'),
    (a({"contains": {"const": 1}}), {"a": [2]},
     'a: must have an item that fits {"const": 1}, got [2]'),
    (a({"contains": {}, "maxContains": 1}), {"a": [1, 2]},
     "a: must have at most 1 items that fit {}, got [1, 2]"),
    (a({"$ref": "#I"}, **{"$defs": {"I": {"$anchor": "I", **PAIR[0]}}}), {"a": "x"},
     'a: expected integer, got "x"'),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "arguments", "message"), MESSAGES)
def test_the_message_names_the_place_and_what_was_expected_whatever_the_keyword(
    schema: dict[str, Any], arguments: dict[str, Any], message: str
) -> None:
    assert failure_of(call_inline(own(schema), arguments)).message == message


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/X", "$defs": {"X": {"$ref": "#/$defs/Y"}, "Y": a({}, required=["a"])}},
        {"type": "object", "required": ["a"]},
        {"type": "object", "additionalProperties": PAIR[0], "minProperties": 1},
        {"type": "object", "not": {"maxProperties": 0}},
        {"type": "object", "if": {"maxProperties": 0}, "then": {"required": ["a"]}},
    ],
)
def test_the_hint_never_says_no_arguments_where_the_schema_demands_one(
    schema: dict[str, Any],
) -> None:
    hint = failure_of(call_inline(own(schema), {})).hint
    assert hint is not None
    assert "takes no arguments" not in hint
