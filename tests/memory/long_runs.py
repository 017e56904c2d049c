"""Long runs of a scripted agent: a counter that takes its step from the last tool result alone."""

import json
from typing import Any

from playhead import Agent, Limits, MemoryRules, tool
from playhead.events.record import Record
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState
from playhead.testing import ScriptedModel, call
from playhead.testing.scripted_model import BYTES_PER_TOKEN, Scripted

GOAL = "Count the pages, one after the other, and say how many there are."


@tool(effect="read")
def turn_page(page: int, size: int = 0) -> str:
    """Turn a page and read it.

    Args:
        page: which one.
        size: how much stands on it.
    """
    return json.dumps({"page": page + 1, "text": f"page {page + 1} " * (8 + size)})


def reader(steps: int, big: int = 0) -> ScriptedModel:
    """Turns so many pages; each big-th page is a long one. It summarises when it is asked to."""

    def reply(body: dict[str, Any]) -> Scripted:
        if "tools" not in body:
            return "The agent has turned pages, and found nothing else."
        page = last_page(body)
        if page >= steps:
            return f"There are {steps} pages."
        size = 3000 if big and page % big == 0 else 0
        return [f"I turn page {page}.", call("turn_page", page=page, size=size)]

    return ScriptedModel(reply)


def last_page(body: dict[str, Any]) -> int:
    for message in reversed(body["messages"]):
        for block in message["content"]:
            if block["type"] == "tool_result" and not block.get("is_error"):
                return int(json.loads(block["content"])["page"])
    return 0


def bookworm(steps: int, rules: MemoryRules, big: int = 0) -> Agent[str]:
    return Agent(
        name="bookworm", model=reader(steps, big), tools=[turn_page], memory=rules,
        limits=Limits(max_steps=steps + 1),
    )  # fmt: skip


def sent_tokens(model: ScriptedModel) -> list[int]:
    """What each request of the step weighs, as the scripted model counts."""
    bodies = [r for r in model.requests if b'"tools":' in r.head]
    return [len(r.content) // BYTES_PER_TOKEN for r in bodies]


def folded(records: list[Record]) -> RunState:
    state = RunState(records[0].run)
    for record in records:
        fold(state, record)
    return state
