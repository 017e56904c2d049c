"""The agents to simulate when none is given: every tool, every limit, every strategy."""

from dataclasses import replace
from random import Random
from typing import Any, Literal

from pydantic import BaseModel

from playhead.definition.agent import Agent
from playhead.definition.guardrails import Guardrail
from playhead.events.spec.agent import Limits, LoopRules, Threshold
from playhead.events.spec.guardrails import Place, Verdict, VerdictName
from playhead.events.spec.memory import MemoryRules
from playhead.events.spec.plan import PlanRules
from playhead.events.spec.prices import Price, Tier
from playhead.events.spec.routing import Budget, Target
from playhead.events.spec.tool import Retry
from playhead.simulation.actors.random_model import RandomModel
from playhead.simulation.actors.sample_tools import (
    ASKING,
    DEFERRING,
    TOOLS,
    fire,
    pay,
    pay_now,
    transfer,
)
from playhead.simulation.faults.mix import Mix
from playhead.tools.builtin.memory import recall, remember
from playhead.tools.context import RunContext
from playhead.tools.tool import AnyTool


class Weather(BaseModel):
    """An answer with a schema."""

    city: Literal["Hue", "Oslo"]
    degrees: int


class Animal(BaseModel):
    """A fact worth learning."""

    kind: str
    legs: int


DOUBTFUL: tuple[AnyTool, ...] = (pay, pay_now, fire, transfer)
"""Tools that may end with an unknown outcome or wait for people; some agents have little else."""

SMALL = MemoryRules(compress_at=700, keep_turns=2, clear_over=300, summary_tokens=50)
"""A context so small that it is compressed every few rounds."""

PLACES: tuple[Place, ...] = ("input", "result", "answer")
CERTAIN: tuple[VerdictName, ...] = ("block", "replace")
VERDICTS: tuple[VerdictName, ...] = (
    "allow", "allow", "allow", "ask_again", "block", "replace",
)  # fmt: skip

IMPATIENT = LoopRules(
    same_answer=Threshold(warn=1, stop=2), same_failure=Threshold(warn=1, stop=2),
    cycle=Threshold(warn=1, stop=2), no_progress=Threshold(warn=2, stop=3),
)  # fmt: skip

PRICES = {
    "chance": Price(input=3.0, output=15.0, tiers=(Tier(above=2000, input=6.0, output=22.5),)),
    "small": Price(input=0.8, output=4.0),
    "large": Price(input=15.0, output=75.0, cache_read=1.5, cache_write_1h=31.0),
}

SHORT = Target(model="small", max_tokens=30)
ELSEWHERE = Target(model="small", endpoint="elsewhere", max_tokens=60)


def agents(random: Random, mix: Mix) -> list[Agent[object]]:
    """One or two agents for a simulated run; the first may have the other among its tools."""
    first = _agent("agent-0", random, mix)
    if random.random() < 0.4:
        helper = replace(_agent("helper", random, mix), description="Helps.")
        few = first.tools[: random.choice((0, 2, 99))]
        first = replace(first, tools=(*few, helper))
    first = _handing_over(first, random, mix)
    return [first] if random.random() < 0.7 else [first, _agent("agent-1", random, mix)]


def _handing_over(first: Agent[object], random: Random, mix: Mix) -> Agent[object]:
    """Some agents may hand the conversation over. Drawn beside the others, as `_deferring` is."""
    if first.output is not None or first.function is not None:
        return first
    beside = Random()
    beside.setstate(random.getstate())
    if beside.random() >= 0.2:
        return first
    desk = replace(_agent("desk", beside, mix), description="Takes over.", output=None)
    return replace(first, handoffs=[desk])


