"""Answers of deferred calls through a real runtime: from the program, a shell, another process."""

# The engine inside a Runtime is looked at here.
# pyright: reportPrivateUsage=false

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from playhead import (
    Agent,
    AnswerRefused,
    CallDeferred,
    Limits,
    Run,
    Runtime,
    ToolContext,
    UnknownRun,
    tool,
)
from playhead.events.kinds.tool_calls import CallAnswered, ToolDeferred
from playhead.events.kinds.waits import AnswerAwaited
from playhead.events.log.inbox import Inbox
from playhead.service.decider import this_process
from playhead.testing import ScriptedModel, call
from playhead.toolkit import wait


@tool(effect="once")
def approve_loan(amount: int, context: ToolContext) -> bool:
    """Ask the bank.

    Args:
        amount: dollars.
        context: the call.
    """
    raise CallDeferred(f"case {context.key}", expires=3600)


def banker(*replies: Any, **more: Any) -> Agent[str]:
    return Agent(name="banker", model=ScriptedModel(replies), tools=[approve_loan, wait], **more)


TWO = [call("approve_loan", amount=1), call("approve_loan", amount=2)]


def waiting_calls(run: Run[str], number: int) -> list[int]:
    """The calls that wait for an answer, once there are so many."""
    waits = (r.event for r in run.events() if isinstance(r.event, AnswerAwaited))
    return [wait.call for wait in islice(waits, number)]


def test_the_list_of_waits_says_what_for_and_from_where_an_answer_comes(
    tmp_path: Path,
) -> None:
    with Runtime(tmp_path / "a.db") as runtime:
        run = runtime.start(banker(TWO, "done"), "a loan")
        first, second = waiting_calls(run, 2)
        found = runtime.runs.waits(run.id)[0]
        assert (found.tool, found.arguments) == ("approve_loan", {"amount": 1})
        assert found.wait.message == f"case {run.id}:{first}"
        assert found.wait.until == found.wait.since + 3600_000_000
        assert runtime.runs.approvals() == []
        runtime.complete(run.id, first, True)
        runtime.fail(run.id, second, "no collateral")
        assert run.wait(20).answer == "done"


def test_each_answer_that_does_not_apply_is_refused_by_name(tmp_path: Path) -> None:
    with Runtime(tmp_path / "a.db") as runtime:
        run = runtime.start(banker(TWO, "done"), "a loan")
        first, second = waiting_calls(run, 2)

        def refused(call: int, result: Any = True) -> str:
            with pytest.raises(AnswerRefused) as info:
                runtime.complete(run.id, call, result)
            assert info.value.call == call
            return info.value.reason

        assert refused(first, "yes") == "wrong_type"
        assert refused(99) == "not_waiting"
        run.complete(first, True)
        assert refused(first) == "answered"
        run.complete(second, False)
        run.wait(20)
        assert refused(second) == "answered"
        assert refused(99) == "not_waiting"
        with pytest.raises(UnknownRun):
            runtime.complete("no-such-run", 1)


def test_an_answer_after_the_deadline_is_refused_as_expired(tmp_path: Path) -> None:
    @tool
    def ask_now(question: str) -> str:
        """Ask.

        Args:
            question: what.
        """
        raise CallDeferred(expires=0.05)

    model = ScriptedModel([call("ask_now", question="?"), "nobody said"])
    with Runtime(tmp_path / "a.db") as runtime:
        run = runtime.start(Agent(name="asker", model=model, tools=[ask_now]), "ask")
        assert run.wait(20).answer == "nobody said"
        asked = next(r.seq for r in run.events() if r.event.kind == "tool_requested")
        with pytest.raises(AnswerRefused) as info:
            run.complete(asked, "late")
        assert info.value.reason == "expired"


def test_an_answer_from_another_process_arrives_through_the_inbox(tmp_path: Path) -> None:
    with Runtime(tmp_path / "a.db") as runtime:
        run = runtime.start(banker(TWO[:1], "done"), "a loan")
        (first,) = waiting_calls(run, 1)
        inbox = Inbox(tmp_path / "a.db")
        wrong = inbox.put(run.id, CallAnswered(call=first, result=5, by=this_process()))
        inbox.put(run.id, CallAnswered(call=first, result=True, by=this_process()))
        assert run.wait(20).answer == "done"
        refused = inbox.find(wrong.id)
        assert refused is not None
        assert "wrong type" in (refused.answer or "")
        inbox.close()


def test_a_waiting_run_is_answered_after_the_log_was_opened_again(tmp_path: Path) -> None:
    agent = banker(TWO[:1], "done", limits=Limits(max_seconds=3600))
    with Runtime(tmp_path / "a.db") as runtime:
        started = runtime.start(agent, "a loan")
        (first,), run = waiting_calls(started, 1), started.id
    with Runtime(tmp_path / "a.db", [agent]) as runtime:
        assert runtime._engine.loaded == 0  # it rests: nothing of it is in memory
        runtime.complete(run, first, True)
        assert runtime.attach(run, agent).wait(20).answer == "done"


def test_the_tool_wait_waits_as_state_and_goes_on_by_itself(tmp_path: Path) -> None:
    with Runtime(tmp_path / "a.db") as runtime:
        run = runtime.start(banker(call("wait", seconds=0.2), "waited"), "wait a moment")
        assert run.wait(20).answer == "waited"
        (awaited,) = [r for r in run.events() if isinstance(r.event, AnswerAwaited)]
        assert getattr(awaited.event, "about", "") == "time"
        said = [r.event.if_expired for r in run.events() if isinstance(r.event, ToolDeferred)]
        assert "the time has come" in str(said)


def test_the_tool_wait_is_bounded_by_the_runs_limits(tmp_path: Path) -> None:
    agent = banker(call("wait", seconds=3600), "too long", limits=Limits(max_seconds=60))
    with Runtime(tmp_path / "a.db") as runtime:
        run = runtime.start(agent, "wait for an hour")
        assert run.wait(20).answer == "too long"
        failed = [r.event for r in run.events() if r.event.kind == "tool_failed"]
        assert "this run may last for another" in failed[0].message  # type: ignore[attr-defined]
