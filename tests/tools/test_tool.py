"""`@tool`: what a function becomes, and which functions are refused when they are defined."""

import asyncio
import enum
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, assert_type

import pytest
from pydantic import BaseModel, Field

from playhead.events.errors import UsageError
from playhead.tools.context import ToolContext
from playhead.tools.tool import Tool, by_name, canonical, pinned, tool
from playhead.tools.validation.arguments import check
from tests.tools.calls import call, result_of


class Unit(enum.Enum):
    C = "celsius"
    F = "fahrenheit"


@dataclass
class Place:
    city: str
    country: str = "VN"


class Window(BaseModel):
    start: Annotated[int, Field(ge=0)] = 0
    place: Place


def objects_in(schema: Any) -> list[dict[str, Any]]:
    """Every schema of an object with named fields, however deep."""
    found: list[dict[str, Any]] = []

    def note(each: dict[str, Any]) -> dict[str, Any]:
        if "properties" in each and "type" in each:
            found.append(each)
        return each

    json.loads(json.dumps(schema), object_hook=note)
    return found


def test_a_tool_is_still_the_function_it_was_with_its_types() -> None:
    @tool
    def double(x: int) -> int:
        """Double a number."""
        return 2 * x

    @tool(effect="read")
    async def later(x: int) -> str:
        """Say a number."""
        return str(x)

    assert_type(double(4), int)
    assert double(4) == 8
    assert asyncio.run(later(3)) == "3"
    assert (double.__name__, double.__doc__) == ("double", "Double a number.")


def test_every_object_in_a_schema_is_closed_however_deep() -> None:
    @tool
    def look(window: Window, places: list[Place], maybe: Window | None = None) -> str:
        """Look."""
        return ""

    objects = objects_in(look.spec.input_schema)
    assert len(objects) == 3
    assert all(each["additionalProperties"] is False for each in objects)


def test_the_schema_speaks_of_literals_enums_bounds_and_defaults() -> None:
    @tool
    def weather(
        city: str,
        unit: Unit = Unit.C,
        mode: Literal["now", "week"] = "now",
        days: Annotated[int, Field(ge=1, le=7)] = 1,
    ) -> str:
        """Tell the weather."""
        return ""

    schema: Any = weather.spec.input_schema
    assert schema["required"] == ["city"]
    assert schema["properties"]["mode"] == {
        "default": "now",
        "enum": ["now", "week"],
        "type": "string",
    }
    assert schema["properties"]["days"]["maximum"] == 7
    assert "title" not in str(schema)


GOOGLE = """Find a contact.

Use it first.

Args:
    name: The name
        or a part of it.

Returns:
    The contact.
"""
NUMPY = """Find a contact.

Use it first.

Parameters
----------
name : str
    The name
    or a part of it.

Returns
-------
str
    The contact.
"""
SPHINX = """Find a contact.

Use it first.

:param name: The name
    or a part of it.
:returns: The contact.
"""


