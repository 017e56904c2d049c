"""The story: each reply's cost stands beside one entry, and beside the one that it paid for."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from playhead import Agent, PlanRules
from playhead.events.record import Record
from playhead.projections.history.story import EXTRACTION, story
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.projections.state.waits import About, shown_status
from playhead.testing import ScriptedModel, call
from tests.inspector.runs import add
from tests.support.agents import records, runtime
from tests.support.planning import planner, step, work


class Customer(BaseModel):
    """What is worth knowing."""

    budget: str | None = None


def seller(*, learns: bool) -> Agent[str]:
    def reply(body: dict[str, Any]) -> Any:
        if "tools" not in body:
            text = body["messages"][0]["content"][0]["text"]
            (line,) = (line for line in text.splitlines() if "[result]" in line)
            fact = {"entity": "Acme", "field": "budget", "value": "3", "confidence": 0.9,
                    "sources": [int(line.split(":")[0].removeprefix("record "))],
                    "quote": "3"}  # fmt: skip
            return json.dumps({"facts": [fact] if learns else []})
        if len(body["messages"]) == 1:
            return ["I shall add.", call("add", a=1, b=2)]
        return "It is 3."

    return Agent(name="seller", model=ScriptedModel(reply), tools=[add], facts=Customer)


def run_of(agent: Agent[Any]) -> list[Record]:
    with runtime(agent) as (made, log):
        return records(log, made.run(agent, "What is 1 + 2?").run_id)


def tokens(found: list[Record], kind: str) -> list[int]:
    """The tokens of the replies to the requests of a kind."""
    asked = {r.seq for r in found if r.event.kind == kind}
    return [r.event.usage.total for r in found  # type: ignore[attr-defined]
            if r.event.kind == "model_answered" and r.cause in asked]  # fmt: skip


@pytest.mark.parametrize("learns", [True, False])
def test_the_cost_of_the_extraction_of_facts_does_not_stand_beside_the_answer(learns: bool) -> None:
    found = run_of(seller(learns=learns))
    beside = {told.entry.text: told.cost.usage for told in story(found, thoughts=False)}
    extraction, answer = beside[EXTRACTION], beside["It is 3."]
    assert extraction is not None
    assert answer is not None
    assert [extraction.total] == tokens(found, "extraction_requested")
    assert answer.total == tokens(found, "model_requested")[-1]


@pytest.mark.parametrize("thoughts", [True, False])
def test_the_tokens_of_a_story_add_up_to_those_of_the_run(thoughts: bool) -> None:
    plan = planner([step("a"), step("b", tool="reason", depends_on=["a"])])
    agents: list[Agent[Any]] = [
        seller(learns=True),
        seller(learns=False),
        Agent(name="p", model=plan, tools=[work], plan=PlanRules(), strategy="plan"),
    ]
    for agent in agents:
        found = run_of(agent)
        metrics = RunMetrics()
        for record in found:
            metrics.fold(record)
        shown = [told.cost.usage for told in story(found, thoughts=thoughts)]
        assert sum(usage.total for usage in shown if usage) == metrics.tokens > 0


@pytest.mark.parametrize(
    ("status", "waits", "shown"),
    [
        ("running", [], "running"),
        ("running", ["model"], "waits for the model"),
        ("running", ["time", "call"], "waits for you"),
        ("open", ["plan"], "waits for you"),
        ("open", ["model"], "open"),
        ("paused", ["call"], "paused"),
        ("failed", [], "failed"),
    ],
)
def test_a_status_reads_the_same_wherever_it_is_shown(
    status: str, waits: list[About], shown: str
) -> None:
    assert shown_status(status, waits) == shown
