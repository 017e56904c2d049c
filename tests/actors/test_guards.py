"""Approvals, loops, limits, stops: nothing starts unasked, nothing goes on for ever."""

# The engine inside a Runtime is looked at here, and nowhere else.
# pyright: reportPrivateUsage=false

import asyncio
import threading
from typing import Any

import pytest

from playhead import Agent, Limits, RunNotFinished, Runtime, UsageError, tool
from playhead.events.kinds.approvals import ApprovalDecided, LoopDetected
from playhead.events.kinds.model_calls import ModelAnswered
from playhead.events.kinds.runs import RunResumed
from playhead.events.kinds.tool_calls import ToolFailed, ToolRefused, ToolStarted
from playhead.events.record import Record
from playhead.events.spec.agent import LoopRules, Threshold
from playhead.run import Run
from playhead.testing import ScriptedModel, call
from tests.support.agents import add, fail, kinds, records, runtime

paid: list[int] = []


@tool(approval=True)
def pay(amount: int) -> str:
    """Pay money.

    Args:
        amount: in euro.
    """
    return f"paid {amount}"


def until(run: Run[str], kind: str) -> Record:
    """Wait for the first record of that kind."""
    return next(record for record in run.events() if record.event.kind == kind)


def test_a_call_that_needs_approval_starts_only_when_it_is_approved() -> None:
    agent = Agent(name="payer", model=ScriptedModel([call("pay", amount=5), "ok"]), tools=[pay])
    with runtime(agent) as (made, log):
        run = made.start(agent, "pay 5")
        until(run, "approval_requested")
        assert "tool_started" not in kinds(log, run.id)
        [waiting] = run.approvals()
        assert (waiting.tool, waiting.arguments) == ("pay", {"amount": 5})
        run.approve(waiting.call)
        assert run.wait().answer == "ok"
        assert made.replay(run.id).matches


def test_a_denied_call_never_starts_and_the_model_reads_why() -> None:
    model = ScriptedModel([call("pay", amount=5), "I did not pay."])
    agent = Agent(name="payer", model=model, tools=[pay])
    with runtime(agent) as (made, log):
        run = made.start(agent, "pay 5")
        run.deny(until(run, "approval_requested").event.call, "too much")  # type: ignore[attr-defined]
        run.wait()
        assert "tool_started" not in kinds(log, run.id)
    assert "too much" in model.requests[1].body["messages"][-1]["content"][0]["content"]


def test_an_edited_call_runs_with_the_edited_arguments_and_the_model_is_told() -> None:
    model = ScriptedModel([call("pay", amount=500), "ok"])
    agent = Agent(name="payer", model=model, tools=[pay])
    with runtime(agent) as (made, _):
        run = made.start(agent, "pay")
        asked = until(run, "approval_requested")
        run.approve(asked.event.call, {"amount": 5})  # type: ignore[attr-defined]
        run.wait()
        assert made.replay(run.id).matches
    content = model.requests[1].body["messages"][-1]["content"]
    assert content[0]["content"] == "paid 5"
    assert '{"amount":5}' in content[1]["text"]


def test_edited_arguments_that_do_not_fit_are_refused_before_anything_runs() -> None:
    agent = Agent(name="payer", model=ScriptedModel([call("pay", amount=5), "ok"]), tools=[pay])
    with runtime(agent) as (made, log):
        run = made.start(agent, "pay")
        asked = until(run, "approval_requested")
        run.approve(asked.event.call, {"amount": "all of it"})  # type: ignore[attr-defined]
        run.wait()
        assert "tool_started" not in kinds(log, run.id)


def test_several_open_approvals_are_answered_one_by_one_in_any_order() -> None:
    replies: list[Any] = [[call("pay", amount=n) for n in (1, 2, 3)], "ok"]
    agent = Agent(name="payer", model=ScriptedModel(replies), tools=[pay])
    with runtime(agent) as (made, log):
        run = made.start(agent, "pay three times")
        until(run, "approval_requested")
        first, second, third = run.approvals()
        run.approve(third.call)
        run.deny(first.call)
        assert [w.call for w in run.approvals()] == [second.call]
        run.approve(second.call)
        run.wait()
        started = [r.event.call for r in records(log, run.id) if isinstance(r.event, ToolStarted)]
        assert started == [third.call, second.call]
        assert made.replay(run.id).matches