@pytest.mark.parametrize("doc", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
def test_every_style_of_docstring_gives_the_same_words(doc: str) -> None:
    def find(name: str) -> str:
        return name

    find.__doc__ = doc
    spec = tool(find).spec
    assert spec.description == "Find a contact.\n\nUse it first.\n\nReturns: The contact."
    properties: Any = spec.input_schema["properties"]
    assert properties["name"]["description"] == "The name or a part of it."


def test_an_annotation_describes_a_parameter_before_the_docstring_does() -> None:
    @tool
    def find(
        name: Annotated[str, "From the note"], size: Annotated[int, Field(description="Field")]
    ) -> str:
        """Find.

        Args:
            name: from the docstring
            size: from the docstring
        """
        return name

    properties: Any = find.spec.input_schema["properties"]
    assert properties["name"]["description"] == "From the note"
    assert properties["size"]["description"] == "Field"


def test_the_context_is_passed_in_and_not_shown() -> None:
    @tool
    def pay(amount: int, context: ToolContext) -> str:
        """Pay."""
        return f"{amount} {context.key} {context.attempt}"

    properties: Any = pay.spec.input_schema["properties"]
    assert list(properties) == ["amount"]
    assert result_of(call(pay, amount=3)) == "3 run:7 1"
    assert check(pay.spec, {"amount": 3, "context": {}}) is not None


def test_parameters_may_bear_the_names_of_pydantics_own_attributes() -> None:
    @tool
    def odd(schema: str, copy: int, model_dump: str, _private: int = 1) -> str:
        """Odd."""
        return f"{schema}{copy}{model_dump}{_private}"

    assert result_of(call(odd, schema="a", copy=1, model_dump="b")) == "a1b1"


def test_the_examples_of_a_docstring_are_told_to_the_model() -> None:
    @tool(effect="read")
    def rate(currency: str) -> float:
        """Say how much of a currency one euro buys.

        Args:
            currency: Its code.

        Examples:
            rate("VND") is about 27500.
        """
        return 1.0

    assert rate.spec.description.endswith('Example: rate("VND") is about 27500.')


def test_a_bound_method_becomes_a_tool() -> None:
    class Shop:
        def __init__(self, price: int) -> None:
            self.price = price

        def total(self, count: int) -> int:
            """Tell the price of some pieces."""
            return self.price * count

    bought = tool(Shop(3).total, effect="read")
    assert bought.spec.name == "total"
    assert result_of(call(bought, count=4)) == 12


def test_a_default_is_the_functions_own_and_not_a_copy() -> None:
    shared: list[int] = []

    @tool
    def grow(items: list[int] = shared) -> int:
        """Grow."""
        items.append(1)
        return len(items)

    assert result_of(call(grow)) == 1
    assert shared == [1]


def test_the_definition_changes_with_everything_that_the_model_or_the_policy_sees() -> None:
    def one(x: int) -> str:
        """Do."""
        return str(x)

    def two(x: str) -> str:
        """Do."""
        return x

    same = tool(one).spec
    specs = [
        same,
        tool(one, name="other").spec,
        tool(one, description="Else.").spec,
        tool(one, effect="read").spec,
        tool(one, timeout=5).spec,
        tool(one, probe=lambda _: None).spec,
        tool(two, name="one").spec,
    ]
    assert len({spec.definition for spec in specs}) == len(specs)
    assert tool(one).spec == same
    assert pinned(same.model_copy(update={"definition": "x"})) == same


def test_canonical_json_does_not_depend_on_the_order_of_keys() -> None:
    assert (
        canonical({"b": 1, "a": "é"}) == canonical({"a": "é", "b": 1}) == '{"a":"é","b":1}'.encode()
    )


def test_the_default_effect_is_the_safe_one() -> None:
    @tool
    def act() -> None:
        """Act."""

    assert act.spec.effect == "once"


def untyped(x: int) -> str:
    """Do."""
    return str(x)


del untyped.__annotations__["x"]


def many(*things: str) -> str:
    """Do."""
    return "".join(things)


def named(**things: str) -> str:
    """Do."""
    return "".join(things)


def positional(x: int, /) -> str:
    """Do."""
    return str(x)


def silent(x: int) -> str:
    return str(x)


def unsupported(x: Callable[[], int]) -> str:
    """Do."""
    return str(x)


def gives_lock(x: int) -> asyncio.Lock:
    """Do."""
    raise NotImplementedError


def fielded(x: int = Field(default=3)) -> str:
    """Do."""
    return str(x)


def unknown(x: int) -> str:
    """Do."""
    return str(x)


unknown.__annotations__["x"] = "NoSuchType"


def two_contexts(a: ToolContext, b: ToolContext) -> str:
    """Do."""
    return a.key + b.key


class Thing:
    def method(self, x: int) -> str:
        """Do."""
        return str(x)


@pytest.mark.parametrize(
    ("function", "word"),
    [
        (untyped, "parameter x has no type"),
        (many, "parameter things takes any number"),
        (named, "parameter things takes any number"),
        (positional, "positional-only"),
        (silent, "no description"),
        (unsupported, "parameter x has a type that JSON cannot carry"),
        (gives_lock, "its result has a type that JSON cannot carry"),
        (fielded, "Annotated"),
        (unknown, "types cannot be read"),
        (two_contexts, "more than one parameter is a ToolContext: a, b"),
        (Thing, "is made from a function"),
    ],
)
def test_what_cannot_be_told_to_a_model_is_refused_when_defined(
    function: Callable[..., Any], word: str
) -> None:
    with pytest.raises(UsageError, match=word) as caught:
        tool(function)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.b", "a b", "", "x" * 65, "naïve", "a\n"])
def test_a_name_that_the_api_refuses_is_refused_when_defined(name: str) -> None:
    with pytest.raises(UsageError, match="a name has 1 to 64"):
        tool(by_name, name=name, description="Do.")


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_is_no_time_is_refused(timeout: float) -> None:
    with pytest.raises(UsageError, match="timeout"):
        tool(Thing().method, timeout=timeout)


def test_two_tools_of_one_name_are_refused() -> None:
    method = tool(Thing().method)
    assert by_name([method]) == {"method": method}
    with pytest.raises(UsageError, match="two tools are named method"):
        by_name([method, method])
    with pytest.raises(UsageError, match="put @tool above it"):
        by_name([Thing().method])  # type: ignore[list-item] # pyright: ignore[reportArgumentType]


def test_a_function_that_gives_an_awaitable_counts_as_async() -> None:
    async def inner(x: int) -> int:
        return x + 1

    def outer(x: int) -> Awaitable[int]:
        """Do."""
        return inner(x)

    made: Tool[..., Any] = tool(outer)
    assert made.signature.awaits
    assert result_of(call(made, x=1)) == 2
