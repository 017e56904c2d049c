"""The tools of the sample agents: every class of effect, approval and policy."""

from typing import Literal

from playhead.events.event import Json
from playhead.events.spec.tool import Deferral, Rate, Retry
from playhead.simulation.faults.tools_and_models import ask_the_world
from playhead.tools.builtin.memory import recall, remember
from playhead.tools.context import CallDeferred, InputRequired, ToolContext
from playhead.tools.tool import AnyTool, tool

LETTER: dict[str, Json] = {
    "type": "object",
    "properties": {"to": {"const": "everybody"}},
    "required": ["to"],
}


@tool(effect="read", timeout=5, max_chars=500)
async def look(what: Literal["small", "big", "odd"]) -> str:
    """Look something up."""
    return {"small": "a dog", "big": "a dog " * 1000, "odd": "\x00\u2028é"}[what]


@tool(effect="read")
def count(upto: int = 3) -> list[int]:
    """Count."""
    return list(range(min(abs(upto), 20)))


@tool(effect="read")
def odd_result(kind: Literal["nan", "bytes", "surrogate", "deep"]) -> Json:
    """Give a result that JSON cannot represent."""
    if kind == "deep":
        nest: Json = []
        for _ in range(300):
            nest = [nest]
        return nest
    return {"nan": float("nan"), "bytes": b"\xff", "surrogate": "\ud800"}[kind]  # type: ignore[return-value]


@tool(effect="read", timeout=5, cache=30.0, retry=3)
async def remembered(n: Literal[1, 2]) -> str:
    """Look up something that does not change for a while."""
    return f"page {n}"


@tool(effect="read", timeout=5, concurrency=1, rate=Rate(calls=2, seconds=3.0))
async def scarce() -> str:
    """Ask someone who can serve one caller at a time."""
    return "served"


@tool(effect="keyed", timeout=8, retry=Retry(attempts=3, base=0.5))
async def put(amount: int) -> str:
    """Put something away."""
    return f"put {amount}"


@tool(effect="keyed", timeout=8, probe=ask_the_world)
async def put_findable(amount: int) -> str:
    """Put something away where it can be found again."""
    return f"put {amount}"


@tool(effect="once", timeout=8)
async def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


@tool(effect="once")
def pay_now(amount: int) -> str:
    """Pay at once."""
    return f"paid {amount}"


@tool(effect="once", timeout=8, probe=ask_the_world)
async def pay_findable(amount: int) -> str:
    """Pay with a receipt."""
    return f"paid {amount}"


@tool(effect="once", timeout=8, approval=True, approval_expires=6.0)
async def fire(rockets: int) -> str:
    """Fire rockets, if somebody agrees soon."""
    return f"fired {rockets}"


@tool(effect="keyed", timeout=8, approval=LETTER)
async def write_letter(to: Literal["a friend", "everybody"]) -> str:
    """Write a letter."""
    return f"wrote to {to}"


def _is_large(arguments: dict[str, Json]) -> bool:
    amount = arguments.get("amount")
    return isinstance(amount, int) and amount > 50


@tool(effect="once", timeout=8, approval=_is_large)
async def transfer(amount: int) -> str:
    """Transfer money; large sums need approval."""
    return f"transferred {amount}"


@tool(effect="once", timeout=8)
async def ask_outside(question: Literal["small", "big"]) -> int:
    """Ask somebody who answers later, or not in time."""
    raise CallDeferred(expires=20.0, if_expired="nobody answers")


@tool(effect="keyed", timeout=8, retry=2, deferred=Deferral(counts=False))
async def order(amount: int) -> None:
    """Order something that is delivered some day."""


@tool(effect="once", timeout=8, approval=True)
async def ask_the_boss(what: Literal["a rise"]) -> str:
    """Ask the boss, if somebody agrees; the boss takes a while."""
    raise CallDeferred


@tool(effect="read", timeout=5)
async def sleep_on_it(seconds: Literal[1, 9, 400]) -> str:
    """Wait for some time."""
    waiting = CallDeferred(expires=float(seconds), if_expired="the time has come")
    waiting.about = "time"
    raise waiting


DEFERRING: tuple[AnyTool, ...] = (ask_outside, order, ask_the_boss, sleep_on_it)
"""Tools whose calls wait; some agents have them too."""

QUESTION: dict[str, Json] = {
    "message": "How many?",
    "requestedSchema": {
        "type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"],
    },
}  # fmt: skip


def _asks(context: ToolContext, rounds: int) -> None:
    """Ask a person, so many times."""
    asked = 0 if context.input is None else int(context.input.state or 0)
    if asked < rounds:
        raise InputRequired({f"question-{asked}": QUESTION}, str(asked + 1))


@tool(effect="once", timeout=8)
async def order_for(whom: Literal["a friend", "all"], context: ToolContext) -> str:
    """Order something for others, who are asked how many they want."""
    _asks(context, 2 if whom == "all" else 1)
    return f"ordered for {whom}"


@tool(effect="keyed", timeout=8, retry=2, approval=True, approval_expires=6.0)
async def book(seats: int, context: ToolContext) -> str:
    """Book seats, if somebody agrees and answers soon."""
    _asks(context, 1)
    return f"booked {seats}"


ASKING: tuple[AnyTool, ...] = (order_for, book)
"""Tools that ask a person in the middle of a call; some agents have them too."""

TOOLS: tuple[AnyTool, ...] = (
    look, count, odd_result, remembered, scarce, put, put_findable, pay, pay_now,
    pay_findable, fire, write_letter,
    transfer, remember, recall,
)  # fmt: skip