def test_an_approval_of_something_else_is_refused() -> None:
    agent = Agent(name="payer", model=ScriptedModel([call("pay", amount=5), "ok"]), tools=[pay])
    with runtime(agent) as (made, log):
        run = made.start(agent, "pay")
        asked: Any = until(run, "approval_requested").event
        with pytest.raises(UsageError, match="not what was approved"):
            made.runs.tell(
                run.id, ApprovalDecided(call=asked.call, binding="0" * 64, approved=True)
            )
        assert "tool_started" not in kinds(log, run.id)
        run.cancel()


def test_an_approval_that_expires_refuses_the_call() -> None:
    @tool(approval=True, approval_expires=0.01)
    def soon(x: int) -> int:
        """Be quick.

        Args:
            x: a number.
        """
        return x

    agent = Agent(name="slow", model=ScriptedModel([call("soon", x=1), "too late"]), tools=[soon])
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        assert run.wait().answer == "too late"
        assert "tool_started" not in kinds(log, run.id)
        assert made.replay(run.id).matches


def big_amount(arguments: dict[str, Any]) -> bool:
    return bool(arguments["amount"] >= 100)


@pytest.mark.parametrize(("amount", "waits"), [(10, False), (1000, True)])
@pytest.mark.parametrize("rule", ["schema", "function"])
def test_a_rule_on_the_arguments_says_which_calls_wait(rule: str, amount: int, waits: bool) -> None:
    big: Any = {
        "schema": {"properties": {"amount": {"minimum": 100}}},
        "function": big_amount,
    }[rule]

    @tool(approval=big)
    def spend(amount: int) -> int:
        """Spend.

        Args:
            amount: how much.
        """
        return amount

    model = ScriptedModel([call("spend", amount=amount), "ok"])
    agent = Agent(name="spender", model=model, tools=[spend])
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        if waits:
            run.approve(until(run, "approval_requested").event.call)  # type: ignore[attr-defined]
        run.wait()
        assert ("approval_requested" in kinds(log, run.id)) == waits
        assert made.replay(run.id).matches


def test_a_rule_that_raises_counts_as_wanting_a_person() -> None:
    def broken(_: dict[str, Any]) -> bool:
        raise KeyError("amount")

    @tool(approval=broken)
    def spend(amount: int) -> int:
        """Spend.

        Args:
            amount: how much.
        """
        return amount

    model = ScriptedModel([call("spend", amount=1), "ok"])
    agent = Agent(name="spender", model=model, tools=[spend])
    with runtime(agent) as (made, _):
        run = made.start(agent, "go")
        run.approve(until(run, "approval_requested").event.call)  # type: ignore[attr-defined]
        assert run.wait().answer == "ok"


def test_the_same_call_with_the_same_answer_is_told_to_the_model_and_then_stops_the_run() -> None:
    model = ScriptedModel([call("add", a=1, b=1)] * 9)
    agent = Agent(name="loop", model=model, tools=[add])
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        with pytest.raises(RunNotFinished, match="same answer"):
            run.wait()
        found = [r.event for r in records(log, run.id) if isinstance(r.event, LoopDetected)]
        assert [(e.action, e.count) for e in found] == [("warn", 3), ("stop", 5)]
        assert made.replay(run.id).matches
    assert "3 times in a row" in str(model.requests[3].body["messages"][-1])


@pytest.mark.parametrize(
    ("script", "pattern"),
    [
        ([call("fail", why="no")] * 9, "same_failure"),
        ([call("add", a=n % 2, b=1) for n in range(20)], "cycle"),
        ([call("add", a=n % 3, b=1) for n in range(20)], "cycle"),
        ([call("fail", why=str(n)) for n in range(30)], "no_progress"),
        ([call("add", wrong=1)] * 9, "same_failure"),
        ([call("nothing")] * 9, "same_failure"),
    ],
)
def test_each_kind_of_loop_stops_the_run(script: Any, pattern: str) -> None:
    limits = Limits(max_steps=40)
    agent = Agent(name="loop", model=ScriptedModel(script), tools=[add, fail], limits=limits)
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        with pytest.raises(RunNotFinished):
            run.wait()
        found = [r.event for r in records(log, run.id) if isinstance(r.event, LoopDetected)]
        assert found[-1].pattern == pattern
        assert found[-1].action == "stop"
        assert "warn" in {e.action for e in found}


