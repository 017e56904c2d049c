"""The answers of a deferred call and to what a tool asks, given on the page."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from playhead import Agent, CallDeferred, Run, Runtime, ToolContext, tool
from playhead.events.kinds.waits import AnswerAwaited
from playhead.events.log.memory import MemoryLog
from playhead.inspector.control import InProcess
from playhead.inspector.log_data import Library
from playhead.inspector.pages import Pages
from playhead.testing import ScriptedModel, call
from playhead.tools.context import InputRequired


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


QUESTION: dict[str, Any] = {
    "message": "<b>Who</b> is there?",
    "requestedSchema": {
        "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"],
    },
}  # fmt: skip


@tool(effect="once")
def greet(context: ToolContext) -> str:
    """Greet."""
    if context.input is None:
        raise InputRequired({"who": QUESTION}, None)
    return str(context.input.responses["who"])


def asking(runtime: Runtime) -> tuple[Run[str], str]:
    def reply(body: dict[str, Any]) -> Any:
        if len(body["messages"]) == 1:
            return call("greet")
        return str(body["messages"][-1]["content"][0]["content"])

    run = runtime.start(Agent(name="host", model=ScriptedModel(reply), tools=[greet]), "greet")
    next(r for r in run.events() if r.event.kind == "approval_requested")
    [waiting] = run.approvals()
    return run, f"/runs/{run.id}/approvals/{waiting.call}"


@pytest.mark.parametrize(
    ("verdict", "ends"), [("approve", "'content': {'name': 'Ada'}"), ("deny", "decline")]
)
def test_what_a_tool_asks_is_answered_on_the_page(verdict: str, ends: str) -> None:
    log = MemoryLog()
    with (
        Runtime(log) as runtime,
        TestClient(Pages(Library(log), InProcess(runtime.runs, runtime.fork)).app()) as page,
    ):
        run, path = asking(runtime)
        shown = page.get("/waiting").text
        assert "&lt;b&gt;Who&lt;/b&gt; is there?" in shown
        assert path in shown
        binding = run.approvals()[0].binding
        for wrong in ('{"nam": "Ada"}', "Ada"):
            form = {"verdict": "approve", "binding": binding, "answer": wrong}
            assert page.post(path, data=form).status_code == 409
        form = {"verdict": verdict, "binding": binding, "answer": '{"name": "Ada"}'}
        assert page.post(path, data=form, follow_redirects=False).status_code == 303
        assert ends in str(run.wait(20).answer)


def test_a_page_that_only_reads_gives_no_answers() -> None:
    log = MemoryLog()
    with Runtime(log) as runtime, TestClient(Pages(Library(log)).app()) as page:
        run, asked = waiting(runtime)
        assert f"playhead complete {run.id} {asked}" in page.get("/waiting").text
        path = f"/runs/{run.id}/answers/{asked}"
        assert page.post(path, data={"verdict": "complete", "answer": "1"}).status_code == 403
        run.complete(asked, 1.0)
        run.wait(20)
