"""Inside somebody else's program: nothing global is touched, and it works from async code."""

# A notebook calls the methods that it looks for.
# pyright: reportPrivateUsage=false

import logging
import signal
import threading
from pathlib import Path

import pytest
import structlog
from fastapi.testclient import TestClient
from opentelemetry import trace

from docs.examples.fastapi_app import make_app
from playhead import Agent, CallDeferred, Runtime, tool
from playhead.events.errors import LogError, UsageError
from playhead.events.kinds.waits import AnswerAwaited
from playhead.testing import ScriptedModel, call
from tests.support.agents import add, broken, runtime


def test_a_webhook_of_the_fastapi_application_answers_a_deferred_call(tmp_path: Path) -> None:
    @tool
    def ask_supplier(part: str) -> float:
        """Ask.

        Args:
            part: what.
        """
        raise CallDeferred

    model = ScriptedModel([call("ask_supplier", part="p"), "12.50."])
    agent = Agent(name="shop", model=model, tools=[ask_supplier])
    app = make_app(agent, str(tmp_path / "shop.db"))
    with TestClient(app) as client:
        run = app.state.runtime.start(agent, "What does it cost?")
        asked = next(r.event for r in run.events() if isinstance(r.event, AnswerAwaited))
        path = f"/runs/{run.id}/calls/{asked.call}/answer"
        assert client.post(path, json={"result": "dear"}).status_code == 422
        assert client.post(f"/runs/{run.id}/calls/99/answer", json={}).status_code == 404
        assert client.post("/runs/nobody/calls/1/answer", json={}).status_code == 404
        assert client.post(path, json={"result": 12.5}).status_code == 202
        assert run.wait(20).answer == "12.50."
        again = client.post(path, json={"result": 12.5})
        assert (again.status_code, again.json()["reason"]) == (200, "answered")


def test_a_runtime_touches_no_signal_handler_no_logging_and_no_global_tracer() -> None:
    handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    loggers, provider = list(logging.getLogger().handlers), trace.get_tracer_provider()
    configured = structlog.get_config()
    with runtime() as (made, _):
        made.run(Agent(name="a", model=ScriptedModel(["x"]), tools=[add]), "go")
    assert handlers == {s: signal.getsignal(s) for s in handlers}
    assert list(logging.getLogger().handlers) == loggers
    assert trace.get_tracer_provider() is provider
    assert structlog.get_config() == configured


def test_after_close_no_thread_of_ours_is_left() -> None:
    with runtime() as (made, _):
        made.run(
            Agent(name="a", model=ScriptedModel([call("add", a=1, b=1), "x"]), tools=[add]), "go"
        )
    ours = [t for t in threading.enumerate() if t.name.startswith("playhead")]
    for thread in ours:
        thread.join(10)
    assert not any(thread.is_alive() for thread in ours)


def test_a_result_and_a_run_show_themselves_in_a_notebook() -> None:
    with runtime() as (made, _):
        run = made.start(Agent(name="a", model=ScriptedModel(["<b>x</b>"])), "go")
        result = run.wait()
        assert "&lt;b&gt;x&lt;/b&gt;" in result._repr_html_()
        assert run.id in run._repr_html_()


def test_a_program_without_structlog_finds_nothing_of_ours_on_its_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with runtime() as (made, _):
        made.watch(broken)
        made.run(Agent(name="a", model=ScriptedModel(["x"])), "go")
    assert capsys.readouterr().out == ""


def test_a_runtime_that_cannot_be_made_leaves_no_lock_and_no_thread_behind(tmp_path: Path) -> None:
    log, inbox = tmp_path / "a.db", tmp_path / "a.db.inbox"
    before = threading.active_count()
    with pytest.raises(UsageError, match="unknown embedder"):
        Runtime(log, embedder="what is none")
    inbox.write_bytes(b"no database at all" * 100)
    with pytest.raises(LogError, match=r"a\.db\.inbox: .* move that file away"):
        Runtime(log)
    assert threading.active_count() == before
    inbox.unlink()
    with Runtime(log):
        pass
