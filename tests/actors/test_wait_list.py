"""Runs that wait are listed from the log, and cost neither threads nor loaded runs."""

# The engine inside a Runtime is looked at here.
# pyright: reportPrivateUsage=false

import threading
from pathlib import Path
from typing import Any

import pytest

from playhead import Agent, Capacity, Limits, ModelError, Retry, RunNotFinished, Runtime, tool
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel, call
from tests.support.agents import kinds


@tool(effect="once", approval=True)
async def pay(amount: int) -> str:
    """Pay.

    Args:
        amount: in euro.
    """
    return f"paid {amount}"


def payer(**more: Any) -> Agent[str]:
    def reply(body: dict[str, Any]) -> Any:
        return call("pay", amount=5) if len(body["messages"]) == 1 else "Paid."

    return Agent(name="payer", model=ScriptedModel(reply), tools=[pay], **more)


def down(_: dict[str, Any]) -> Any:
    return ModelError("overloaded", "Overloaded", status=529, retryable=True)


def waiting_for_model() -> Agent[str]:
    return Agent(name="patient", model=ScriptedModel(down), retry=Retry(attempts=1))


def hears(runtime: Runtime, run: str, kind: str) -> None:
    next(record for record in runtime.attach(run).events() if record.event.kind == kind)


def test_waits_of_every_kind_are_in_one_list_with_all_that_a_person_needs(tmp_path: Path) -> None:
    agents = payer(), waiting_for_model()
    with Runtime(tmp_path / "w.db", agents) as runtime:
        first, second = (runtime.start(agent, f"goal of {agent.name}") for agent in agents)
        hears(runtime, first.id, "approval_requested")
        hears(runtime, second.id, "outage_wait_started")
        person, model = runtime.runs.waits()
        assert (person.run, person.wait.about, person.tool) == (first.id, "call", "pay")
        assert (person.arguments, person.effect, person.goal) == (
            {"amount": 5}, "once", "goal of payer",
        )  # fmt: skip
        assert (model.run, model.wait.about, model.wait.error) == (second.id, "model", "overloaded")
        assert model.wait.until is not None
        assert model.wait.until > model.wait.since
        assert runtime.runs.waits(about="model") == [model]
        assert runtime.runs.waits(first.id) == [person]
        assert len(runtime.runs.waits(limit=1)) == 1
        assert [each.run for each in runtime.runs.approvals()] == [first.id]
        first.approve(first.approvals()[0].call)
        assert first.wait(60).answer == "Paid."
        second.cancel()
        with pytest.raises(RunNotFinished):
            second.wait(60)
        assert runtime.runs.waits() == []


def test_a_wait_is_listed_after_a_restart_and_by_a_fork_cut_while_it_lasted(tmp_path: Path) -> None:
    log, agent = tmp_path / "w.db", payer()
    with Runtime(log, [agent]) as runtime:
        run = runtime.start(agent, "pay")
        hears(runtime, run.id, "approval_requested")
    with Runtime(log, [agent]) as runtime:
        again = runtime.attach(run.id)
        (asked,) = again.approvals()
        again.approve(asked.call)
        assert again.wait(60).answer == "Paid."
        at = next(r.seq for r in again.events() if r.event.kind == "approval_requested")
        fork = runtime.fork(run.id, at=at)
        hears(runtime, fork.id, "run_resumed")
        assert [each.run for each in runtime.runs.approvals()] == [fork.id]
        fork.approve(fork.approvals()[0].call)
        assert fork.wait(60).answer == "Paid."
        assert runtime.replay(fork.id).matches
        assert runtime.runs.waits() == []


def test_a_run_that_only_waits_is_not_loaded_when_the_log_is_opened() -> None:
    log, agent = MemoryLog(), payer()
    with Runtime(log, [agent]) as runtime:
        runs = [runtime.start(agent, "pay").id for _ in range(3)]
        for run in runs:
            hears(runtime, run, "approval_requested")
    with Runtime(log, [agent]) as runtime:
        assert len(runtime.runs.approvals()) == 3
        assert runtime._engine.loaded == 0
        first = runtime.attach(runs[0])
        first.approve(first.approvals()[0].call)
        assert first.wait(60).answer == "Paid."
        assert "run_resumed" not in kinds(log, runs[0])


def test_an_approval_lapses_in_a_run_that_is_not_loaded() -> None:
    @tool(effect="once", approval=True, approval_expires=0.05)
    async def soon() -> str:
        """Ask a person first."""
        return "done"

    agent = Agent(name="a", model=ScriptedModel([call("soon"), "Too late."]), tools=[soon])
    log = MemoryLog()
    with Runtime(log, only_runs=()) as runtime:
        run = runtime.start(agent, "go")
        hears(runtime, run.id, "approval_requested")
        runtime._engine.draining = True
        runtime._thread.call(lambda: runtime._engine._disarm(run.id))
    with Runtime(log, [agent]) as runtime:
        assert runtime.attach(run.id).wait(60).answer == "Too late."
    assert "time_reached" in kinds(log, run.id)


def test_ten_thousand_waiting_runs_need_no_more_threads_and_no_more_loaded_runs_than_a_few() -> (
    None
):
    agent, log = payer(limits=Limits(max_steps=3)), MemoryLog()

    def waiting(runtime: Runtime, count: int) -> tuple[int, int]:
        runs = [runtime.start(agent, "pay").id for _ in range(count)]
        for run in runs[-1:]:
            hears(runtime, run, "approval_requested")
        asyncio_tasks = len(runtime._engine.effects.runs())
        assert asyncio_tasks <= 64
        return threading.active_count(), runtime._engine.loaded

    with Runtime(log, [agent], capacity=Capacity(open_runs=20_000)) as runtime:
        threads, loaded = waiting(runtime, 200)
        more_threads, more_loaded = waiting(runtime, 9_800)
        assert more_threads <= threads
        assert more_loaded <= loaded + 64
        assert len(runtime.runs.approvals()) == 10_000
        assert not runtime._engine.effects.runs()
    with Runtime(log, [agent], capacity=Capacity(open_runs=20_000)) as runtime:
        assert len(runtime.runs.approvals()) == 10_000
        assert runtime._engine.loaded == 0
