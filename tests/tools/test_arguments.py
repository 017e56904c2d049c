"""Arguments against the recorded schema: what is valid passes, an error names its culprit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.events.spec.agent import ToolSpec
from playhead.tools.tool import pinned, tool
from playhead.tools.validation.arguments import ArgumentError, check, suggest_tool
from tests.tools.calls import call_inline, result_of

Draw = Callable[..., Any]

NAMES = st.sampled_from(
    ["city", "amount", "unit", "start_date", "tags", "query", "limit", "0", "a.b"]
)


def spec_of(
    properties: dict[str, Any], required: list[str] | None = None, defs: Any = None
) -> ToolSpec:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
        "$defs": defs or {},
    }
    return pinned(ToolSpec(name="t", description="d", input_schema=schema))


def leaves() -> st.SearchStrategy[tuple[dict[str, Any], Any]]:
    """(schema, a valid value of it)"""
    return st.one_of(
        st.tuples(st.just({"type": "string"}), st.text(max_size=5)),
        st.tuples(st.just({"type": "boolean"}), st.booleans()),
        st.tuples(st.just({"type": "number"}), st.floats(allow_nan=False, allow_infinity=False)),
        st.tuples(
            st.just({"type": "integer", "minimum": 3, "maximum": 2**80}), st.integers(3, 2**80)
        ),
        st.tuples(st.just({"enum": ["red", "green"]}), st.sampled_from(["red", "green"])),
        st.tuples(
            st.just({"anyOf": [{"type": "integer"}, {"type": "null"}]}), st.integers() | st.none()
        ),
    )


@st.composite
def objects(draw: Draw, inner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A closed object schema with some optional fields, and a valid value."""
    fields: dict[str, tuple[Any, Any]] = draw(st.dictionaries(NAMES, inner, min_size=1, max_size=4))
    required = [name for name in fields if draw(st.booleans())]
    given = {n: v for n, (_, v) in fields.items() if n in required or draw(st.booleans())}
    schema = {
        "type": "object",
        "properties": {n: s for n, (s, _) in fields.items()},
        "required": required,
        "additionalProperties": False,
    }
    return schema, given


@st.composite
def arrays(draw: Draw, inner: Any) -> tuple[dict[str, Any], list[Any]]:
    schema, value = draw(inner)
    return {"type": "array", "items": schema, "maxItems": 4}, [value] * draw(st.integers(0, 4))


ANY = st.recursive(leaves(), lambda inner: objects(inner) | arrays(inner), max_leaves=6)
TOOLS = objects(ANY)


def places(schema: Any, value: Any, where: str, holder: Any, key: Any) -> Any:
    """Every value inside the arguments: its name, its schema, its holder and its key there."""
    yield where, schema, holder, key
    kind: str = schema.get("type", "")
    for name in value if kind == "object" else ():
        inner = f"{where}.{name}".strip(".")
        yield from places(schema["properties"][name], value[name], inner, value, name)
    for i, item in enumerate(value if kind == "array" else ()):
        yield from places(schema["items"], item, f"{where}[{i}]", value, i)


def is_a(*kinds: str) -> Callable[[Any], bool]:
    return lambda schema: schema.get("type") in kinds


SPOILT: dict[str, tuple[Callable[[Any], bool], Callable[[Any], Any]]] = {
    "null": (is_a("string", "integer", "number", "boolean", "array"), lambda _: None),
    "an object for a value": (is_a("string", "integer", "number", "boolean"), lambda v: {"v": v}),
    "a list for a value": (is_a("string", "integer", "number", "boolean"), lambda v: [v]),
    "a number in quotes": (is_a("integer", "number"), lambda v: json.dumps(v)),
    "true for a number": (is_a("integer", "number"), lambda _: True),
    "a fraction": (is_a("integer"), lambda _: 3.5),
    "below the minimum": (is_a("integer"), lambda _: 2),
    "above the maximum": (is_a("integer"), lambda _: 2**81),
    "JSON in quotes": (is_a("array"), lambda v: json.dumps(v)),
    "too many items": (is_a("array"), lambda v: [*v, *[None] * 5]),
    "none of the enum": (lambda schema: "enum" in schema, lambda _: "gren"),
    "none of the branches": (lambda schema: "anyOf" in schema, lambda _: "one"),
}


