"""Tools and agents cross to other processes wherever their functions can."""

import asyncio
import multiprocessing
import pickle
from typing import Any, TypeVar

import pytest

from playhead import Agent, Runtime, group, tool
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel, call
from playhead.tools.tool import AnyTool

T = TypeVar("T")


@tool(effect="read", name="sum", description="Add two integers, both small.")
def add(a: int, b: int) -> int:
    """Add.

    Args:
        a: the first.
        b: the second.
    """
    return a + b


def large(arguments: dict[str, Any]) -> bool:
    return bool(arguments["euros"] > 100)


def paid(key: str) -> None:
    """Whether the payment of that key arrived."""


def pay(euros: int) -> str:
    """Pay.

    Args:
        euros: how much.
    """
    return f"paid {euros}"


payment = tool(pay, name="payment", approval=large, probe=paid, retry_on=(KeyError,))


class Shop:
    """Has a method that is a tool, and one that can be made one."""

    def __init__(self, stock: int) -> None:
        self.stock = stock

    @tool(effect="read")
    def count(self) -> int:
        """Count the stock."""
        return self.stock

    def price(self, percent: int) -> int:
        """Tell the price.

        Args:
            percent: of the full price.
        """
        return self.stock * percent


def again(value: T) -> T:
    copy: T = pickle.loads(pickle.dumps(value))
    return copy


def test_a_decorated_tool_is_itself_again() -> None:
    assert again(add) is add
    assert again(Shop.count) is Shop.count


def test_a_tool_made_of_a_function_keeps_all_its_options() -> None:
    copy = again(payment)
    assert copy is not payment
    assert copy.spec == payment.spec
    assert copy(3) == "paid 3"
    options = [(t.probe, t.needs_approval, t.subprocess, t.transient) for t in (copy, payment)]
    assert options[0] == options[1] == (paid, large, None, (KeyError,))
    assert copy.signature.schema == payment.signature.schema


@pytest.mark.parametrize("made", [Shop(7).count, tool(Shop(7).price, effect="read")])
def test_a_tool_of_an_object_takes_its_object_along(made: AnyTool) -> None:
    copy = again(made)
    assert copy.spec == made.spec
    shop = getattr(copy.function, "__self__", None)
    assert isinstance(shop, Shop)
    assert shop.stock == 7


def test_a_tool_of_a_local_function_says_that_the_function_cannot_be_pickled() -> None:
    @tool(effect="read")
    def local() -> str:
        """Say something."""
        return "here"

    with pytest.raises((AttributeError, pickle.PicklingError), match="local"):
        pickle.dumps(local)


def script() -> ScriptedModel:
    return ScriptedModel([call("sum", a=1, b=2), call("count"), "3 and 7."])


def work(agent: Agent[str]) -> str:
    """What the agent answers in a process of its own."""
    with Runtime(MemoryLog(), model=script()) as runtime:
        return runtime.run(agent, "add and count").answer


def test_an_agent_works_in_a_spawned_process() -> None:
    helper = Agent[str](name="helper", description="Helps.", tools=[payment])
    shop = group("shop", Shop(7).count)
    agent = Agent[str](name="clerk", tools=[add, shop, helper], strategy="react")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(work, (agent,)) == work(agent) == "3 and 7."


def test_an_async_tool_can_be_pickled_too() -> None:
    assert asyncio.run(again(wait)()) == "done"


@tool(effect="read")
async def wait() -> str:
    """Wait for nothing."""
    return "done"
