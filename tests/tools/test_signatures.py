"""Every Python signature works, or is refused in words when it is defined: never in between."""
# pyright: basic

import asyncio
import collections
import collections.abc
import contextlib
import datetime
import decimal
import enum
import fractions
import functools
import ipaddress
import math
import operator
import pathlib
import re
import threading
import typing
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypeVar

import pydantic
import pytest
import typing_extensions
from pydantic import BaseModel, Field, RootModel

from playhead.events.errors import UsageError
from playhead.tools.context import Depends, ToolContext
from playhead.tools.tool import AnyTool, tool
from tests.tools.calls import call_inline, call_with, failure_of, result_of

T = TypeVar("T")
N = TypeVar("N", bound=int)


class No(NamedTuple):
    """A refusal that says so."""

    words: str


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Text(enum.StrEnum):
    A = "a"


class Number(enum.IntEnum):
    ONE = 1


class Bits(enum.Flag):
    A = 1
    B = 2


class Pair(enum.Enum):
    P = (1, 2)


@dataclass
class Point:
    x: int
    y: int = 0


@dataclass(frozen=True)
class Frozen:
    x: int


class Row(NamedTuple):
    a: int
    b: str = "b"


class Movie(typing_extensions.TypedDict):
    title: str
    year: typing.NotRequired[int]


class Model(BaseModel):
    n: int


class Aliased(BaseModel):
    n: int = Field(alias="N")


class Open(BaseModel, extra="allow"):
    n: int


class Tree(BaseModel):
    under: "list[Tree]" = []


class Box(BaseModel, Generic[T]):
    inside: T


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Colored(BaseModel):
    color: Literal[Color.RED]


class Numbers(RootModel[list[int]]):
    pass


class Plain:
    pass


class Speaks(typing.Protocol):
    def speak(self) -> str: ...


UserId = NewType("UserId", int)
UTC = datetime.UTC
NO = object()
TREE: dict[str, Any] = {"under": [{"under": []}]}

