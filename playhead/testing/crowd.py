"""The agents that are simulated when none is given: every class of tool, every limit."""

from dataclasses import replace
from random import Random
from typing import Literal

from pydantic import BaseModel

from playhead.agent import Agent
from playhead.events.event import Json
from playhead.events.memory_rules import MemoryRules
from playhead.events.plans import PlanRules
from playhead.events.spec import Limits, Retry
from playhead.events.tool_policy import Rate
from playhead.testing.chance import ChanceModel
from playhead.testing.faults import Mix
from playhead.testing.world import world_knows
from playhead.tools.tool import AnyTool, tool

LETTER: dict[str, Json] = {
    "type": "object",
    "properties": {"to": {"const": "everybody"}},
    "required": ["to"],
}


class Weather(BaseModel):
    """An answer with a shape."""

    city: Literal["Hue", "Oslo"]
    degrees: int


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
    """Give something that JSON cannot carry."""
    if kind == "deep":
        nest: Json = []
        for _ in range(300):
            nest = [nest]
        return nest
    return {"nan": float("nan"), "bytes": b"\xff", "surrogate": "\ud800"}[kind]  # type: ignore[return-value]


@tool(effect="read", timeout=5, cache=30.0, retry=3)
async def remembered(n: Literal[1, 2]) -> str:
    """Look up what does not change for a while."""
    return f"page {n}"


@tool(effect="read", timeout=5, concurrency=1, rate=Rate(calls=2, seconds=3.0))
async def scarce() -> str:
    """Ask somebody who can serve one at a time."""
    return "served"


@tool(effect="keyed", timeout=8, retry=Retry(attempts=3, base=0.5))
async def put(amount: int) -> str:
    """Put something away."""
    return f"put {amount}"


@tool(effect="keyed", timeout=8, probe=world_knows)
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


@tool(effect="once", timeout=8, probe=world_knows)
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


TOOLS: tuple[AnyTool, ...] = (
    look, count, odd_result, remembered, scarce, put, put_findable, pay, pay_now,
    pay_findable, fire, write_letter,
    transfer,
)  # fmt: skip

SMALL = MemoryRules(compress_at=700, keep_turns=2, clear_over=300, summary_tokens=50)
"""So small a context that it is compressed every few rounds."""


def agents(random: Random, mix: Mix) -> list[Agent[object]]:
    """One or two agents of one life; the first may have another one among its tools."""
    first = _agent("agent-0", random, mix)
    if random.random() < 0.3:
        helper = _agent("helper", random, mix)
        first = replace(first, tools=(*first.tools, replace(helper, description="Helps.")))
    return [first] if random.random() < 0.7 else [first, _agent("agent-1", random, mix)]


def _agent(name: str, random: Random, mix: Mix) -> Agent[object]:
    tools = random.sample(TOOLS, random.choice((0, 2, 4, 6, len(TOOLS))))
    schemas = {tool.spec.name: tool.spec.input_schema for tool in tools}
    patience = random.randint(1, 6)
    return Agent(
        name=name,
        instructions=random.choice(("", "Be brief.")),
        model=ChanceModel(random, mix.model_odd, patience, schemas),
        tools=tools,
        strategy=random.choice(("auto", "react", "react", "plan", "direct")),
        plan=PlanRules(
            concurrency=random.choice((1, 8)),
            replans=random.choice((0, 2)),
            review=random.choice(("never", "never", "always")),
            review_expires=random.choice((None, 10.0)),
        ),
        output=random.choice((None, None, None, Weather)),
        limits=_limits(random),
        memory=random.choice((MemoryRules(), SMALL)),
        max_tokens=random.choice((50, 4096)),
        retry=Retry(attempts=random.choice((1, 3, 4, 4)), base=random.choice((0.0, 0.5))),
    )


def _limits(random: Random) -> Limits:
    def perhaps(*values: float) -> float | None:
        return random.choice(values) if random.random() < 0.15 else None

    calls, tools = perhaps(1, 3, 6), perhaps(1, 2, 5)
    tokens = random.choice((None, None, None, 3000, 12_000, 40_000))
    return Limits(
        max_steps=random.choice((1, 4, 8, 10, 10)),
        max_model_calls=None if calls is None else int(calls),
        max_tool_calls=None if tools is None else int(tools),
        max_tokens=tokens,
        max_seconds=perhaps(5.0, 30.0, 300.0),
    )
