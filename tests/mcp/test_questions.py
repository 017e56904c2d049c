"""What a server asks in the middle of a call waits for a person, and the answer reaches it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playhead import Agent, Run, Runtime, UsageError
from playhead.cli.app import main
from playhead.cli.shared.exit_codes import OPEN
from playhead.events.kinds.tool_calls import ToolFailed, ToolInputRequired, ToolSucceeded
from playhead.projections.state.calls.approvals import OpenApproval
from playhead.testing import ScriptedModel
from playhead.testing import call as requested
from playhead.testing.scripted_model import Scripted
from playhead.tools.mcp.server import McpServer
from tests.mcp.served import Served, served
from tests.mcp.test_http_server import BOTH
from tests.support.waiting import until

AGENT = "greeter"


@pytest.fixture
def there(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(tmp_path / "served", *getattr(request, "param", [])) as made:
        yield made


def greeter(given: McpServer) -> Agent[str]:
    def reply(body: dict[str, Any]) -> Scripted:
        return requested("greet") if len(body["messages"]) == 1 else "ok"

    return Agent(name=AGENT, model=ScriptedModel(reply), tools=[given])


def asked(run: Run[Any]) -> OpenApproval:
    next(r for r in run.events() if r.event.kind == "approval_requested")
    [waiting] = run.approvals()
    return waiting


def last_outcome(run: Run[Any]) -> object:
    kinds = ToolSucceeded | ToolFailed
    return [r.event for r in run.events() if isinstance(r.event, kinds)][-1]


@BOTH
def test_a_question_waits_and_its_answer_reaches_the_server(there: Served, tmp_path: Path) -> None:
    with Runtime(tmp_path / "log.db") as runtime:
        run = runtime.start(greeter(there.server()), "go")
        waiting = asked(run)
        assert waiting.about == "input"
        assert waiting.tool == "greet"
        assert "Who is there?" in str(waiting.questions)
        with pytest.raises(UsageError, match="name"):
            run.approve(waiting.call, {"nam": "Ada"})
        run.approve(waiting.call, {"name": "Ada"})
        assert run.wait().answer == "ok"
        assert "hello Ada" in str(last_outcome(run))
        assert runtime.replay(run.id).matches
        kinds = [r.event.kind for r in run.events()]
        assert kinds.count("tool_started") == 2
        assert kinds.count("tool_input_required") == 1


@BOTH
def test_a_denial_is_told_to_the_server_as_one(there: Served, tmp_path: Path) -> None:
    with Runtime(tmp_path / "log.db") as runtime:
        run = runtime.start(greeter(there.server()), "go")
        run.deny(asked(run).call)
        run.wait()
        assert "decline" in str(last_outcome(run))


def test_a_question_of_2026_outlives_the_process_and_is_answered_from_a_terminal(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.db"
    with Runtime(log) as runtime:
        run = runtime.start(greeter(there.server()), "go")
        call = asked(run).call
    assert main(["approvals", "--log", str(log)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Who is there?" in said
    assert (
        main(["approve", run.id, str(call), '--arguments={"name": "Bob"}', f"--log={log}"]) == OPEN
    )
    with Runtime(log, [greeter(there.server())]) as runtime:
        again = runtime.attach(run.id)
        again.wait()
        assert "hello Bob" in str(last_outcome(again))


@pytest.mark.parametrize("there", [["2025"]], ids=["2025"], indirect=True)
def test_a_question_of_2025_fails_in_words_when_its_session_is_over(
    there: Served, tmp_path: Path
) -> None:
    log = tmp_path / "log.db"
    with Runtime(log) as runtime:
        run = runtime.start(greeter(there.server()), "go")
        asked(run)
    with Runtime(log, [greeter(there.server())]) as runtime:
        again = runtime.attach(run.id)
        again.wait()
        failed = last_outcome(again)
    assert isinstance(failed, ToolFailed)
    assert "session ended before its question was answered" in failed.message


@pytest.mark.parametrize("there", [["2025"]], ids=["2025"], indirect=True)
def test_a_question_of_2025_waits_no_longer_than_its_server_lives(
    there: Served, tmp_path: Path
) -> None:
    with Runtime(tmp_path / "log.db") as runtime:
        run = runtime.start(greeter(there.server()), "go")
        asked(run)
        there.kill()
        there.start()
        run.wait()
        assert "session ended before its question was answered" in str(last_outcome(run))


@BOTH
def test_a_run_that_is_cancelled_while_a_question_waits_ends(there: Served, tmp_path: Path) -> None:
    with Runtime(tmp_path / "log.db") as runtime:
        run = runtime.start(greeter(there.server()), "go")
        asked(run)
        run.cancel()
        until(lambda: run.status != "running")
        assert run.status == "cancelled"
        assert [r for r in run.events() if isinstance(r.event, ToolInputRequired)]


def test_a_fork_in_the_wait_asks_again_and_goes_its_own_way(there: Served, tmp_path: Path) -> None:
    with Runtime(tmp_path / "log.db") as runtime:
        run = runtime.start(greeter(there.server()), "go")
        call = asked(run).call
        fork = runtime.fork(run.id)
        [again] = fork.approvals()
        assert again.questions is not None
        fork.approve(call, {"name": "Fork"})
        fork.wait()
        run.approve(call, {"name": "Ada"})
        run.wait()
        assert "hello Fork" in str(last_outcome(fork))
        assert "hello Ada" in str(last_outcome(run))
