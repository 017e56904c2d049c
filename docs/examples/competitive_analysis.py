"""A competitive analysis: find five competitors, price and reviews of each at once, a matrix.

The model makes a plan, you see it and approve it, then its steps tick off as they are done.

    python docs/examples/competitive_analysis.py            (a scripted model: always the same)
    python docs/examples/competitive_analysis.py --local    (the local demonstration model)
    playhead run "Compare the five" --agent docs/examples/competitive_analysis.py:analyst
    playhead plan show last ; playhead approve last 7       (meanwhile, in another terminal)

The local model is far too small to plan, so its plan is scripted too; it does the thinking steps.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

from playhead import Agent, Limits, PlanRules, Run, Runtime, Target, tool
from playhead.testing import ScriptedModel
from playhead.views import as_mermaid, as_text, plan_of

GOAL = "Compare the five leading project planners: prices and reviews of each, a matrix, a summary."

MARKET = {
    "Asana": (13.49, 4.4),
    "Jira": (8.15, 4.3),
    "Linear": (8.00, 4.6),
    "Monday": (12.00, 4.7),
    "Trello": (5.00, 4.5),
}

PLAN = [
    {"id": "find", "tool": "find_competitors", "description": "Find the five competitors",
     "arguments": {"market": "project planners", "count": 5}},
    {"id": "prices", "tool": "pricing", "description": "What ${item.name} costs",
     "for_each": "${find}", "arguments": {"name": "${item.name}"}},
    {"id": "reviews", "tool": "reviews", "description": "What people say of ${item.name}",
     "for_each": "${find}", "arguments": {"name": "${item.name}"}},
    {"id": "matrix", "tool": "synthesize", "description": "Lay prices and stars side by side",
     "arguments": {"prices": "${prices}", "reviews": "${reviews}"}},
    {"id": "summary", "tool": "synthesize", "description": "Say which one to choose, and for whom",
     "arguments": {"matrix": "${matrix}"}},
]  # fmt: skip


@tool(effect="read")
async def find_competitors(market: str, count: int) -> list[dict[str, str]]:
    """Find the leading products of a market.

    Args:
        market: which market.
        count: how many to find.
    """
    return [{"name": name, "market": market} for name in list(MARKET)[:count]]


@tool(effect="read")
async def pricing(name: str) -> dict[str, Any]:
    """Look up what a product costs, per user and month.

    Args:
        name: the product.
    """
    await asyncio.sleep(0.3)
    return {"name": name, "dollars": MARKET[name][0]}


@tool(effect="read")
async def reviews(name: str) -> dict[str, Any]:
    """Look up how people rate a product, in stars of five.

    Args:
        name: the product.
    """
    await asyncio.sleep(0.3)
    return {"name": name, "stars": MARKET[name][1]}


def script(body: Mapping[str, Any]) -> str:
    """What a good model would say, in short."""
    said = json.dumps(body)
    if "You split a goal into the steps" in said:
        return json.dumps({"steps": PLAN})
    if "Lay prices and stars" in said:
        rows = [f"| {name} | {price:.2f} | {stars} |" for name, (price, stars) in MARKET.items()]
        return "\n".join(["| product | $ | stars |", "|---|---|---|", *rows])
    return "Linear: 4.6 stars for 8 dollars. Trello where money is short, Monday where it is not."


def make(*, local: bool) -> Agent[str]:
    """The analyst; with `local` only its plan is scripted."""
    scripted = Target(model="scripted", endpoint="scripted")
    return Agent(
        name="analyst",
        instructions="You compare products, in few words and without guessing.",
        model="gemma-3-270m" if local else ScriptedModel(script),
        tools=[find_competitors, pricing, reviews],
        strategy="plan",
        plan=PlanRules(review="always"),
        limits=Limits(max_steps=20),
        routing={"complex_planning": scripted} if local else None,
    )


analyst = make(local=False)


def review(run: Run[str]) -> None:
    """Show the plan that waits, and let it run."""
    seen = []
    for record in run.events():
        seen.append(record)
        if record.event.kind == "approval_requested":
            break
    (waiting,) = run.approvals()
    plan = plan_of(seen)
    assert plan is not None
    print(as_text(plan), "\n", as_mermaid(plan), "\n", sep="\n")
    if sys.stdin.isatty() and input("Run this plan? [Y/n] ").lower().startswith("n"):
        run.deny(waiting.call, input("Why not? "))
        return review(run)
    return run.approve(waiting.call)


def main() -> None:
    local = "--local" in sys.argv[1:]
    agent = make(local=local) if local else analyst
    endpoints = {"scripted": ScriptedModel(script)}
    with Runtime("analysis.db", agents=[agent], endpoints=endpoints) as runtime:
        run = runtime.start(agent, GOAL)
        review(run)
        for record in run.events():
            if record.event.kind in ("step_started", "step_finished", "step_failed"):
                print(f"{record.event.kind.partition('_')[2]:9} {record.event.step}")  # type: ignore[attr-defined]
        result = run.wait()
        print(f"\n{result.answer}\n\nplayhead plan show {run.id} --log analysis.db")


if __name__ == "__main__":
    main()
