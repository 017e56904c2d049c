"""Waiting for a run: whoever waits, and from whenever on, hears the same."""

import _thread
import asyncio
import signal
import threading
from typing import Any

import pytest

from playhead import Agent
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.testing import ScriptedModel, call
from tests.support.agents import add, records, runtime


def test_metrics_are_the_same_for_who_waits_from_the_start_the_middle_and_the_end() -> None:
    asked, go_on = threading.Event(), threading.Event()

    async def script(_: dict[str, Any]) -> Any:
        if len(model.requests) == 2:
            asked.set()
            await asyncio.to_thread(go_on.wait, 60)
        return "3." if len(model.requests) == 3 else call("add", a=1, b=len(model.requests))

    model = ScriptedModel(script)
    agent = Agent(name="adder", model=model, tools=[add])
    with runtime(agent) as (made, log):
        run = made.start(agent, "1 + 2?")
        from_the_start = made.outcome(run.id)
        assert asked.wait(60)
        in_the_middle = made.outcome(run.id)
        go_on.set()
        first = from_the_start.result(60).metrics
        counted = RunMetrics()
        for record in [*records(log, run.id), *records(log, run.id)]:
            counted.fold(record)
        assert first == in_the_middle.result(60).metrics == run.wait().metrics == counted
        assert (first.steps, first.tool_calls) == (3, 2)


def test_a_ctrl_c_that_came_just_before_the_wait_for_a_record_is_heard() -> None:
    """`interrupt_main` leaves what a signal leaves that comes too early: a mark, and no wake-up."""
    asked = threading.Event()

    async def script(_: dict[str, Any]) -> Any:
        asked.set()
        await asyncio.Event().wait()

    agent = Agent(name="slow", model=ScriptedModel(script))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job may ignore it
    with runtime(agent) as (made, _):
        run = made.start(agent, "Go")
        assert asked.wait(60)
        threading.Timer(0.2, _thread.interrupt_main).start()
        give_up = threading.Timer(20, run.cancel)
        give_up.start()
        with pytest.raises(KeyboardInterrupt):
            for _record in run.events():
                pass
        give_up.cancel()
        run.cancel()
