"""`Depends` by FastAPI's rules: with a context, async, as a generator with clean-up, nested."""

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from typing import Annotated, Any

import pytest

from playhead import Depends, Secret, ToolContext, ToolError, UsageError, tool
from tests.tools.calls import call, failure_of, result_of

said: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_said() -> None:
    said.clear()


def key(context: ToolContext) -> str:
    return context.key


def connection(name: str) -> Callable[[], Generator[str]]:
    def opened() -> Generator[str]:
        said.append(f"open {name}")
        try:
            yield name
        except BaseException as error:
            said.append(f"{name} saw {type(error).__name__}")
            raise
        finally:
            said.append(f"close {name}")

    return opened


one, two = connection("one"), connection("two")


async def async_one() -> AsyncGenerator[str]:
    said.append("open one")
    try:
        yield "one"
    finally:
        said.append("close one")


def test_it_may_take_the_context() -> None:
    @tool(effect="read")
    def show(mine: Annotated[str, Depends(key)]) -> str:
        """Show it."""
        return mine

    assert result_of(call(show)) == "run:7"


def test_it_may_be_async_for_an_async_tool() -> None:
    async def given() -> str:
        return "awaited"

    @tool(effect="read")
    async def show(mine: Annotated[str, Depends(given)]) -> str:
        """Show it."""
        return mine

    assert result_of(call(show)) == "awaited"


def test_generators_are_cleaned_up_after_the_call_in_reverse_order() -> None:
    @tool(effect="read")
    def use(a: Annotated[str, Depends(one)], b: Annotated[str, Depends(two)]) -> str:
        """Use them."""
        said.append("work")
        return a + b

    assert result_of(call(use)) == "onetwo"
    assert said == ["open one", "open two", "work", "close two", "close one"]


def test_async_and_plain_generators_are_cleaned_up_together() -> None:
    @tool(effect="read")
    async def use(a: Annotated[str, Depends(async_one)], b: Annotated[str, Depends(two)]) -> str:
        """Use them."""
        said.append("work")
        return a + b

    assert result_of(call(use)) == "onetwo"
    assert said == ["open one", "open two", "work", "close two", "close one"]


def test_a_failed_call_is_seen_by_the_generator_and_cleaned_up() -> None:
    @tool(effect="read")
    def use(a: Annotated[str, Depends(one)]) -> str:
        """Fail."""
        raise ToolError("no")

    assert failure_of(call(use)).message == "no"
    assert said == ["open one", "one saw ToolError", "close one"]


def test_what_was_opened_is_closed_when_another_cannot_be_opened() -> None:
    def broken() -> str:
        raise ConnectionError("down")

    @tool(effect="read")
    def use(a: Annotated[str, Depends(one)], b: Annotated[str, Depends(broken)]) -> str:
        """Use them."""
        return a + b

    assert failure_of(call(use)).error == "ConnectionError"
    assert said == ["open one", "one saw ConnectionError", "close one"]


def test_a_failing_clean_up_fails_the_call() -> None:
    def commit() -> Generator[str]:
        yield "session"
        raise ToolError("the commit failed")

    @tool(effect="read")
    def use(a: Annotated[str, Depends(commit)]) -> str:
        """Use it."""
        return a

    assert failure_of(call(use)).message == "the commit failed"


def test_a_generator_that_hides_the_error_is_told_so() -> None:
    def hides() -> Generator[str]:
        with suppress(ToolError):
            yield "x"

    @tool(effect="read")
    def use(a: Annotated[str, Depends(hides)]) -> str:
        """Fail."""
        raise ToolError("no")

    assert "hid the error" in failure_of(call(use)).message


def test_dependencies_may_depend_on_others_and_each_is_provided_once() -> None:
    def session(
        a: Annotated[str, Depends(one)], mine: Annotated[str, Depends(key)], *, extra: int = 3
    ) -> str:
        return f"{a} {mine} {extra}"

    @tool(effect="read")
    def use(s: Annotated[str, Depends(session)], a: Annotated[str, Depends(one)]) -> str:
        """Use them."""
        return f"{s}, {a}"

    assert result_of(call(use)) == "one run:7 3, one"
    assert said == ["open one", "close one"]


def test_a_dependency_may_need_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "s3cret-token")

    def login(token: Annotated[str, Secret("TOKEN")]) -> str:
        return f"logged in with {token}"

    @tool(effect="read")
    def use(a: Annotated[str, Depends(login)]) -> str:
        """Use it."""
        return a

    assert result_of(call(use)) == "logged in with [secret TOKEN]"


class Pool:
    """A class, an object that can be called, and a bound method."""

    def __call__(self, context: ToolContext) -> str:
        return f"object {context.key}"

    def lease(self, context: ToolContext) -> Generator[str]:
        yield f"method {context.key}"


PROVIDERS: list[tuple[Callable[..., Any], str]] = [
    (Pool(), "object run:7"),
    (Pool().lease, "method run:7"),
    (functools.partial(str, 7), "7"),
    (Pool, "<class"),
]


@pytest.mark.parametrize(
    ("provide", "expected"), PROVIDERS, ids=["object", "method", "partial", "class"]
)
def test_whatever_can_be_called_may_provide(provide: Any, expected: str) -> None:
    def use(a: Any) -> str:
        """Use it."""
        return str(type(a)) if isinstance(a, Pool) else str(a)

    use.__annotations__["a"] = Annotated[Any, Depends(provide)]
    assert str(result_of(call(tool(use, effect="read")))).startswith(expected)


async def async_value() -> str:
    return "x"


def needs_more(amount: int) -> str:
    return str(amount)


def circular(again: str = "") -> str:
    return again


circular.__annotations__["again"] = Annotated[str, Depends(circular)]


@pytest.mark.parametrize(
    ("provide", "why"),
    [
        (async_value, "async_value is async, and the tool is not"),
        (async_one, "async_one is async, and the tool is not"),
        (needs_more, "needs_more takes amount: it may take a ToolContext"),
        (circular, "circular depends on itself"),
        ("a text", "is not a function"),
    ],
)
def test_what_cannot_work_is_refused_when_the_tool_is_defined(provide: Any, why: str) -> None:
    def use(a: str) -> str:
        """Use it."""
        return a

    use.__annotations__["a"] = Annotated[str, Depends(provide)]
    with pytest.raises(UsageError, match=why):
        tool(use)