@pytest.mark.parametrize(
    "calls",
    [
        [call("fail", why="no")] * 6,
        [call("add", a=1, b=1)] * 8,
        [call("fail", why=str(n)) for n in range(20)],
        [call("add", a=n % 2, b=1) for n in range(20)],
        [call("nothing")] * 20,
    ],
)
def test_however_many_calls_a_reply_holds_it_is_one_round_and_the_model_reads_them(
    calls: list[Any],
) -> None:
    agent = Agent(name="many", model=ScriptedModel([calls, "fine"]), tools=[add, fail])
    with runtime(agent) as (made, log):
        result = made.run(agent, "go")
        assert result.answer == "fine"
        assert "loop_detected" not in kinds(log, result.run_id)
        assert made.replay(result.run_id).matches


@pytest.mark.parametrize(
    ("rounds", "pattern", "count"),
    [
        ([[call("fail", why="no")] * 3] * 9, "same_failure", 4),
        ([[call("add", a=1, b=1)] * 3] * 9, "same_answer", 5),
        ([[call("add", a=1, b=1), call("fail", why=str(n))] for n in range(9)], "same_answer", 5),
        ([[call("add", a=1, b=1), call("fail", why="no")]] * 9, "same_failure", 4),
        ([[call("add", a=n % 2, b=k) for k in range(2)] for n in range(20)], "cycle", 5),
        ([[call("add", a=n % 2, b=k) for k in range(3 + n)] for n in range(20)], None, 0),
    ],
)
def test_a_loop_of_rounds_is_counted_in_rounds(
    rounds: list[Any], pattern: str | None, count: int
) -> None:
    model = ScriptedModel([*rounds, "done"])
    agent = Agent(name="l", model=model, tools=[add, fail], limits=Limits(max_steps=40))
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        if pattern is None:
            assert run.wait().answer == "done"
            return
        with pytest.raises(RunNotFinished):
            run.wait()
        found = [r.event for r in records(log, run.id) if isinstance(r.event, LoopDetected)]
        assert (found[-1].pattern, found[-1].count, found[-1].action) == (pattern, count, "stop")


def test_a_call_that_fails_beside_calls_that_get_on_is_no_loop() -> None:
    rounds = [[call("fail", why="no"), call("add", a=n, b=1)] for n in range(12)]
    agent = Agent(name="w", model=ScriptedModel([*rounds, "done"]), tools=[add, fail])
    with runtime(agent) as (made, log):
        result = made.run(agent, "go")
        assert "loop_detected" not in kinds(log, result.run_id)


def test_a_run_may_take_25_steps_unless_it_is_told_otherwise() -> None:
    model = ScriptedModel([call("add", a=n, b=1) for n in range(30)])
    agent = Agent(name="w", model=model, tools=[add])
    with runtime(agent) as (made, _), pytest.raises(RunNotFinished, match="max_steps"):
        made.run(agent, "count")
    assert len(model.requests) == 25
    with pytest.raises(UsageError, match=r"max_steps=None.*give a number"):
        Limits(max_steps=None)  # type: ignore[arg-type]


def test_an_agent_says_how_patient_the_loop_guard_is() -> None:
    loops = LoopRules(same_answer=Threshold(warn=0, stop=2))
    agent = Agent(
        name="l", model=ScriptedModel([call("add", a=1, b=1)] * 9), tools=[add], loops=loops
    )
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        with pytest.raises(RunNotFinished, match="2 times"):
            run.wait()
        found = [r.event for r in records(log, run.id) if isinstance(r.event, LoopDetected)]
        assert [(e.action, e.count) for e in found] == [("stop", 2)]


def test_work_that_makes_progress_is_no_loop() -> None:
    model = ScriptedModel([call("add", a=n, b=1) for n in range(30)] + ["done"])
    limits = Limits(max_steps=40)
    with runtime() as (made, log):
        result = made.run(Agent(name="w", model=model, tools=[add], limits=limits), "count")
        assert "loop_detected" not in kinds(log, result.run_id)