TYPES: list[tuple[Any, Any, object]] = [
    # a type, a value of JSON, and what the function receives, or the words of the refusal
    (int, 3, 3),
    (float, 1.5, 1.5),
    (float, 2, 2.0),
    (bool, True, True),
    (str, "a", "a"),
    (bytes, "a", b"a"),
    (None, None, None),
    (object, [1], [1]),
    (Any, {"a": 1}, {"a": 1}),
    (complex, "1+2j", 1 + 2j),
    (decimal.Decimal, "1.50", decimal.Decimal("1.50")),
    (fractions.Fraction, "1/3", fractions.Fraction(1, 3)),
    (datetime.date, "2026-02-03", datetime.date(2026, 2, 3)),
    (datetime.time, "10:00:00", datetime.time(10)),
    (datetime.datetime, "2026-02-03T10:00:00Z", datetime.datetime(2026, 2, 3, 10, tzinfo=UTC)),
    (datetime.timedelta, "PT5S", datetime.timedelta(seconds=5)),
    (uuid.UUID, "12345678123456781234567812345678", uuid.UUID("12345678" * 4)),
    (pathlib.Path, "a/b", pathlib.Path("a/b")),
    (ipaddress.IPv4Address, "10.0.0.1", ipaddress.IPv4Address("10.0.0.1")),
    (re.Pattern[str], "a+", re.compile("a+")),
    (Color, "red", Color.RED),
    (Text, "a", Text.A),
    (Number, 1, Number.ONE),
    (Bits, 1, Bits.A),
    (Pair, [1, 2], No("the value of Pair.P cannot come from JSON")),
    (Literal["a", 1], 1, 1),
    (Literal[None], None, None),
    (Literal[Color.RED], "red", No("Literal['red'], or make Color a StrEnum")),
    (list[Literal[Color.RED]], ["red"], No("Literal['red']")),
    (Colored, {"color": "red"}, No("Literal['red']")),
    (Literal[Text.A], "a", Text.A),
    (Literal[Number.ONE], 1, Number.ONE),
    (list, [1], [1]),
    (list[int], [1], [1]),
    (list[list[int]], [[1]], [[1]]),
    (dict, {"a": 1}, {"a": 1}),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (dict[int, str], {"1": "a"}, {1: "a"}),
    (dict[Color, int], {"red": 1}, {Color.RED: 1}),
    (tuple[int, str], [1, "a"], (1, "a")),
    (tuple[int, ...], [1, 2], (1, 2)),
    (tuple[()], [], ()),
    (set[int], [1], {1}),
    (frozenset[int], [1], frozenset({1})),
    (collections.abc.Sequence[int], [1], [1]),
    (collections.abc.Mapping[str, int], {"a": 1}, {"a": 1}),
    (collections.deque[int], [1], collections.deque([1])),
    (collections.OrderedDict[str, int], {"a": 1}, collections.OrderedDict(a=1)),
    (collections.Counter[str], {"a": 1}, collections.Counter(a=1)),
    (int | None, None, None),
    (int | str, "a", "a"),
    (typing.Optional[list[int]], [1], [1]),  # noqa: UP045
    (Point, {"x": 1}, Point(1)),
    (Frozen, {"x": 1}, Frozen(1)),
    (Row, [1, "c"], Row(1, "c")),
    (Movie, {"title": "a"}, {"title": "a"}),
    (Model, {"n": 1}, Model(n=1)),
    (Aliased, {"N": 1}, Aliased(N=1)),
    (Open, {"n": 1, "m": 2}, Open(n=1, m=2)),  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    (Tree, TREE, Tree(under=[Tree()])),
    (Box[int], {"inside": 1}, Box[int](inside=1)),
    (Numbers, [1], Numbers([1])),
    (Cat | Dog, {"kind": "dog"}, Dog(kind="dog")),
    (Annotated[Cat | Dog, Field(discriminator="kind")], {"kind": "cat"}, Cat(kind="cat")),
    (UserId, 3, 3),
    (T, [1], [1]),
    (N, 3, 3),
    (Annotated[int, Field(ge=1)], 1, 1),
    (Annotated[str, Field(pattern="^a")], "ab", "ab"),
    (Annotated[str, Field(pattern="(")], "a", No("regex")),
    (Annotated[int, "a note"], 1, 1),
    (Annotated[int, Field(alias="other")], 1, 1),
    (pydantic.EmailStr, "a@example.com", No("email")),
    (pydantic.Json[int], "1", 1),
    (pydantic.SecretStr, "a", pydantic.SecretStr("a")),
    (pydantic.PositiveInt, 1, 1),
    (pydantic.JsonValue, {"a": [1]}, {"a": [1]}),
    (type[int], "int", No("a class")),
    (list[type[int]], ["int"], No("a class")),
    (type, "int", No("JSON cannot carry")),
    (Callable[[], int], None, No("JSON cannot carry")),
    (Plain, None, No("JSON cannot carry")),
    (Speaks, None, No("JSON cannot carry")),
    (threading.Lock, None, No("JSON cannot carry")),
    (asyncio.Queue, None, No("JSON cannot carry")),
    (typing.IO[str], None, No("JSON cannot carry")),
    (range, None, No("JSON cannot carry")),
    (typing.NoReturn, None, No("JSON cannot carry")),
    ("NoSuchName", None, No("its types cannot be read")),
    ("1 +", None, No("its types cannot be read")),
    (typing.Final[int], 1, 1),
    (typing.ClassVar[int], 1, No("annotated as no value")),
]


def of_type(hint: Any, received: list[Any]) -> AnyTool:
    def take(x: Any) -> int:
        """Take one."""
        received.append(x)
        return len(received)

    take.__annotations__["x"] = hint
    return tool(take, effect="read")


def assert_says(line: str, expected: No) -> None:
    """One line, in words."""
    assert expected.words in line
    assert "\n" not in line
    assert len(line) < 500


@pytest.mark.parametrize(("hint", "value", "expected"), TYPES, ids=lambda each: repr(each)[:40])
def test_a_parameter_of_any_type_receives_a_value_of_it_or_is_refused(
    hint: Any, value: Any, expected: Any
) -> None:
    received: list[Any] = []
    if isinstance(expected, No):
        with pytest.raises(UsageError) as refused:
            of_type(hint, received)
        assert_says(str(refused.value), expected)
        return
    made = of_type(hint, received)
    assert result_of(call_inline(made, {"x": value})) == 1
    assert received == [expected]
    assert type(received[0]) is type(expected)


