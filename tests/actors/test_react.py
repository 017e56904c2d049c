"""The ReAct loop: goal, model, tools, observations, answer."""

# The engine inside a Runtime is looked at here, and nowhere else.
# pyright: reportPrivateUsage=false

import asyncio
import json
import threading
from typing import Any, assert_type

import pytest
from pydantic import BaseModel

from playhead import Agent, Limits, Result, Retry, RunNotFinished, Runtime, tool
from playhead.events.errors import ModelError, SessionBusy
from playhead.events.kinds.tool_calls import ToolRefused, ToolSucceeded
from playhead.testing import ScriptedModel, call
from tests.support.agents import add, fail, kinds, records, runtime


def test_an_agent_calls_a_tool_and_answers_with_what_it_saw() -> None:
    model = ScriptedModel([call("add", a=2, b=3), "It is 5."])
    agent = Agent(name="adder", model=model, tools=[add])
    with runtime(agent) as (made, log):
        result = made.run(agent, "What is 2 + 3?")
        assert result.answer == "It is 5."
        assert kinds(log, result.run_id) == [
            "run_started", "strategy_chosen", "step_started", "model_requested",
            "model_answered", "tool_requested", "tool_started",
            "tool_succeeded", "model_requested",
            "model_answered", "step_finished", "run_finished",
        ]  # fmt: skip
    seen = model.requests[1].body["messages"][-1]["content"][0]
    assert (seen["type"], seen["content"]) == ("tool_result", "5")


def test_a_turn_is_one_append() -> None:
    model = ScriptedModel([[call("add", a=1, b=1), call("add", a=2, b=2)], "done"])
    agent = Agent(name="adder", model=model, tools=[add])
    with runtime(agent) as (made, log):
        appends: list[int] = []
        made.watch(lambda _, together: appends.append(len(together)))
        run = made.run(agent, "add twice").run_id
        assert appends == [4, 5, 1, 2, 3]
        assert [r.origin for r in records(log, run)].count("decided") == 10


def test_calls_in_one_reply_run_at_the_same_time_and_come_back_in_its_order() -> None:
    both = threading.Barrier(2, timeout=10)

    @tool(effect="read")
    def meet(name: str) -> str:
        """Wait until the other call is there too.

        Args:
            name: who comes.
        """
        both.wait()
        return name

    model = ScriptedModel([[call("meet", name="first"), call("meet", name="second")], "met"])
    agent = Agent(name="meeting", model=model, tools=[meet])
    with runtime(agent) as (made, _):
        assert made.run(agent, "meet").answer == "met"
    results = model.requests[1].body["messages"][-1]["content"]
    assert [b["content"] for b in results if b["type"] == "tool_result"] == ["first", "second"]


def test_two_parallel_calls_under_a_limit_of_one_run_exactly_once_live_and_on_replay() -> None:
    model = ScriptedModel([[call("add", a=1, b=1), call("add", a=2, b=2)], "done"])
    agent = Agent(name="adder", model=model, tools=[add], limits=Limits(max_tool_calls=1))
    with runtime(agent) as (made, log):
        run = made.start(agent, "add twice")
        with pytest.raises(RunNotFinished, match="max_tool_calls"):
            run.wait()
        events = [r.event for r in records(log, run.id)]
        assert sum(isinstance(e, ToolSucceeded) for e in events) == 1
        assert [e.reason for e in events if isinstance(e, ToolRefused)] == ["limit"]
        assert made.replay(run.id).matches


def test_a_run_stopped_by_max_steps_fails_with_the_reason_and_is_never_finished() -> None:
    model = ScriptedModel(lambda body: call("add", a=len(body["messages"]), b=1))
    agent = Agent(name="adder", model=model, tools=[add], limits=Limits(max_steps=3))
    with runtime(agent) as (made, log):
        run = made.start(agent, "never ends")
        with pytest.raises(RunNotFinished, match="max_steps"):
            run.wait()
        assert run.status == "failed"
        assert kinds(log, run.id).count("model_requested") == 3
        assert "run_finished" not in kinds(log, run.id)


def test_the_goal_is_restated_at_the_end_of_each_later_request_only() -> None:
    model = ScriptedModel([call("add", a=1, b=1), call("add", a=2, b=2), "done"])
    agent = Agent(name="adder", model=model, tools=[add])
    with runtime(agent) as (made, _):
        made.run(agent, "the one goal")
    for number, request in enumerate(model.requests):
        text = json.dumps(request.body["messages"])
        assert text.count("the one goal") == (1 if number == 0 else 2)
        last = request.body["messages"][-1]["content"][-1]
        assert "the one goal" in last["text"]


