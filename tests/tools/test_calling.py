"""One attempt of a call: whatever a tool raises or returns, an event that can be stored ends it."""

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel
from structlog.testing import capture_logs

from playhead.events.codec import encode
from playhead.events.errors import ToolError
from playhead.events.kinds.tool_calls import ToolFailed, ToolSucceeded
from playhead.tools.calls.call import call_tool
from playhead.tools.context import ToolContext
from playhead.tools.execution.workers import Inline
from playhead.tools.result import MAX_CHARACTERS, MAX_DEPTH
from playhead.tools.tool import AnyTool, tool
from tests.tools.calls import call, call_inline, failure_of, result_of


class Rate(BaseModel):
    rate: float
    at: date


@dataclass
class Point:
    x: int
    y: int


def giving(value: Any, kind: Any = None) -> AnyTool:
    """A tool that returns `value`, declared as `kind` (None: nothing declared)."""

    def give():  # type: ignore[no-untyped-def] # pyright: ignore[reportUnknownParameterType]
        return value

    if kind is not None:
        give.__annotations__["return"] = kind
    return tool(give, description="Give.", effect="read")


def raising(error: BaseException) -> AnyTool:
    def fail() -> None:
        raise error

    return tool(fail, description="Fail.")


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "kind", "told"),
    [
        ("text", str, "text"),
        (None, None, None),
        (Rate(rate=1.5, at=date(2024, 1, 2)), Rate, {"rate": 1.5, "at": "2024-01-02"}),
        (Point(1, 2), Point, {"x": 1, "y": 2}),
        ([Point(1, 2)], list[Point], [{"x": 1, "y": 2}]),
        ({"a": 1, "b": [True, None, 1.5]}, None, {"a": 1, "b": [True, None, 1.5]}),
        ((1, 2), tuple[int, int], [1, 2]),
        ({1: "a"}, dict[int, str], {"1": "a"}),
        (Decimal("1.50"), Decimal, "1.50"),
        (UUID(int=1), UUID, "00000000-0000-0000-0000-000000000001"),
        (datetime(2024, 1, 1, tzinfo=UTC), datetime, "2024-01-01T00:00:00Z"),
        (2**4000, int, 2**4000),
        ("a\0b", str, "a\ufffdb"),
        ({"k\ud800": "v\udc00"}, None, {"k\ufffd": "v\ufffd"}),
        ("\ud83d\ude00", str, "\U0001f600"),
        (nested(MAX_DEPTH), None, nested(MAX_DEPTH)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_result_is_told_as_text_or_json(value: Any, kind: Any, told: Any) -> None:
    outcome = call_inline(giving(value, kind), {})
    assert result_of(outcome) == told
    encode(outcome)


class Rude:
    """Nothing about it can be shown."""

    def __repr__(self) -> str:
        raise SystemExit

    __str__ = __repr__


class Loose(BaseModel):
    value: Any


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (math.nan, None, "the result is nan"),
        (math.inf, float, "the result is inf"),
        ({"a": math.inf}, dict, "the result.a is inf"),
        ({"a": [None, {"b": math.nan}]}, dict[str, Any], "the result.a[1].b is nan"),
        ([-math.inf], list, "the result[0] is -inf"),
        (math.nan, Any, "the result is nan"),
        ((1, math.inf), tuple[Any, ...], "the result[1] is inf"),
        (Loose(value={"x": math.inf}), Loose, "the result.value.x is inf"),
        ({"rates": [1.0, math.nan]}, None, "the result.rates[1] is nan"),
        (b"\xff\xfe", None, "bytes cannot be converted to JSON"),
        (object(), None, "object cannot be converted to JSON"),
        (Rude(), None, "Rude cannot be converted to JSON"),
        (CIRCLE, None, "list cannot be converted to JSON"),
        (nested(MAX_DEPTH + 1), None, "nested deeper than"),
        (nested(5000), None, "list cannot be converted to JSON"),
        (10**5000, None, "an integer of about"),
        ("x" * (MAX_CHARACTERS + 1), str, "larger than"),
        ({"a\0": 1, "a\ufffd": 2}, None, "the same once their text is repaired"),
        ("12", int, "Input should be a valid integer"),
        ({"rate": "high"}, Rate, "Rate"),
        ([1, "b"], list[int], "[1]: Input should be a valid integer"),
        (Rate.model_construct(rate="high"), Rate, "cannot be converted to JSON"),
        (1, None.__class__, "none"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_result_that_has_no_place_in_json_or_in_its_type_is_the_tools_fault(
    value: Any, kind: Any, words: str
) -> None:
    outcome = failure_of(call_inline(giving(value, kind), {}))
    assert outcome.error == "invalid_result"
    assert words.lower() in outcome.message.lower()
    assert "fault of the tool" in (outcome.hint or "")
    encode(outcome)


def test_a_bad_result_of_a_call_with_effects_says_that_it_was_carried_out() -> None:
    @tool(effect="keyed")
    def pay() -> int:
        """Pay."""
        return "paid"  # type: ignore[return-value] # pyright: ignore[reportReturnType]

    assert "was carried out" in (failure_of(call(pay)).hint or "")


def test_an_expected_error_is_told_as_the_tool_said_it() -> None:
    outcome = failure_of(call(raising(ToolError("no such city", hint="Ask.", retry_after=3))))
    assert (outcome.error, outcome.message, outcome.hint) == ("ToolError", "no such city", "Ask.")
    assert outcome.retry_after == 3
    assert outcome.duration_ms is not None


def test_an_unexpected_error_is_one_line_for_the_model_and_a_traceback_for_the_log() -> None:
    with capture_logs() as logs:
        outcome = failure_of(call(raising(KeyError("line one\nline two"))))
    assert outcome.error == "KeyError"
    assert outcome.message == r"KeyError: 'line one\nline two'"
    assert outcome.hint is not None
    assert "Traceback" not in f"{outcome.message}{outcome.hint}"
    [entry] = [each for each in logs if each["event"] == "tool_call.traceback"]
    assert "Traceback (most recent call last)" in entry["traceback"]
    assert (entry["tool"], entry["run"], entry["call"]) == ("fail", "run", 7)


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


HOSTILE: list[BaseException] = [
    Unspeakable(),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    asyncio.CancelledError(),
    StopIteration(),
    ValueError("\ud800\0" * 300),
    ToolError(Rude()),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    ToolError("x", hint="\ud800", retry_after=math.nan),
    ToolError("x", retry_after="soon"),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    RecursionError(),
    BaseExceptionGroup("several", [SystemExit(), ValueError()]),
]


@pytest.mark.parametrize("error", HOSTILE, ids=lambda error: ascii(type(error).__name__))
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_whatever_a_tool_raises_ends_in_an_event_that_can_be_stored(
    error: BaseException, is_async: bool
) -> None:
    async def fail_async() -> None:
        raise error

    made = tool(fail_async, description="Fail.") if is_async else raising(error)
    with capture_logs():
        outcome = failure_of(call(made))
    assert "\n" not in outcome.message
    encode(outcome)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.decimals()
    | st.dates()
    | st.integers(14_000, 20_000).map(lambda bits: 1 << bits)
    | st.builds(object)
    | st.builds(Point, st.floats(), st.text()),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers() | st.none(), inner)
        | st.tuples(inner, inner)
        | st.builds(iter, st.lists(inner))
    ),
    max_leaves=8,
)