def adds(x: int, y: int = 2) -> int:
    """Add."""
    return x + y


async def later(x: int) -> int:
    """Add one."""
    return x + 1


@functools.wraps(later)
def wrapped(*args: Any, **kwargs: Any) -> Any:
    return later(*args, **kwargs)


@functools.wraps(later)
def ran(*args: Any, **kwargs: Any) -> Any:
    return asyncio.run(later(*args, **kwargs))


def returns_future(x: int) -> typing.Awaitable[int]:
    """Add one."""
    return later(x)


def untyped_coroutine(x: int):  # type: ignore[no-untyped-def]
    """Add one."""
    return later(x)


async def twice_awaited(x: int):  # type: ignore[no-untyped-def]
    """Give the sum."""
    return await later(await later(x))


def yields(x: int):  # type: ignore[no-untyped-def]
    """Yield."""
    yield x
    yield 2


async def yields_later(x: int):  # type: ignore[no-untyped-def]
    """Yield."""
    yield x
    yield 2


def iterator(x: int) -> typing.Iterator[int]:
    """Yield."""
    yield x


def generator(x: int) -> typing.Generator[int, None, None]:
    """Yield."""
    yield x


async def async_iterator(x: int) -> typing.AsyncIterator[int]:
    """Yield."""
    yield x


def iterable(x: int) -> typing.Iterable[int]:
    """Give several."""
    return [x]


@contextlib.contextmanager
def context_manager(x: int):  # type: ignore[no-untyped-def]
    """Open."""
    yield x


@contextlib.asynccontextmanager
async def async_context_manager(x: int):  # type: ignore[no-untyped-def]
    """Open."""
    yield x


def typed_context_manager(x: int) -> contextlib.AbstractContextManager[int]:
    """Open."""
    return contextlib.nullcontext(x)


@functools.lru_cache
def cached(x: int) -> int:
    """Add one."""
    return x + 1


@functools.cache
def cached_tuple(x: tuple[int, ...]) -> int:
    """Add."""
    return sum(x)


@functools.cache
def cached_list(x: list[int]) -> int:
    """Add."""
    return sum(x)


@functools.cache
def cached_model(x: Model) -> int:
    """Add."""
    return x.n


@functools.cache
async def cached_later(x: int) -> int:
    """Add one."""
    return x + 1


@functools.singledispatch
def dispatched(x: int) -> int:
    """Add one."""
    return x + 1


class Adder:
    """Adds."""

    def __init__(self, y: int = 1) -> None:
        self.y = y

    def __call__(self, x: int) -> int:
        return x + self.y

    def method(self, x: int) -> int:
        """Add."""
        return x + self.y

    async def method_later(self, x: int) -> int:
        """Add."""
        return x + self.y

    @classmethod
    def of_class(cls, x: int) -> int:
        """Add one."""
        return x + 1

    @staticmethod
    def static(x: int) -> int:
        """Add one."""
        return x + 1

    @functools.lru_cache  # noqa: B019 - people do
    def cached_method(self, x: int) -> int:
        """Add."""
        return x + self.y


class AsyncAdder:
    async def __call__(self, x: int) -> int:
        """Add one."""
        return x + 1


class Bare:
    def __call__(self, x: int) -> int:
        return x


def infinite(x: int, y: float = math.inf) -> float:
    """Choose."""
    return x if y == math.inf else y


def not_a_number(x: int, y: float = math.nan) -> float:
    """Choose."""
    return x if math.isnan(y) else y


def infinite_inside(x: int, y: list[float] = [math.inf]) -> int:  # noqa: B006
    """Choose."""
    return x if y == [math.inf] else 0


def default_of_no_json(x: int, y: Any = NO) -> int:
    """Choose."""
    return x if y is NO else 0


def default_of_another_type(x: int, y: int = None) -> int:  # type: ignore[assignment] # noqa: RUF013
    """Choose."""
    return x if y is None else 0


def enum_default(x: int, y: Color = Color.RED) -> int:
    """Choose."""
    return x if y is Color.RED else 0


def with_half(x: int) -> int:
    """Docstring."""
    return x


with_half.__doc__ = "Say \ud83d."


def half_in_literal(x: Literal["\ud83d"]) -> str:
    """Say."""
    return x


