"""For generated schemas: every valid call reaches the body as it is, no invalid one does.

Schemas of real functions of generated signatures, so that the whole way is tried: signature ->
JSON schema -> recorded spec -> check -> Pydantic -> the body. An invalid call is a valid one that
was mutated in one of eight ways, and its refusal names the field.
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, Optional, cast

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from playhead.events.kinds.tool_calls import ToolFailed
from playhead.tools.calls.call import Outcome, call_tool
from playhead.tools.context import ToolContext
from playhead.tools.execution.workers import Inline
from playhead.tools.tool import AnyTool, tool
from tests.tools.calls import failure_of, result_of


class Point(BaseModel):
    x: int
    y: int = 0


class Kind(NamedTuple):
    """A type of field: as a hint, its valid values, and a value that is none of them."""

    hint: Any
    valid: st.SearchStrategy[Any]
    wrong: Any
    """Of another type."""
    outside: Any = None
    """Of the type, but not allowed; None where there is no such value."""
    optional: bool = False


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
NUMBERS = st.integers(-(2**53), 2**53)
POINTS = st.fixed_dictionaries({"x": NUMBERS}, optional={"y": NUMBERS})

KINDS = (
    Kind(int, NUMBERS, "one"),
    Kind(float, st.floats(allow_nan=False, allow_infinity=False), "1.5"),
    Kind(bool, st.booleans(), "yes"),
    Kind(str, TEXT, 5),
    Kind(Annotated[int, Field(ge=0, le=100)], st.integers(0, 100), [], 101),
    Kind(
        Annotated[str, Field(min_length=2, max_length=4)], st.sampled_from(["ab", "abcd"]), 7, "a"
    ),
    Kind(Literal["red", "green"], st.sampled_from(["red", "green"]), 3, "blue"),
    Kind(Optional[int], st.none() | NUMBERS, "none", optional=True),  # noqa: UP045
    Kind(list[int], st.lists(NUMBERS, max_size=3), "1,2", ["a"]),
    Kind(dict[str, int], st.dictionaries(TEXT, NUMBERS, max_size=3), [], {"a": "b"}),
    Kind(Point, POINTS, "0,0", {"y": 1}),
    Kind(list[Point], st.lists(POINTS, max_size=2), {}, [{"x": 1, "z": 2}]),
)

NAMES = ("amount", "city", "email", "filter", "schema", "self_", "copy", "x1")


class Made(NamedTuple):
    """A tool of a generated signature, what reached its body, and its fields."""

    tool: AnyTool
    reached: list[dict[str, Any]]
    fields: dict[str, Kind]
    required: frozenset[str]


@st.composite
def tools(draw: st.DrawFn) -> Made:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    fields = {name: draw(st.sampled_from(KINDS)) for name in names}
    required = frozenset(name for name in names if draw(st.booleans()))
    reached = list[dict[str, Any]]()

    def body(**arguments: Any) -> int:
        """Take what comes."""
        reached.append(arguments)
        return len(arguments)

    body.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if name in required else None,
                annotation=kind.hint,
            )
            for name, kind in fields.items()
        ],
        return_annotation=int,
    )
    body.__annotations__ = {**{n: k.hint for n, k in fields.items()}, "return": int}
    return Made(tool(body, effect="read"), reached, fields, required)


@st.composite
def calls(draw: st.DrawFn, made: Made) -> dict[str, Any]:
    """A valid call: every required field, and some of the others."""
    wanted = [n for n in made.fields if n in made.required or draw(st.booleans())]
    return {name: draw(made.fields[name].valid) for name in wanted}


def perform(made: Made, arguments: dict[str, Any]) -> Outcome:
    return asyncio.run(call_tool(made.tool, arguments, ToolContext("run", 1), Inline()))


def plain(value: Any) -> Any:
    """A value that reached the body, as the JSON that it came from."""
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, list):
        items: list[Any] = cast("Any", value)
        return [plain(each) for each in items]
    return value


@settings(max_examples=300)
@given(st.data())
def test_every_valid_call_reaches_the_body_with_equal_arguments(data: st.DataObject) -> None:
    made = data.draw(tools())
    arguments = data.draw(calls(made))
    assert result_of(perform(made, arguments)) == len(arguments)
    assert [{k: plain(v) for k, v in each.items()} for each in made.reached] == [arguments]


Mutation = Callable[[st.DrawFn, Made, dict[str, Any]], str]
"""Changes a valid call for the worse; the field that is to blame."""


def unknown_field(draw: st.DrawFn, made: Made, arguments: dict[str, Any]) -> str:
    name = draw(st.sampled_from(["unknown", "amounts", "Amount", "__proto__", ""]))
    assume(name not in made.fields)
    arguments[name] = 1
    return name


def missing_field(draw: st.DrawFn, made: Made, arguments: dict[str, Any]) -> str:
    assume(made.required)
    name = draw(st.sampled_from(sorted(made.required)))
    del arguments[name]
    return name


def _some(draw: st.DrawFn, arguments: dict[str, Any]) -> str:
    assume(arguments)
    return draw(st.sampled_from(sorted(arguments)))


def wrong_type(draw: st.DrawFn, made: Made, arguments: dict[str, Any]) -> str:
    name = _some(draw, arguments)
    arguments[name] = made.fields[name].wrong
    return name


def not_allowed(draw: st.DrawFn, made: Made, arguments: dict[str, Any]) -> str:
    name = _some(draw, arguments)
    assume(made.fields[name].outside is not None)
    arguments[name] = made.fields[name].outside
    return name


def null(draw: st.DrawFn, made: Made, arguments: dict[str, Any]) -> str:
    name = _some(draw, arguments)
    assume(not made.fields[name].optional)
    arguments[name] = None
    return name


def wrapped(draw: st.DrawFn, made: Made, arguments: dict[str, Any]) -> str:
    name = _some(draw, arguments)
    arguments[name] = [[arguments[name]]]
    return name


def renamed(draw: st.DrawFn, made: Made, arguments: dict[str, Any]) -> str:
    name = _some(draw, arguments)
    arguments[f"{name}_"] = arguments.pop(name)
    assume(f"{name}_" not in made.fields)
    return f"{name}_"


def nested_deep(draw: st.DrawFn, made: Made, arguments: dict[str, Any]) -> str:
    name = _some(draw, arguments)
    value: Any = 1
    for _ in range(200):
        value = [value]
    arguments[name] = value
    return ""  # the whole is refused before any field is looked at


MUTATIONS: tuple[Mutation, ...] = (
    unknown_field, missing_field, wrong_type, not_allowed, null, wrapped, renamed, nested_deep,
)  # fmt: skip


@settings(max_examples=600)
@given(st.data(), st.sampled_from(MUTATIONS))
def test_no_invalid_call_reaches_the_body_and_each_refusal_names_the_culprit(
    data: st.DataObject, mutate: Mutation
) -> None:
    made = data.draw(tools())
    arguments = data.draw(calls(made))
    culprit = data.draw(st.composite(lambda draw: mutate(draw, made, arguments))())
    outcome = perform(made, arguments)
    assert isinstance(outcome, ToolFailed), (outcome, arguments)
    assert made.reached == []
    refused = failure_of(outcome)
    assert refused.error == "invalid_arguments"
    assert culprit in refused.message
    assert refused.hint