def test_a_cancel_stops_what_is_under_way_and_the_run_ends_as_cancelled() -> None:
    asked = threading.Event()

    async def never(_: dict[str, Any]) -> str:
        asked.set()
        await asyncio.Event().wait()
        return ""

    agent = Agent(name="slow", model=ScriptedModel(never))
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        assert asked.wait(10)
        run.cancel("enough")
        with pytest.raises(RunNotFinished, match="enough"):
            run.wait()
        assert kinds(log, run.id)[-3:] == ["cancel_requested", "model_failed", "run_cancelled"]
        with pytest.raises(UsageError, match="already"):
            run.cancel()
        assert made.replay(run.id).matches


def test_wishes_that_wait_are_refused_when_the_run_is_cancelled() -> None:
    agent = Agent(name="payer", model=ScriptedModel([call("pay", amount=5)]), tools=[pay])
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        until(run, "approval_requested")
        run.cancel()
        with pytest.raises(RunNotFinished):
            run.wait()
        refused = [r.event for r in records(log, run.id) if isinstance(r.event, ToolRefused)]
        assert [e.reason for e in refused] == ["stopped"]
        assert kinds(log, run.id)[-1] == "run_cancelled"


def test_a_run_out_of_time_is_stopped_wherever_it_is() -> None:
    async def never(_: dict[str, Any]) -> str:
        await asyncio.Event().wait()
        return ""

    limits = Limits(max_seconds=0.05)
    agent = Agent(name="slow", model=ScriptedModel(never), limits=limits)
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        with pytest.raises(RunNotFinished, match="wall clock"):
            run.wait()
        assert kinds(log, run.id)[-3:] == ["time_reached", "model_failed", "run_failed"]
        assert made.replay(run.id).matches


@pytest.mark.parametrize(
    "limits", [Limits(max_model_calls=2), Limits(max_tokens=6000), Limits(max_tool_calls=2)]
)
def test_no_limit_is_ever_exceeded(limits: Limits) -> None:
    model = ScriptedModel([call("add", a=n, b=1) for n in range(30)])
    agent = Agent(name="l", model=model, tools=[add], limits=limits, max_tokens=1000)
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        with pytest.raises(RunNotFinished):
            run.wait()
        seen = kinds(log, run.id)
        assert seen.count("model_requested") <= (limits.max_model_calls or 99)
        assert seen.count("tool_started") <= (limits.max_tool_calls or 99)
        answered = [r.event for r in records(log, run.id) if isinstance(r.event, ModelAnswered)]
        used = sum(event.usage.total for event in answered)
        assert used <= (limits.max_tokens or 10**9)
        assert "limit_reached" in seen
        assert made.replay(run.id).matches


def test_a_paused_run_holds_what_arrives_and_goes_on_when_resumed() -> None:
    gate, asked = asyncio.Event(), threading.Event()

    async def wait(body: dict[str, Any]) -> Any:
        if len(body["messages"]) > 1:
            return "done"
        asked.set()
        await gate.wait()
        return call("add", a=1, b=1)

    agent = Agent(name="p", model=ScriptedModel(wait), tools=[add])
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        assert asked.wait(10)
        run.pause()
        assert run.status == "paused"
        made._thread.loop.call_soon_threadsafe(gate.set)
        until(run, "model_answered")
        assert kinds(log, run.id)[-1] == "model_answered"
        assert records(log, run.id)[-1].held
        run.resume()
        assert run.wait().answer == "done"
        assert any(isinstance(r.event, RunResumed) for r in records(log, run.id))
        assert made.replay(run.id).matches


def test_a_tool_that_was_redefined_while_a_person_thought_does_not_run() -> None:
    """The approval holds for the definition that was seen; perform refuses another."""

    @tool(name="pay", approval=True)
    def pay_twice(amount: int) -> str:
        """Pay money, twice.

        Args:
            amount: in euro.
        """
        raise AssertionError("must not run")

    first = Agent(name="payer", model=ScriptedModel([call("pay", amount=5)]), tools=[pay])
    with runtime(first) as (made, log):
        run = made.start(first, "pay").id
        until(made.attach(run), "approval_requested")
    second = Agent(name="payer", model=ScriptedModel(["I could not."]), tools=[pay_twice])
    with Runtime(log, [second]) as made:
        again = made.attach(run, second)
        again.approve(again.approvals()[0].call)
        assert again.wait().answer == "I could not."
        failed = [r.event for r in records(log, run) if isinstance(r.event, ToolFailed)]
        assert [e.error for e in failed] == ["changed"]