@given(VALUES)
def test_whatever_a_tool_returns_ends_in_an_event_that_can_be_stored(value: Any) -> None:
    with capture_logs():
        outcome = call_inline(giving(value), {})
    assert isinstance(outcome, ToolSucceeded | ToolFailed)
    encode(outcome)


def test_arguments_become_the_functions_types() -> None:
    seen: list[Any] = []

    @tool
    def book(day: date, at: Point, points: list[Point], note: str = "none") -> None:
        """Book."""
        seen.extend([day, at, points, note])

    call(book, day="2024-01-02", at={"x": 1, "y": 2}, points=[{"x": 3, "y": 4}])
    assert seen == [date(2024, 1, 2), Point(1, 2), [Point(3, 4)], "none"]


def test_what_only_the_functions_types_refuse_is_told_with_the_fields_name() -> None:
    def even(number: int) -> int:
        if number % 2:
            raise ValueError("must be even")
        return number

    @tool
    def halve(numbers: list[Annotated[int, AfterValidator(even)]], day: date) -> int:
        """Halve."""
        raise NotImplementedError

    outcome = failure_of(call(halve, numbers=[2, 3], day="2024-99-01"))
    assert outcome.error == "invalid_arguments"
    assert "numbers[1]: Value error, must be even" in outcome.message
    assert "day: " in outcome.message
    assert "Nothing was done" in (outcome.hint or "")


def test_arguments_that_the_schema_refuses_never_reach_the_tool() -> None:
    reached: list[int] = []

    @tool
    def mark(x: int) -> None:
        """Mark."""
        reached.append(x)

    outcome = failure_of(call(mark, x="1"))
    assert (outcome.error, outcome.message[:2]) == ("invalid_arguments", "x:")
    assert not reached


def test_a_coroutine_returned_by_a_tool_not_declared_async_is_awaited() -> None:
    async def inner() -> int:
        return 7

    @tool
    def outer() -> Any:
        """Give."""
        return inner()

    assert result_of(call(outer)) == 7


def test_a_generator_is_told_as_a_list() -> None:
    def give() -> Iterator[int]:
        """Give."""
        yield from (1, 2)

    give.__annotations__.clear()
    assert result_of(call(tool(give))) == [1, 2]


def test_the_duration_comes_from_the_clock_that_was_given() -> None:

    ticks: Callable[[], float] = iter(float(i) for i in range(100)).__next__
    context = ToolContext("run", 1)
    outcome = asyncio.run(call_tool(giving(1), {}, context, Inline(), monotonic=ticks))
    assert isinstance(outcome, ToolSucceeded)
    assert outcome.duration_ms == 1000.0
