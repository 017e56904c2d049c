"""The stream for a page: typed values of text, tools, approvals, steps, output and the end."""

import asyncio
import json
import threading
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from pydantic import BaseModel

from playhead import Agent, Guardrail, PlayheadError, Retry, Runtime, Update, to_sse, tool
from playhead.events.errors import ModelError
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel, call
from tests.support.agents import add, fail


@tool(approval=True)
def pay(euros: int) -> str:
    """Pay an amount to the customer.

    Args:
        euros: how much.
    """
    return f"{euros} paid"


def shown(*replies: Any, **more: Any) -> list[Update]:
    """All updates of a run, listened to from before the model's first reply."""
    go, left = threading.Event(), list(replies)

    async def reply(_: Any) -> Any:
        await asyncio.to_thread(go.wait, 30)
        return left.pop(0)

    quick = Retry(base=0.0, cap=0.0)
    made: Agent[Any] = Agent(name="a", model=ScriptedModel(reply), retry=quick, **more)
    found: list[Update] = []
    with Runtime(MemoryLog()) as runtime:
        run = runtime.start(made, "Go.")
        for update in run.updates():
            go.set()
            found.append(update)
            if update.type == "approval" and getattr(update, "state", "") == "waiting":
                run.approve(run.approvals()[0].call)
        with suppress(PlayheadError):
            run.wait(10)
    return found


def told(updates: list[Update]) -> list[tuple[str, ...]]:
    """Type, and state or text, of each."""
    names = ("state", "text", "status")
    return [
        (u.type, str(next((getattr(u, n) for n in names if getattr(u, n, None)), "")))
        for u in updates
    ]


def test_a_page_is_told_of_text_steps_tools_approvals_and_the_end_in_order() -> None:
    updates = shown(["I pay. ", call("pay", euros=5)], "Done.", tools=[pay])
    assert told(updates) == [
        ("run", "started"), ("step", "started"), ("text", "I pay. "), ("tool", "requested"),
        ("approval", "waiting"), ("approval", "approved"), ("tool", "started"),
        ("tool", "finished"), ("text", "Done."), ("step", "finished"), ("end", "finished"),
    ]  # fmt: skip
    finished: Any = next(u for u in updates if told([u]) == [("tool", "finished")])
    assert (finished.tool, finished.text) == ("pay", "5 paid")
    recorded = [u.seq for u in updates if u.RECORDED]
    assert all(a < b for a, b in pairwise(recorded))


def test_failures_and_refusals_of_tools_say_why() -> None:
    calls = [call("fail", why="no luck"), call("add", a="x"), call("nothing")]
    updates: list[Any] = list(shown(calls, "Well.", tools=[add, fail]))
    ends = {u.tool: (u.state, u.text) for u in updates if u.type == "tool" and u.text}
    assert ends["fail"] == ("failed", "RuntimeError: no luck")
    assert ends["add"][0] == ends["nothing"][0] == "refused"


def test_text_of_a_failed_attempt_is_discarded() -> None:
    broken = ["Half an ans", ModelError("overloaded", "later", status=529, retryable=True)]
    updates = shown(broken, "Whole.")
    kinds = [u.type for u in updates if not u.RECORDED]
    assert kinds == ["text", "text_discarded", "text"]


class Order(BaseModel):
    number: int
    items: list[str]


def test_partial_output_is_given_as_soon_as_it_fits_and_never_when_it_does_not() -> None:
    pieces = ['{"number": 1', '043, "items": ["ch', 'air", "tab', 'le"]}']
    updates: list[Any] = list(shown(pieces, output=Order))
    outputs = [u.output for u in updates if u.type == "output"]
    assert outputs[-1] == {"number": 1043, "items": ["chair", "table"]}
    assert {"number": 1043, "items": ["chair", "tab"]} in outputs
    assert updates[-1].output == outputs[-1]
    said = ['{"number": "many"', ', "items": []}'], '{"number": 1, "items": []}'
    wrong: list[Any] = list(shown(*said, output=Order))
    assert all(u.output["number"] == 1 for u in wrong if u.type == "output")


def test_results_that_a_guardrail_judges_are_not_shown() -> None:
    rule = Guardrail(name="g", on="result", words=["17"], verdict="replace", text="hidden")
    updates = shown(call("add", a=8, b=9), "Done.", tools=[add], guardrails=[rule])
    assert "17" not in "".join(map(to_sse, updates))
    assert ("tool", "finished") in told(updates)


def test_a_listener_that_comes_back_reads_on_after_the_last_record_it_has() -> None:
    log = MemoryLog()
    made: Agent[Any] = Agent(
        name="a", model=ScriptedModel([call("add", a=1, b=2), "3."]), tools=[add]
    )
    with Runtime(log) as runtime:
        run = runtime.start(made, "Go.")
        run.wait(10)
        everything = list(run.updates())
        for cut in range(len(everything)):
            last = everything[cut].seq
            assert list(run.updates(after=last)) == everything[cut + 1 :]


def test_async_listeners_get_the_same() -> None:
    async def listen(run: Any) -> list[Update]:
        return [update async for update in run.updates()]

    with Runtime(MemoryLog()) as runtime:
        run = runtime.start(Agent(name="a", model=ScriptedModel(["Hi."])), "Go.")
        run.wait(10)
        assert asyncio.run(listen(run)) == list(run.updates())


@pytest.mark.parametrize("text", ["one\nline\r\nmore", "data: x\n\nevent: end", "\u2028", ""])
def test_no_text_can_break_out_of_its_server_sent_event(text: str) -> None:
    for update in shown(text or "x", "y"):
        event = to_sse(update)
        assert event.endswith("\n\n")
        lines = event[:-2].split("\n")
        data = [line for line in lines if line.startswith("data: ")]
        assert len(data) == 1
        assert len(lines) == 2 + update.RECORDED
        assert json.loads(data[0][6:])["type"] == update.type


def test_a_run_that_fails_ends_with_the_reason() -> None:
    rule = Guardrail(name="g", on="input", words=["go"], text="not that")
    end: Any = shown("Never.", guardrails=[rule])[-1]
    assert (end.type, end.status, end.reason, end.message) == (
        "end", "failed", "guardrail", "not that",
    )  # fmt: skip
