"""The answer of a deferred call, given on the page."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from playhead import Agent, CallDeferred, Run, Runtime, tool
from playhead.events.kinds.waits import AnswerAwaited
from playhead.events.log.memory import MemoryLog
from playhead.inspector.control import InProcess
from playhead.inspector.log_data import Library
from playhead.inspector.pages import Pages
from playhead.testing import ScriptedModel, call


@tool
def ask_supplier(part: str) -> float:
    """Ask.

    Args:
        part: what.
    """
    raise CallDeferred("<b>ticket</b>", expires=3600)


def said(body: dict[str, Any]) -> Any:
    if len(body["messages"]) == 1:
        return call("ask_supplier", part="p")
    return str(body["messages"][-1]["content"][0]["content"])


def waiting(runtime: Runtime) -> tuple[Run[str], int]:
    agent = Agent(name="buyer", model=ScriptedModel(said), tools=[ask_supplier])
    run = runtime.start(agent, "price")
    event = next(r.event for r in run.events() if isinstance(r.event, AnswerAwaited))
    return run, event.call


@pytest.mark.parametrize(
    ("verdict", "answer", "ends"),
    [("complete", "12.5", "12.5"), ("fail", "out of stock", "out of stock")],
)
def test_a_deferred_call_is_answered_on_the_page(verdict: str, answer: str, ends: str) -> None:
    log = MemoryLog()
    with (
        Runtime(log) as runtime,
        TestClient(Pages(Library(log), InProcess(runtime.runs, runtime.fork)).app()) as page,
    ):
        run, asked = waiting(runtime)
        shown = page.get("/waiting").text
        assert "ask_supplier" in shown
        assert "&lt;b&gt;ticket" in shown
        path = f"/runs/{run.id}/answers/{asked}"
        wrong = page.post(path, data={"verdict": "complete", "answer": "dear"})
        assert wrong.status_code == 409
        assert "wrong type" in wrong.text
        given = page.post(path, data={"verdict": verdict, "answer": answer}, follow_redirects=False)
        assert given.status_code == 303
        assert run.wait(20).answer == ends


def test_a_page_that_only_reads_gives_no_answers() -> None:
    log = MemoryLog()
    with Runtime(log) as runtime, TestClient(Pages(Library(log)).app()) as page:
        run, asked = waiting(runtime)
        assert f"playhead complete {run.id} {asked}" in page.get("/waiting").text
        path = f"/runs/{run.id}/answers/{asked}"
        assert page.post(path, data={"verdict": "complete", "answer": "1"}).status_code == 403
        run.complete(asked, 1.0)
        run.wait(20)