@st.composite
def spoilt(draw: Draw) -> tuple[dict[str, Any], Any, str, str]:
    """(schema, arguments spoilt in one place, the name of that place, how)"""
    schema, value = draw(TOOLS)
    whole = {"": json.loads(json.dumps(value))}
    where, sub, holder, key = draw(st.sampled_from(list(places(schema, whole[""], "", whole, ""))))
    if is_a("object")(sub):
        field = draw(st.sampled_from(["zzz", *sub["required"]]))
        if field == "zzz":
            holder[key][field] = 1
        else:
            del holder[key][field]
        return schema, whole[""], f"{where}.{field}".strip("."), "a field"
    ways = [how for how, (fits, _) in SPOILT.items() if fits(sub)]
    how = draw(st.sampled_from(ways))
    holder[key] = SPOILT[how][1](holder[key])
    return schema, whole[""], where, how


@given(TOOLS)
def test_what_fits_the_schema_is_never_refused(case: tuple[dict[str, Any], dict[str, Any]]) -> None:
    schema, value = case
    spec = pinned(ToolSpec(name="t", description="d", input_schema=schema))
    assert check(spec, value) is None


@given(spoilt())
def test_what_was_spoilt_in_one_place_is_refused_and_the_place_named(
    case: tuple[dict[str, Any], Any, str, str],
) -> None:
    schema, arguments, culprit, how = case
    spec = pinned(ToolSpec(name="t", description="d", input_schema=schema))
    error = check(spec, arguments)
    assert error is not None, how
    assert culprit in error.message, how
    assert "\n" not in error.message


PET = {
    "anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}, {"type": "null"}],
}
DEFS = {
    kind.title(): {
        "type": "object",
        "properties": {"kind": {"const": kind}, field: {"type": "integer"}},
        "required": ["kind", field],
        "additionalProperties": False,
    }
    for kind, field in (("cat", "lives"), ("dog", "age"))
}
SPEC = spec_of(
    {
        "city": {"type": "string", "minLength": 1, "pattern": "^[A-Z]"},
        "amount": {"type": "integer", "minimum": 0, "maximum": 100, "multipleOf": 5},
        "unit": {"enum": ["celsius", "fahrenheit"]},
        "days": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "pet": PET,
        "pets": {"type": "array", "items": PET},
    },
    ["city"],
    DEFS,
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"citty": "Hue"}, "unknown field `citty`: did you mean `city`?"),
        ({}, "city: missing, expected string"),
        (
            {"city": "Hue", "amount": "15"},
            'amount: expected integer, got "15": did you mean 15, without the quotes around it?',
        ),
        ({"city": "Hue", "amount": -5}, "amount: must be at least 0, got -5"),
        ({"city": "Hue", "amount": 105}, "amount: must be at most 100, got 105"),
        ({"city": "Hue", "amount": 3}, "amount: must be a multiple of 5, got 3"),
        ({"city": "Hue", "amount": True}, "amount: expected integer, got true"),
        ({"city": "hue"}, 'city: must match the pattern "^[A-Z]", got "hue"'),
        (
            {"city": "Hue", "unit": "Celcius"},
            'unit: expected one of "celsius", "fahrenheit", got "Celcius": did you mean "celsius"?',
        ),
        ({"city": "Hue", "days": 0}, "days: must be at least 1, got 0"),
        ({"city": "Hue", "days": 1.5}, "days: expected integer or null, got 1.5"),
        (
            {"city": "Hue", "tags": ["a", "a"]},
            'tags: must not contain an item twice, got ["a", "a"]',
        ),
        ({"city": "Hue", "tags": ["a", 1]}, "tags[1]: expected string, got 1"),
        ({"city": "Hue", "pet": {"kind": "dog"}}, "pet.age: missing, expected integer"),
        (
            {"city": "Hue", "pet": {"kind": "cow"}},
            'pet.kind: expected "cat" or "dog", got "cow"',
        ),
        (
            {"city": "Hue", "pets": [{"kind": "cat", "lives": 9, "age": 1}]},
            "unknown field `pets[0].age`: allowed are `kind`, `lives`",
        ),
        (
            {"city": None, "amount": None, "unit": None, "tags": None},
            (
                "amount: expected integer, got null; city: expected string, got null; "
                "tags: expected array, got null; and 1 more"
            ),
        ),
    ],
)
def test_the_words_name_the_field_what_is_allowed_and_what_was_probably_meant(
    arguments: dict[str, Any], message: str
) -> None:
    error = check(SPEC, arguments)
    assert error is not None
    assert error.message == message
    assert error.hint is not None
    assert error.hint.startswith("t takes city (string), amount (integer, optional), ")


