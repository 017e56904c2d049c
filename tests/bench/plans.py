"""Plan-and-Execute against ReAct on one task: five competitors, what they cost and are worth.

The model is scripted and takes 0.8 s a call; a tool takes 0.3 s, or up to 2.1 s for some of them.
The clock is virtual, so the seconds are exact and the same on every machine. ReAct is shown twice:
as a model that asks for one call at a time, and as one that asks for all that it can at once, which
then waits for the slowest before anything that follows.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

from playhead import Agent, Limits, tool
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.testing import ScriptedModel, call
from tests.bench.figures import Table
from tests.support.virtual import Play

NAMES = ("Asana", "Jira", "Linear", "Monday", "Trello")
SLOW = {"pricing": {"Asana": 2.1, "Jira": 1.2}, "reviews": {"Monday": 1.8}}
LATENCY = 0.8


def _looking(name: str) -> Any:
    @tool(effect="read", name=name)
    async def look_up(company: str) -> dict[str, str]:
        """Look something up about a company.

        Args:
            company: its name.
        """
        await asyncio.sleep(SLOW.get(name, {}).get(company, 0.3))
        return {"company": company, name: f"{name} of {company}, in some words " * 4}

    return look_up


def _finding() -> Any:
    @tool(effect="read")
    async def find() -> list[str]:
        """Find the five competitors."""
        await asyncio.sleep(0.3)
        return list(NAMES)

    return find


TOOLS = (_finding(), _looking("pricing"), _looking("reviews"), _looking("details"))

DETAILS = [
    {"id": f"more_{n}", "tool": "details", "arguments": {"company": f"${{pricing_{n}.company}}"}}
    for n in range(len(NAMES))
]

PLAN = [
    {"id": "find", "tool": "find"},
    *(
        {"id": f"{what}_{n}", "tool": what, "arguments": {"company": f"${{find[{n}]}}"}}
        for what in ("pricing", "reviews")
        for n in range(len(NAMES))
    ),
    *DETAILS,
    {"id": "report", "tool": "synthesize"},
]

ALONE = [
    call("find"),
    *(call(what, company=name) for what in ("pricing", "reviews", "details") for name in NAMES),
    "The report.",
]
AT_ONCE = [
    call("find"),
    [call(what, company=name) for what in ("pricing", "reviews") for name in NAMES],
    [call("details", company=name) for name in NAMES],
    "The report.",
]


def _planned(body: Mapping[str, Any]) -> str:
    planning = "You split a goal" in json.dumps(body.get("system", ""))
    return json.dumps({"steps": PLAN}) if planning else "The report."


def _measured(script: Any, strategy: Any) -> list[float]:
    model = ScriptedModel(script, latency=LATENCY)
    agent = Agent(
        name="analyst", model=model, tools=TOOLS, strategy=strategy, limits=Limits(max_steps=40)
    )
    play = Play(agent).start("Compare the five competitors.")
    assert play.records[-1].event.kind == "run_finished"
    metrics = RunMetrics()
    for record in play.records:
        metrics.fold(record)
    return [play.seconds, metrics.model_calls, metrics.usage.total]


def plans() -> Iterator[Table]:
    """Seconds, model calls and tokens of each way."""
    rows = [
        ["ReAct, one call at a time", *_measured(ALONE, "react")],
        ["ReAct, calls side by side", *_measured(AT_ONCE, "react")],
        ["Plan-and-Execute", *_measured(_planned, "plan")],
    ]
    yield Table(
        "plans",
        "The same task by plan and by ReAct: 16 tool calls, a scripted model of 0.8 s",
        ["", "seconds", "model calls", "tokens"],
        rows,
        "a virtual clock; a plan does not wait for the slowest of each round",
    )
