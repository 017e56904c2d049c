"""Money: what is reserved, what is counted, and that no run can spend past its cap."""

import asyncio
import threading
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playhead import (
    Agent,
    Budget,
    Limits,
    Price,
    Retry,
    RunNotFinished,
    Runtime,
    Target,
    UsageError,
    tool,
)
from playhead.events.errors import ModelError
from playhead.events.event import Block
from playhead.events.kinds.model_calls import BudgetNeared, ModelRequested
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.memory import MemoryLog
from playhead.events.model_api import Reply, Request
from playhead.events.spec.prices import PICODOLLARS, Tier
from playhead.events.usage import Usage
from playhead.projections.cost.pricing import cost_of, most, picodollars
from playhead.testing import ScriptedModel, call
from tests.support.agents import add, kinds, records, runtime
from tests.support.branches import Life

DEAR = Price(input=30, output=150)
CHEAP = Price(input=0.3, output=1.5)


@tool(effect="read")
def look(n: int) -> str:
    """Look.

    Args:
        n: where.
    """
    return str(n)


def long_reply(n: int) -> Reply:
    """A call, in as many tokens as are allowed."""
    use: Block = {"type": "tool_use", "id": f"u{n}", "name": "add", "input": {"a": n, "b": 1}}
    usage = Usage(input_tokens=10, output_tokens=1000)
    return Reply((use,), "tool_use", usage, "m")


def branching(cap: float, cache: str, budget: Budget) -> Agent:
    return Agent(
        name="b", model="dear", tools=[look], limits=Limits(max_cost=cap, max_steps=1000),
        fallback=["cheap"], retry=Retry(base=0.0, cap=0.0), max_tokens=200, cache=cache,  # type: ignore[arg-type]
        budget=budget,
        prices={
            "dear": Price(input=30, output=150, tiers=(Tier(input=60, output=200, above=5000),)),
            "cheap": CHEAP,
        },
    )  # fmt: skip