def test_a_tool_without_parameters_says_that_it_takes_none() -> None:
    error = check(spec_of({}), {"x": 1})
    assert error == ArgumentError(
        "unknown field `x`: none is allowed here", "t takes no arguments."
    )


def test_arguments_nested_too_deep_are_refused_in_words() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    nest = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/nest"}}]}
    error = check(spec_of({"x": {"$ref": "#/$defs/nest"}}, defs={"nest": nest}), {"x": deep})
    assert error is not None
    assert "nested too deeply" in error.message


def test_a_schema_that_points_elsewhere_is_a_fault_of_the_tool_and_nothing_is_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "readable.json").write_text('{"type": "integer"}')
    readable = (tmp_path / "readable.json").as_uri()
    for ref in (readable, "http://127.0.0.1:9/x", "#/nowhere"):
        error = check(spec_of({"x": {"$ref": ref}}), {"x": 1})
        assert error is not None
        assert error.message == "t cannot be called: its schema is not valid"


def test_a_cached_schema_is_never_taken_for_another_of_the_same_hash() -> None:
    narrow = spec_of({"x": {"type": "integer"}})
    wide = narrow.model_copy(update={"input_schema": spec_of({"x": {}}).input_schema})
    assert check(narrow, {"x": "a"}) is not None
    assert check(wide, {"x": "a"}) is None


def test_a_pattern_that_backtracks_for_ever_ends() -> None:
    spec = spec_of({"x": {"type": "string", "pattern": r"^(?=(a+)+$)(a|a)*b$"}})
    error = check(spec, {"x": "a" * 60})
    assert error is not None
    assert error.message.startswith("x: ")


def test_an_unknown_tool_is_answered_with_the_nearest_name_and_all_of_them() -> None:
    assert suggest_tool("serch-Web", ["calculator", "search_web"]) == ArgumentError(
        "there is no tool `serch-Web`: did you mean `search_web`?",
        "The tools are: calculator, search_web.",
    )
    assert suggest_tool("fly", ["calculator"]).message == "there is no tool `fly`"
    assert suggest_tool("fly", []).hint == "There are no tools: answer without them."


TYPES: list[tuple[Any, Any]] = [
    (int, st.integers(-(2**80), 2**80)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (str, st.text()),
    (bool, st.booleans()),
    (int | None, st.integers() | st.none()),
    (list[str], st.lists(st.text())),
    (dict[str, int], st.dictionaries(st.text(), st.integers())),
    (str | int, st.text() | st.integers()),
]


@st.composite
def signatures(draw: Draw) -> list[tuple[Any, Any]]:
    kinds = draw(st.lists(st.sampled_from(TYPES), max_size=5))
    return [(kind, draw(values)) for kind, values in kinds]


@given(signatures())
def test_every_valid_call_reaches_the_body_with_equal_arguments(
    parameters: list[tuple[Any, Any]],
) -> None:
    names = [f"p{i}" for i in range(len(parameters))]
    types = {f"t{i}": kind for i, (kind, _) in enumerate(parameters)}
    listed = ", ".join(f"{name}: t{i}" for i, name in enumerate(names))
    got: dict[str, Any] = {}
    scope: dict[str, Any] = {**types, "got": got}
    exec(f"def f({listed}) -> None: got.update(locals())", scope)
    arguments = {name: value for name, (_, value) in zip(names, parameters, strict=True)}
    made = tool(scope["f"], description="Keep the arguments.")
    assert check(made.spec, arguments) is None
    result_of(call_inline(made, arguments))
    assert got == arguments
    assert [type(v) for v in got.values()] == [
        float if kind is float else type(value) for kind, value in parameters
    ]
