"""Waiting for a run: whoever waits, and from whenever on, hears the same."""

# A thread's frame says whether it waits.
# pyright: reportPrivateUsage=false

import _thread
import asyncio
import os
import signal
import sys
import threading
from typing import Any

import pytest

from playhead import Agent
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.testing import ScriptedModel, call
from tests.support.agents import add, kinds, records, runtime


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
        from_the_start = made.runs.outcome(run.id)
        assert asked.wait(60)
        in_the_middle = made.runs.outcome(run.id)
        go_on.set()
        first = from_the_start.result(60).metrics
        counted = RunMetrics()
        for record in [*records(log, run.id), *records(log, run.id)]:
            counted.fold(record)
        assert first == in_the_middle.result(60).metrics == run.wait().metrics == counted
        assert (first.steps, first.tool_calls) == (3, 2)


def interrupt_once_it_rests() -> None:
    """Interrupt the main thread when it was seen at the same place of a generator many times."""
    main, place, looks = threading.main_thread().ident or 0, None, 0
    while looks < 1000:
        frame = sys._current_frames()[main]
        here = (frame.f_code.co_name, frame.f_lasti)
        looks = looks + 1 if here == place and frame.f_code.co_name == "_items" else 0
        place = here
        os.sched_yield()
    _thread.interrupt_main()


def test_a_ctrl_c_that_came_just_before_the_wait_for_a_record_is_heard() -> None:
    """`interrupt_main` leaves what a signal leaves that comes too early: a mark, and no wake-up."""
    asked = threading.Event()

    async def script(_: dict[str, Any]) -> Any:
        asked.set()
        await asyncio.Event().wait()

    agent = Agent(name="slow", model=ScriptedModel(script))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job may ignore it
    with runtime(agent) as (made, log):
        run = made.start(agent, "Go")
        assert asked.wait(60)
        give_up = threading.Timer(20, run.cancel)
        give_up.start()
        interrupter = threading.Thread(target=interrupt_once_it_rests, daemon=True)
        interrupter.start()  # it interrupts nothing before the generator waits
        with pytest.raises(KeyboardInterrupt):
            for _record in run.events():
                pass
        assert "cancel_requested" not in kinds(log, run.id), "only the next record woke it up"
        give_up.cancel()
        run.cancel()