@given(
    seed=st.integers(0, 2**32),
    cap=st.floats(0.0, 20.0),
    cache=st.sampled_from(["off", "5m", "1h"]),
    cheaper=st.booleans(),
    crashes=st.floats(0.0, 0.2),
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_request_is_sent_that_could_take_the_run_past_its_cap(
    seed: int, cap: float, cache: str, cheaper: bool, crashes: float
) -> None:
    """Eight branches at once, faults of every kind, crashes, fallbacks, a dear tier."""
    budget = Budget(at_cap="cheaper", cheaper=Target(model="cheap")) if cheaper else Budget()
    agent = branching(cap, cache, budget).spec()
    random = Random(seed)
    life = Life(agent, random)
    life.turn(RunStarted(goal="eight things", agent=agent, code="c"))
    for _ in range(300):
        if not life.state.open:
            break
        if random.random() < crashes:
            life.crash()
        life.step()
        worst = life.world.charged + sum(life.world.at_risk.values())
        assert worst <= life.state.spent.cost_at_most
        assert life.state.spent.cost_at_most <= picodollars(cap)


class Cashier:
    """A model behind which every call is charged for all that its request can cost, or for less.

    It knows neither roles nor log: it looks at the requests that it gets.
    """

    def __init__(self, cap: float, random: Random) -> None:
        self.cap = picodollars(cap)
        self.random = random
        self.charged = self.at_risk = self.sent = self.worst = 0
        self.runs: set[str] = set()

    async def reply(self, request: Request, on_text: object) -> Reply:
        body = request.body
        tokens, longest = len(request.content) // 2, int(body["max_tokens"])
        dearest = most(DEAR, tokens, longest, "5m")
        self.at_risk += dearest
        self.sent += 1
        self.worst = max(self.worst, self.charged + self.at_risk)
        try:
            for _ in range(self.random.randrange(20)):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.charged += dearest
            raise
        finally:
            self.at_risk -= dearest
        usage = Usage(cache_creation_input_tokens=tokens, output_tokens=longest)
        self.charged += cost_of(DEAR, usage)
        if self.random.random() < 0.15:
            raise ModelError("timeout", "charged all the same", retryable=True)
        return Reply(self._said(body), "tool_use", usage, request.model)

    def _said(self, body: dict[str, Any]) -> tuple[Block, ...]:
        names = [tool["name"] for tool in body["tools"]]
        uses: list[tuple[str, Block]] = [("look", {"n": self.random.randrange(10**9)})]
        if "child" in names and len(body["messages"]) == 1:
            uses = [("child", {"task": f"part {n}"}) for n in range(8)]
        return tuple(
            {"type": "tool_use", "id": f"u{n}", "name": name, "input": given}
            for n, (name, given) in enumerate(uses)
        )

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("seed", range(6))
def test_a_parent_and_eight_children_together_never_pass_the_parent_s_cap(seed: int) -> None:
    """Children in parallel, charged faults, retries, and a runtime that is closed in the middle."""
    random = Random(seed)
    cap = random.choice((2.0, 6.0))
    model, log = Cashier(cap, random), MemoryLog()
    retry = Retry(base=0.0, cap=0.0)
    child = Agent(
        name="child", model=model, tools=[look], retry=retry, max_tokens=100,
        prices={"custom": DEAR}, limits=Limits(max_steps=1000),
    )  # fmt: skip
    parent = Agent(
        name="parent", model=model, tools=[child, look], retry=retry, max_tokens=100,
        prices={"custom": DEAR}, limits=Limits(max_cost=cap, max_steps=1000),
    )  # fmt: skip
    with Runtime(log, [parent, child], drain_seconds=0.0) as first:
        run = first.start(parent, "go").id
        heard = threading.Event()
        first.watch(lambda _, __: heard.set() if model.sent >= 12 else None)
        heard.wait(timeout=60)
    with Runtime(log, [parent, child]) as second, pytest.raises(RunNotFinished):
        second.attach(run, parent).wait(timeout=100)
    assert model.sent > 12
    assert model.worst <= picodollars(cap)
    started = {row.run for row in log.follow() if row.kind == "run_started"}
    assert len(started) == 9


def test_the_world_of_that_test_really_spends() -> None:
    agent = branching(3.0, "5m", Budget()).spec()
    life = Life(agent, Random(1))
    life.turn(RunStarted(goal="eight things", agent=agent, code="c"))
    while life.state.open:
        life.step()
    assert life.world.sent > 30
    assert life.world.charged > picodollars(1.0)
    assert life.state.stop is not None
    assert life.state.stop.reason == "max_cost"


def test_a_call_that_cannot_be_paid_is_not_made_and_the_run_ends_by_its_limit() -> None:
    model = ScriptedModel(lambda body: call("add", a=len(body["messages"]), b=1))
    agent = Agent(
        name="a", model=model, tools=[add], limits=Limits(max_cost=0.5, max_steps=99),
        max_tokens=1000, prices={"custom": DEAR},
    )  # fmt: skip
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        with pytest.raises(RunNotFinished, match="max_cost"):
            run.wait()
        assert len(model.requests) > 1
        assert made.replay(run.id).matches
        assert kinds(log, run.id)[-1] == "run_failed"


def test_at_the_cap_the_cheaper_model_is_asked_when_the_policy_says_so() -> None:
    model = ScriptedModel([*(long_reply(n) for n in range(6)), "done"])
    agent = Agent(
        name="a", model="dear", tools=[add], limits=Limits(max_cost=0.5), max_tokens=1000,
        budget=Budget(at_cap="cheaper", cheaper=Target(model="cheap")),
        prices={"dear": DEAR, "cheap": CHEAP},
    )  # fmt: skip
    with runtime(agent, model=model) as (made, log):
        run = made.run(agent, "go").run_id
        asked = [r.event for r in records(log, run) if isinstance(r.event, ModelRequested)]
    assert (asked[0].model, asked[-1].model) == ("dear", "cheap")
    assert "would pass max_cost" in asked[-1].reason


def test_the_warning_comes_once_when_the_share_is_passed() -> None:
    model = ScriptedModel([call("add", a=n, b=1) for n in range(6)] + ["done"])
    agent = Agent(
        name="a", model=model, tools=[add], limits=Limits(max_cost=1.0), max_tokens=100,
        budget=Budget(warn_at=0.01), prices={"custom": DEAR},
    )  # fmt: skip
    with runtime(agent) as (made, log):
        result = made.run(agent, "go")
        warned = [r.event for r in records(log, result.run_id) if isinstance(r.event, BudgetNeared)]
        assert made.replay(result.run_id).matches
    assert len(warned) == 1
    assert warned[0].cost >= PICODOLLARS // 100
    assert result.metrics.dollars is not None
    assert result.metrics.dollars <= 1.0


def test_a_money_limit_with_an_unknown_price_does_not_start() -> None:
    agent = Agent(name="a", model="nobody-knows", limits=Limits(max_cost=1.0))
    with runtime(agent, model=ScriptedModel([])) as (made, log):
        with pytest.raises(UsageError, match="nobody-knows, whose price is unknown"):
            made.start(agent, "go")
        assert list(log.follow()) == []


def test_a_fallback_of_unknown_price_counts_as_one_that_may_be_asked() -> None:
    agent = Agent(name="a", fallback=["nobody-knows"], limits=Limits(max_cost=1.0))
    with pytest.raises(UsageError, match="nobody-knows"):
        agent.spec()


def test_tools_of_the_api_itself_cannot_be_bounded_and_are_refused_with_a_limit() -> None:
    search: Block = {"type": "web_search_20250305", "name": "web_search"}
    child = Agent(name="c", server_tools=[search], prices={"claude-sonnet-4-6": DEAR})
    for agent in (
        Agent(name="a", server_tools=[search], limits=Limits(max_cost=1.0)),
        Agent(name="a", tools=[child], limits=Limits(max_tokens=1000)),
    ):
        with pytest.raises(UsageError, match="not known in advance"):
            agent.spec()


def test_an_agent_among_the_tools_whose_price_is_unknown_does_not_start_either() -> None:
    child = Agent(name="c", model="nobody-knows")
    with pytest.raises(UsageError, match="nobody-knows"):
        Agent(name="a", tools=[child], limits=Limits(max_cost=1.0)).spec()


def test_without_a_price_and_without_a_limit_a_run_costs_an_unknown_amount() -> None:
    with runtime(Agent(name="a", model=ScriptedModel(["hi"]))) as (made, _):
        result = made.run(Agent(name="b", model=ScriptedModel(["hi"])), "go")
    assert result.metrics.dollars is None
    assert result.metrics.unpriced == 1


def test_an_attempt_that_may_have_been_charged_counts_for_its_reservation() -> None:
    model = ScriptedModel([ModelError("timeout", "late", retryable=True), "fine"])
    agent = Agent(name="a", model=model, retry=Retry(base=0.0, cap=0.0), prices={"custom": DEAR})
    with runtime(agent) as (made, log):
        result = made.run(agent, "go")
        first = next(
            r.event for r in records(log, result.run_id) if r.event.kind == "model_requested"
        )
    assert isinstance(first, ModelRequested)
    assert first.reserved_cost is not None
    assert result.metrics.cost > first.reserved_cost


def test_a_document_that_lies_elsewhere_is_bounded_by_the_whole_window() -> None:
    document: Block = {
        "type": "document",
        "source": {"type": "url", "url": "https://example.org/a.pdf"},
    }
    agent = Agent(
        name="a",
        model=ScriptedModel(["read"]),
        limits=Limits(max_cost=20.0),
        prices={"custom": DEAR},
    )
    with runtime(agent) as (made, _), pytest.raises(RunNotFinished, match="max_cost"):
        made.run(agent, "read it", content=[document])