def _agent(name: str, random: Random, mix: Mix) -> Agent[object]:
    tools = random.sample(TOOLS, random.choice((0, 2, 4, 6, len(TOOLS))))
    if random.random() < 0.3:
        tools = list(dict.fromkeys([*tools[:2], *random.sample(DOUBTFUL, 2)]))
    if random.random() < 0.4:
        tools = list(dict.fromkeys([*tools, remember, recall]))
    tools += _deferring(random)
    schemas = {tool.spec.name: tool.spec.input_schema for tool in tools}
    patience = random.randint(1, 6)
    made: Agent[object] = Agent(
        name=name,
        instructions=random.choice(("", "Be brief.", _asked)),
        model=RandomModel(random, mix.model_odd, patience, schemas),
        tools=tools,
        plan=PlanRules(
            concurrency=random.choice((1, 8)),
            replans=random.choice((0, 2)),
            review=random.choice(("never", "never", "always")),
            review_expires=random.choice((None, 10.0)),
        ),
        output=random.choice((None, None, None, Weather)),
        facts=random.choice((None, None, Animal)),
        limits=_limits(random),
        loops=random.choice((LoopRules(), LoopRules(), IMPATIENT)),
        memory=_memory(random),
        max_tokens=random.choice((50, 4096)),
        retry=Retry(attempts=random.choice((1, 3, 4, 4)), base=random.choice((0.0, 0.5))),
        cache=random.choice(("off", "5m", "1h")),
        prices=PRICES,
        **_strategy(random),
        **_routing(random),
    )
    own = Random(f"{name} {patience} {sorted(schemas)}")
    return replace(made, guardrails=_guardrails(own, answers=made.function is None))


def _guardrails(random: Random, *, answers: bool) -> list[Guardrail]:
    """A few agents have some; a function's answer is not judged."""
    if random.random() >= 0.15:
        return []

    def at_random(text: str) -> Verdict:
        verdict = random.choice(VERDICTS)
        return Verdict(verdict=verdict, text=f"judged, {len(text)}")

    return [
        Guardrail(name=f"{on}-{n}", on=on, check=check, words=() if check else ("e",),
                  verdict=verdict, text="judged", beside=on == "input" and n == 1 and bool(check))
        for n, on in enumerate(random.choices(PLACES if answers else PLACES[:2], k=3))
        for check in [random.choice((None, at_random))]
        for verdict in random.sample(CERTAIN, 1)
    ]  # fmt: skip


def _asked(context: RunContext) -> str:
    return f"You work for {context.namespace or 'nobody'}."


def _deferring(random: Random) -> list[AnyTool]:
    """Some agents can also wait, for an answer from outside or a person's to a question.

    Drawn beside the others, so that a seed's other choices stay.
    """
    beside = Random()
    beside.setstate(random.getstate())
    some = beside.sample(DEFERRING, beside.choice((1, 2, 4))) if beside.random() < 0.3 else []
    return some + (beside.sample(ASKING, beside.choice((1, 2))) if beside.random() < 0.3 else [])


def _strategy(random: Random) -> dict[str, Any]:
    def at_random(goal: str, tools: list[str]) -> str:
        return random.choice(("react", "plan", "direct", "function"))

    def count_words(goal: str) -> int:
        return len(goal.split())

    strategy = random.choice(("auto", "react", "react", "plan", "plan", "direct", at_random))
    return {"strategy": strategy, "function": count_words if random.random() < 0.1 else None}


def _routing(random: Random) -> dict[str, Any]:
    """Usually one model; otherwise a table with a ladder, fallbacks, a router and a budget."""
    if random.random() < 0.5:
        return {}

    def at_random(goal: str) -> str:
        return random.choice(("reasoning", "data_extraction", "writing"))

    table = {"reasoning": ["small", SHORT, "large"], "summarization": "small"}
    cheaper = Target(model="small", max_tokens=20)
    return {
        "routing": random.choice((None, table)),
        "fallback": random.choice(((), (SHORT, "large"), (ELSEWHERE, "large"))),
        "router": random.choice((None, at_random)),
        "budget": random.choice((Budget(), Budget(warn_at=0.3, at_cap="cheaper", cheaper=cheaper))),
    }


def _memory(random: Random) -> MemoryRules:
    """For no namespace, one, or another; recalled at the start or not."""
    rules = random.choice((MemoryRules(), SMALL))
    namespace, recall = random.choice(("", "acme", "acme", "globex")), random.choice((0, 2, 5))
    return rules.model_copy(update={"namespace": namespace, "recall": recall})


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
        max_cost=random.choice((None, None, 0.02, 0.2, 1.0)),
        max_seconds=perhaps(5.0, 30.0, 300.0),
    )