def half_in_default(x: str = "\udc00") -> str:
    """Say."""
    return x


def with_nul(x: int) -> int:
    """Say \0 and go."""
    return x


def keyword_only(*, x: int) -> int:
    """Give it."""
    return x


def positional_only(x: int, /) -> int:
    """Give it."""
    return x


def any_number(*x: int) -> int:
    """Give it."""
    return sum(x)


def any_keywords(**x: int) -> int:
    """Give it."""
    return len(x)


def no_type(x) -> int:  # type: ignore[no-untyped-def]
    """Give it."""
    return 1


def no_doc(x: int) -> int:
    return x


def nothing() -> None:
    """Do nothing."""


def no_return_type(x: int):  # type: ignore[no-untyped-def]
    """Give it."""
    return {"x": x}


def returns_lock(x: int) -> threading.Event:
    """Give it."""
    return threading.Event()


def returns_point(x: int) -> Point:
    """Give it."""
    return Point(x)


def returns_union(x: int) -> int | str:
    """Give it."""
    return x


def returns_set(x: int) -> set[int]:
    """Give it."""
    return {x}


def in_context(x: int, context: ToolContext) -> int:
    """Give it."""
    return x + context.attempt


def depends(x: int, y: Annotated[int, Depends(lambda: 4)]) -> int:
    """Give it."""
    return x + y


def two_contexts(one: ToolContext, other: ToolContext) -> int:
    """Give it."""
    return 1


def named_like_pydantic(model_config: int, model_fields: int, json: int) -> int:
    """Add."""
    return model_config + model_fields + json


def umlaut(größe: int) -> int:
    """Give it."""
    return größe


def field_default(x: int = Field(default=3)) -> int:
    """Give it."""
    return x


X: dict[str, Any] = {"x": 1}
BY_METHOD = {"model_config": 1, "model_fields": 2, "json": 3}

