"""A log as people have it: sessions, a failure, a plan, a fork, and runs that wait.

The browser tests look at it, and `make screenshots` draws it for the docs.
"""

import asyncio
import json
from contextlib import suppress
from typing import Any, NamedTuple

from playhead import Agent, Limits, PlanRules, Price, Runtime, ToolError, tool
from playhead.events.errors import RunNotFinished
from playhead.forking import Instead
from playhead.testing import ScriptedModel, call

ORDERS = {"1043": {"customer": "Ada", "total": 59.9, "paid": "2026-11-12"}}


PRICES = {"claude-haiku-4-5-20251001": Price(input=1, output=5)}


class Priced(ScriptedModel):
    """A scripted model under the name of one whose price is known."""

    name = "claude-haiku-4-5-20251001"


@tool(effect="read")
async def find_order(number: str) -> dict[str, Any]:
    """Find an order by its number.

    Args:
        number: of the order.
    """
    await asyncio.sleep(0.08)
    if number not in ORDERS:
        problem = f"there is no order {number!r}: the shop's numbers have four digits"
        raise ToolError(problem)
    return {"order": number, **ORDERS[number]}


@tool(effect="once", approval=True)
async def refund(order: str, amount: float) -> str:
    """Refund an order, and return the receipt.

    Args:
        order: the order's number.
        amount: what to pay back, in euros.
    """
    return f"refunded {amount} EUR for order {order}"


@tool(effect="read")
async def read_report(supplier: str) -> str:
    """Read a supplier's report of the quarter.

    Args:
        supplier: whose.
    """
    await asyncio.sleep(0.05 + 0.03 * len(supplier))
    return f"{supplier} delivered on time in 97 % of all cases, and raised its prices by 3 %."


@tool(effect="read")
async def list_suppliers() -> list[str]:
    """List the suppliers."""
    await asyncio.sleep(0.1)
    return ["Northwind", "Contoso", "Fabrikam"]


STEPS: list[dict[str, Any]] = [
    {"id": "suppliers", "description": "list the suppliers", "tool": "list_suppliers",
     "arguments": {}},
    {"id": "reports", "description": "read the report of ${item}", "tool": "read_report",
     "arguments": {"supplier": "${item}"}, "for_each": "${suppliers}"},
    {"id": "summary", "description": "say which supplier to keep", "tool": "synthesize",
     "arguments": {"reports": "${reports}"}, "depends_on": ["reports"]},
]  # fmt: skip


def _plans(body: dict[str, Any]) -> Any:
    asks = "You split a goal" in json.dumps(body.get("system", ""))
    return json.dumps({"steps": STEPS}) if asks else "Keep Northwind: it is on time and cheap."


def desk(*script: Any, model: type[ScriptedModel] = Priced) -> Agent[str]:
    """The agent of the support desk."""
    return Agent(
        name="support-desk", model=model(list(script)), tools=[find_order, refund],
        instructions="You help customers with their orders. Look an order up before you answer.",
        limits=Limits(max_steps=8), prices=PRICES,
    )  # fmt: skip


class Scenes(NamedTuple):
    """The ids of the runs."""

    answered: str
    failed: str
    planned: str
    forked: str
    unpriced: str
    waiting: str


def play(log: Any) -> Scenes:
    """Play the scenes into a log, and leave one run open that nobody has."""
    asks = [
        "I look the order up first, so that I can say when it was paid.",
        call("find_order", number="1043"),
    ]
    with Runtime(log) as runtime:
        plan = Agent(
            name="procurement", model=Priced(_plans), tools=[list_suppliers, read_report],
            plan=PlanRules(), strategy="plan", prices=PRICES,
        )  # fmt: skip
        planned = runtime.run(plan, "Which supplier should we keep next year?").run_id
        answered = runtime.start(
            desk(asks, "Order 1043 of Ada was paid on 12 November 2026."),
            "When was order 1043 paid? My accountant asks for the date, and for what was paid.",
            session="ada@example.com", metadata={"channel": "mail"},
        )  # fmt: skip
        answered.wait()
        runtime.run(
            desk("You paid 59.90 EUR."), "And how much was it?",
            session="ada@example.com", metadata={"channel": "mail"},
        )  # fmt: skip
        unpriced = runtime.run(
            desk("Hello, Grace.", model=ScriptedModel), "Say hello to Grace.",
            metadata={"channel": "chat"},
        ).run_id  # fmt: skip
        wrong = [call("find_order", number="ORDER-99817 of last year")]
        broken = runtime.start(desk(*(wrong * 9)), "Refund order 99817 of last year.")
        with suppress(RunNotFinished):
            broken.wait()
        again = desk("The order was paid on 1 December 2026.")
        runtime.register(again)
        seq = next(r.seq for r in answered.events() if r.event.kind == "tool_requested")
        late: dict[str, Any] = {"order": "1043", "paid": "2026-12-01"}
        fork = runtime.fork(answered.id, None, Instead(agent=again, results={seq: late}))
        fork.wait()
        waits = desk(
            ["The customer is right: I refund it.", call("refund", order="1043", amount=59.9)]
        )
        waiting = runtime.start(
            waits, "Refund order 1043: it arrived broken.", session="ada@example.com"
        )
        next(r for r in waiting.events() if r.event.kind == "approval_requested")
        return Scenes(answered.id, broken.id, planned, fork.id, unpriced, waiting.id)
