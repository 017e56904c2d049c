"""A support agent that goes wrong for a reason worth finding: docs/replay.md tells the story.

The model is scripted so that the story is the same on every machine: like a real one, it knows of a
tool only what its description says.
"""

import json
from typing import Any

from playhead import Agent, ToolError, tool
from playhead.testing import ScriptedModel, call

ORDERS = {"1043": {"customer": "Ada", "total": 59.9}}


@tool(effect="read")
def find_order(key: str) -> dict[str, Any]:
    """Find stuff.

    Args:
        key: what to look for.
    """
    if key not in ORDERS:
        problem = f"there is no order {key!r}"
        raise ToolError(problem)
    return {"order": key, **ORDERS[key]}


@tool(effect="once")
def refund(order: str, amount: float) -> str:
    """Refund an order, and return the receipt. Look the order up before.

    Args:
        order: the order's number.
        amount: what to pay back, in euros.
    """
    return f"refunded {amount} for order {order}"


def speak(body: dict[str, Any]) -> Any:
    """What the model says: it reads the tools' descriptions, and the results so far."""
    blocks = [b for message in body["messages"] for b in message["content"]]
    results = [b for b in blocks if b["type"] == "tool_result"]
    if not results:
        knows_the_key = "order's number" in json.dumps(body["tools"][0])
        why = "It wants the number." if knows_the_key else "I look for the customer."
        return [why, call("find_order", key="1043" if knows_the_key else "Ada")]
    said = str(results[-1]["content"])
    if "no order" in said:
        return "I found no order of Ada's, so I could not refund anything."
    if "refunded" in said:
        return f"Done: {said}."
    found = json.loads(said)
    return call("refund", order=found["order"], amount=found["total"])


support = Agent(
    name="support",
    instructions="You help customers with their orders.",
    model=ScriptedModel(speak),
    tools=[find_order, refund],
)