FUNCTIONS: list[tuple[str, Callable[..., Any], dict[str, Any], object]] = [
    ("a function", adds, X, 3),
    ("async", later, X, 2),
    ("a wrapper around async", wrapped, X, 2),
    ("a wrapper that runs async", ran, X, 2),
    ("returns an awaitable", returns_future, X, 2),
    ("returns a coroutine, untyped", untyped_coroutine, X, 2),
    ("awaits twice", twice_awaited, X, 3),
    ("a generator", yields, X, [1, 2]),
    ("an async generator", yields_later, X, [1, 2]),
    ("a typed iterator", iterator, X, [1]),
    ("a typed generator", generator, X, [1]),
    ("a typed async iterator", async_iterator, X, [1]),
    ("an iterable", iterable, X, [1]),
    ("a context manager", context_manager, X, No("it is a context manager")),
    ("an async context manager", async_context_manager, X, No("it is a context manager")),
    ("a typed context manager", typed_context_manager, X, No("its result has a type")),
    ("a cached function", cached, X, 2),
    ("a cached function of a tuple", cached_tuple, {"x": [1, 2]}, 3),
    ("a cached function of a list", cached_list, {"x": [1]}, No("parameter x is a list")),
    ("a cached function of a model", cached_model, {"x": {"n": 1}}, No("parameter x is a Model")),
    ("a cached async function", cached_later, X, No("its cache keeps a coroutine")),
    ("a dispatched function", dispatched, X, No("singledispatch")),
    ("a partial by keyword", functools.partial(adds, y=5), X, 6),
    ("a partial by place", functools.partial(adds, 5), {"y": 1}, 6),
    ("a partial of a partial", functools.partial(functools.partial(adds, y=5), x=1), {}, 6),
    ("a partial of async", functools.partial(later), X, 2),
    ("a partial of an object", functools.partial(Adder(4)), X, 5),
    ("an object", Adder(3), X, 4),
    ("an async object", AsyncAdder(), X, 2),
    ("an object without a docstring", Bare(), X, No("has no description")),
    ("a method", Adder(3).method, X, 4),
    ("an async method", Adder(3).method_later, X, 4),
    ("a cached method", Adder(3).cached_method, X, 4),
    ("a classmethod", Adder.of_class, X, 2),
    ("a classmethod of an object", Adder().of_class, X, 2),
    ("a staticmethod", Adder.static, X, 2),
    ("a staticmethod as such", Adder.__dict__["static"], X, 2),
    ("a classmethod as such", Adder.__dict__["of_class"], X, No("is made from a function")),
    ("a class", Adder, X, No("is made from a function")),
    ("a tool", tool(adds), X, No("is made from a function")),
    ("a number", 3, X, No("is made from a function")),  # type: ignore[list-item]
    ("None in a list", [None], X, No("is made from a function")),  # type: ignore[list-item]
    ("a builtin", len, X, No("positional-only")),
    ("print", print, X, No("any number of values")),
    ("a builtin without a signature", max, X, No("its parameters cannot be read")),
    ("an itemgetter", operator.itemgetter(1), X, No("tool itemgetter")),
    ("a lambda", lambda x: x, X, No("a name has 1 to 64")),
    ("default infinity", infinite, X, 1.0),
    ("default NaN", not_a_number, X, 1.0),
    ("infinity in a default", infinite_inside, X, 1),
    ("a default that is no JSON", default_of_no_json, X, 1),
    ("a default of another type", default_of_another_type, X, 1),
    ("a member as default", enum_default, X, 1),
    ("half a character in the docstring", with_half, X, No("its description contains half of a")),
    ("half a character in a Literal", half_in_literal, X, No(r"error extracting str '\ud83d'")),
    ("half a character in a default", half_in_default, X, No("half of a surrogate pair")),
    ("NUL in the docstring", with_nul, X, 1),
    ("keyword-only", keyword_only, X, 1),
    ("positional-only", positional_only, X, No("positional-only")),
    ("any number of values", any_number, X, No("any number of values")),
    ("any keywords", any_keywords, X, No("any number of values")),
    ("no type", no_type, X, No("parameter x has no type")),
    ("no docstring", no_doc, X, No("has no description")),
    ("nothing", nothing, {}, None),
    ("no result type", no_return_type, X, {"x": 1}),
    ("a result that is no JSON", returns_lock, X, No("its result has a type")),
    ("a dataclass as result", returns_point, X, {"x": 1, "y": 0}),
    ("a union as result", returns_union, X, 1),
    ("a set as result", returns_set, X, [1]),
    ("a context", in_context, X, 2),
    ("a dependency", depends, X, 5),
    ("two contexts", two_contexts, X, No("more than one parameter is a ToolContext")),
    ("named like Pydantic's own", named_like_pydantic, BY_METHOD, 6),
    ("a name that the API refuses", umlaut, {"größe": 1}, No("the model API refuses")),
    ("a Field as default", field_default, X, No("has a Field as its default")),
]


@pytest.mark.parametrize(
    ("_", "function", "arguments", "expected"), FUNCTIONS, ids=[row[0] for row in FUNCTIONS]
)
def test_anything_that_can_be_called_works_twice_or_is_refused(
    _: str, function: Any, arguments: dict[str, Any], expected: object
) -> None:
    if isinstance(expected, No):
        with pytest.raises(UsageError) as refused:
            tool(function, effect="read")
        assert_says(str(refused.value), expected)
        return
    made = tool(function, effect="read")
    assert result_of(call_with(made, arguments)) == expected
    assert result_of(call_with(made, arguments)) == expected


def test_the_tables_have_the_hundred_and_forty_signatures_and_more() -> None:
    assert len(TYPES) + len(FUNCTIONS) >= 140


def test_what_a_partial_has_set_is_not_shown_and_cannot_be_set() -> None:
    made = tool(functools.partial(adds, y=5), effect="read")
    assert made.spec.name == "adds"
    assert list(made.spec.input_schema["properties"]) == ["x"]  # type: ignore[arg-type]
    assert "unknown field `y`" in failure_of(call_inline(made, {"x": 1, "y": 9})).message


def test_a_wrapper_that_hangs_in_what_it_returned_is_given_up() -> None:
    started = threading.Event()

    async def hang(x: int) -> int:
        """Hang."""
        started.set()
        await asyncio.Event().wait()
        return x

    @functools.wraps(hang)
    def wrapper(x: int) -> Any:
        return hang(x)

    made = tool(wrapper, effect="read", timeout=0.2)
    assert failure_of(call_with(made, X)).error == "timeout"
    assert started.is_set()