def test_a_later_request_shares_the_earlier_ones_bytes_up_to_the_goal() -> None:
    model = ScriptedModel([call("add", a=n, b=n) for n in range(6)] + ["done"])
    agent = Agent(name="adder", model=model, tools=[add], instructions="Add.")
    with runtime(agent) as (made, _):
        made.run(agent, "sums")
    for earlier, later in zip(model.requests, model.requests[1:], strict=False):
        stable = earlier.head + b",".join(earlier.messages[: earlier.count])
        assert later.content.startswith(stable)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (call("ad", a=1, b=2), "did you mean `add`"),
        (call("add", a="one", b=2), "a"),
        (call("add", a=1), "b"),
        (call("fail", why="no"), "RuntimeError: no"),
    ],
)
def test_a_call_that_goes_wrong_becomes_an_answer_that_the_model_can_act_on(
    wrong: Any, says: str
) -> None:
    model = ScriptedModel([wrong, "I gave up."])
    agent = Agent(name="clumsy", model=model, tools=[add, fail])
    with runtime(agent) as (made, _):
        assert made.run(agent, "try").answer == "I gave up."
    block = model.requests[1].body["messages"][-1]["content"][0]
    assert block["is_error"] is True
    assert says in block["content"]


class Rate(BaseModel):
    currency: str
    rate: float


def test_the_output_is_of_the_agents_type_and_a_checker_knows_it() -> None:
    model = ScriptedModel(['{"currency": "VND", "rate": 27000}'])
    agent = Agent(name="fx", model=model, output=Rate)
    with runtime(agent) as (made, _):
        result = made.run(agent, "What is 1 EUR in VND?")
        assert_type(result, Result[Rate])
        assert result.output == Rate(currency="VND", rate=27000)
        plain = Agent(name="plain", model=ScriptedModel(["text"]))
        assert_type(made.run(plain, "say text").output, str)


def test_an_answer_that_misses_the_schema_is_sent_back_and_then_fails_the_run() -> None:
    model = ScriptedModel(["no json", '{"currency": 1}', '{"currency": "VND", "rate": 1}'])
    agent = Agent(name="fx", model=model, output=Rate)
    with runtime(agent) as (made, log):
        result = made.run(agent, "rate?")
        assert result.output.rate == 1
        assert kinds(log, result.run_id).count("output_rejected") == 2
        stubborn = Agent(name="no", model=ScriptedModel(["no"] * 9), output=Rate)
        run = made.start(stubborn, "rate?")
        with pytest.raises(RunNotFinished, match="JSON"):
            run.wait()


@pytest.mark.parametrize(
    ("fault", "calls"),
    [(ModelError("overloaded", "busy", retryable=True), 2), (ModelError("bad", "no"), 1)],
)
def test_only_a_retryable_failure_of_the_model_is_tried_again(
    fault: ModelError, calls: int
) -> None:
    model = ScriptedModel([fault, "fine"])
    agent = Agent(name="retrying", model=model, retry=Retry(base=0.001))
    with runtime(agent) as (made, _):
        run = made.start(agent, "go")
        if calls == 2:
            assert run.wait().answer == "fine"
        else:
            with pytest.raises(RunNotFinished, match="no"):
                run.wait()
        assert len(model.requests) == calls
        assert made.replay(run.id).matches


def test_a_session_gives_its_next_run_what_was_said_before() -> None:
    model = ScriptedModel(["Hello Ann.", "Your name is Ann."])
    agent = Agent(name="friend", model=model)
    with runtime(agent) as (made, _):
        made.run(agent, "I am Ann.", session="s1")
        second = made.run(agent, "Who am I?", session="s1")
        said = [b["text"] for m in model.requests[1].body["messages"] for b in m["content"]]
        assert said[:3] == ["I am Ann.", "Hello Ann.", "Who am I?"]
        assert made.replay(second.run_id).matches


def test_a_session_with_an_open_run_takes_messages_and_no_second_run() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait(body: dict[str, Any]) -> str:
        if len(body["messages"]) == 1:
            asked.set()
            await go_on.wait()
            return "first"
        return "second"

    model = ScriptedModel(wait)
    agent = Agent(name="busy", model=model)
    with runtime(agent) as (made, _):
        run = made.start(agent, "begin", session="s")
        with pytest.raises(SessionBusy, match=run.id):
            made.start(agent, "again", session="s")
        run.send("and this too")
        made._thread.loop.call_soon_threadsafe(go_on.set)
        assert run.wait().answer == "second"
    assert "and this too" in json.dumps(model.requests[1].body)


def test_text_streams_to_the_caller_as_it_comes() -> None:
    gate = asyncio.Event()

    async def say(body: dict[str, Any]) -> Any:
        await gate.wait()
        return "Bye." if len(body["messages"]) > 1 else ["Adding. ", call("add", a=1, b=1)]

    agent = Agent(name="talker", model=ScriptedModel(say), tools=[add])
    with runtime(agent) as (made, _):
        run = made.start(agent, "talk")
        pieces = iter(run.stream())
        made._thread.loop.call_soon_threadsafe(gate.set)
        assert [piece.text for piece in pieces] == ["Adding. ", "Bye."]


async def _async_program(made: Runtime, agent: Agent[str]) -> list[str]:
    run = made.start(agent, "async")
    seen = [record.event.kind async for record in run.events()]
    assert (await run).answer == "done"
    assert (await made.start(agent, "again")).answer == "done"
    return seen


def test_an_async_program_awaits_runs_and_loops_over_their_events() -> None:
    agent = Agent(name="async", model=ScriptedModel(["done", "done"]))
    with runtime(agent) as (made, _):
        seen = asyncio.run(_async_program(made, agent))
    assert seen[0] == "run_started"
    assert seen[-1] == "run_finished"
