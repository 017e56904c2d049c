"""Agents as tools: runs of their own, within their parent's limits, found again after a crash."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from playhead import Agent, Capacity, Limits, Runtime, UsageError
from playhead.actors.replay import replay
from playhead.actors.tracing import recorded_trace
from playhead.events.kinds.child_runs import ChildFinished, ChildStarted
from playhead.events.kinds.runs import CancelRequested, RunFailed, RunStarted
from playhead.events.kinds.steps import StepFailed
from playhead.events.kinds.tool_calls import ToolRefused, ToolRequested
from playhead.events.log.memory import MemoryLog
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.testing import ScriptedModel, call
from tests.support.agents import add
from tests.support.planning import agent_of, rest, step
from tests.support.virtual import RUN, Play, of_kind, records


def helper(*replies: Any, **more: Any) -> Agent[Any]:
    more = {"tools": [add, rest], **more}
    return Agent(name="helper", model=ScriptedModel(list(replies)), description="Helps.", **more)


def boss(child: Agent[Any], *replies: Any, **more: Any) -> Agent[Any]:
    return Agent(name="boss", model=ScriptedModel(list(replies)), tools=[child], **more)


ASK = call("helper", task="add 1 and 2")


def child_of(play: Play) -> str:
    return str(of_kind(play.records, ChildStarted)[0].run)


def test_a_call_of_an_agent_is_a_run_of_its_own_linked_both_ways() -> None:
    parent = boss(helper(call("add", a=1, b=2), "It is 3."), ASK, "3, says the helper.")
    play = Play(parent).start()
    (started,), (finished,) = (of_kind(play.records, k) for k in (ChildStarted, ChildFinished))
    seq = next(r.seq for r in play.records if r.event == started)
    assert started.run == f"{RUN}.{seq}"
    first = records(play.log, started.run)[0].event
    assert isinstance(first, RunStarted)
    assert first.parent is not None
    assert (first.parent.run, first.parent.seq, first.goal) == (RUN, seq, "add 1 and 2")
    assert (finished.status, finished.answer) == ("finished", "It is 3.")
    stream = play.log.stream(started.run)
    assert stream is not None
    assert stream.parent == RUN
    assert "It is 3." in json.dumps(parent.model.requests[1].body)  # type: ignore[union-attr]
    assert replay(play.log, RUN).matches
    assert replay(play.log, started.run).matches


class Sum(BaseModel):
    total: int


def test_what_a_child_gives_is_its_output_where_it_has_one() -> None:
    child = helper('{"total": 3}', output=Sum)
    plan = [
        {"id": "ask", "tool": "helper", "description": "add"},
        step("use", arguments={"given": "${ask.total}"}),
    ]
    parent = agent_of(plan, tools=[*agent_of([]).tools, child])
    play = Play(parent).start()
    assert play.records[-1].event.kind == "run_finished"
    assert of_kind(play.records, ToolRequested)[-1].arguments["given"] == 3


def test_an_empty_output_of_a_child_is_that_output_and_not_its_text() -> None:
    child = helper("[]", output=list[int])
    plan = [
        {"id": "ask", "tool": "helper", "description": "list"},
        step("each", for_each="${ask}", arguments={"given": "${item}"}),
    ]
    play = Play(agent_of(plan, tools=[*agent_of([]).tools, child])).start()
    assert play.records[-1].event.kind == "run_finished"
    assert of_kind(play.records, StepFailed) == []


def test_a_childs_failure_is_an_error_that_the_parent_can_act_on() -> None:
    parent = boss(helper(), ASK, "Then without it.")
    play = Play(parent).start()
    (finished,) = of_kind(play.records, ChildFinished)
    assert (finished.status, finished.reason) == ("failed", "script_ended")
    block = parent.model.requests[1].body["messages"][-1]["content"][0]  # type: ignore[union-attr]
    assert block["is_error"] is True
    assert "failed" in block["content"]
    assert play.records[-1].event.kind == "run_finished"


def test_a_cancel_reaches_the_children_and_the_parent_waits_for_them() -> None:
    parent = boss(helper(call("rest", seconds=50.0), "ok"), ASK, "never")
    play = Play(parent).at(2.0, CancelRequested(reason="enough")).start()
    child = records(play.log, child_of(play))
    assert child[-1].event.kind == "run_cancelled"
    assert play.records[-1].event.kind == "run_cancelled"
    assert child[-1].position < play.records[-1].position
    assert of_kind(play.records, ChildFinished)[0].status == "cancelled"


def test_a_child_gets_a_share_of_each_limit_and_gives_the_rest_back() -> None:
    limits = Limits(max_steps=9, max_model_calls=20, max_tool_calls=8, max_tokens=90_000)
    parent = boss(helper(call("add", a=1, b=2), "3"), ASK, "3", limits=limits)
    play = Play(parent).start()
    (started,) = of_kind(play.records, ChildStarted)
    share = started.limits
    assert (share.max_steps, share.max_model_calls, share.max_tool_calls) == (4, 9, 4)
    assert share.max_tokens is not None
    assert share.max_tokens < 45_000
    spent = play.engine.state(RUN).spent
    assert (spent.steps, spent.model_calls, spent.tool_calls) == (4, 4, 2)
    assert spent.children == {}


def test_parallel_children_get_equal_shares_and_together_never_pass_the_limit() -> None:
    forever = ScriptedModel(lambda _: call("add", a=1, b=1))
    child = Agent(name="helper", model=forever, tools=[add])
    parent = boss(child, [ASK, ASK, ASK], "done", limits=Limits(max_steps=13))
    play = Play(parent).start()
    shares = [started.limits.max_steps for started in of_kind(play.records, ChildStarted)]
    assert shares == [3, 3, 3]
    assert len(forever.requests) == 9
    assert play.records[-1].event.kind == "run_finished"


def test_a_child_for_which_too_little_is_left_is_refused_and_the_parent_is_told() -> None:
    parent = boss(helper("x"), ASK, "alone", limits=Limits(max_steps=2))
    play = Play(parent).start()
    (refused,) = of_kind(play.records, ToolRefused)
    assert "max_steps" in refused.message
    assert play.records[-1].event.kind == "run_finished"


def test_a_child_is_held_by_its_parents_wall_clock() -> None:
    parent = boss(helper(call("rest", seconds=50.0), "ok"), ASK, "x", limits=Limits(max_seconds=3))
    play = Play(parent).start()
    assert records(play.log, child_of(play))[-1].event.kind in ("run_failed", "run_cancelled")
    assert play.seconds == pytest.approx(3.0)
    assert of_kind(play.records, RunFailed)[0].reason == "max_seconds"


def test_parent_and_child_are_one_trace_and_the_child_hangs_on_the_call() -> None:
    play = Play(boss(helper(call("add", a=1, b=2), "3"), ASK, "3")).start()
    parent, spans = recorded_trace(play.log, RUN)
    child, below = recorded_trace(play.log, child_of(play))
    assert child.origin.trace == parent.origin.trace
    (started,) = (s for turn in spans for s in turn if s.name == "perform child_started")
    (root,) = (s for turn in below for s in turn if s.id == child.root)
    assert root.parent == started.id
    assert (root.start, root.end) == (started.start, started.end)


def test_children_have_children() -> None:
    inner = Agent(name="inner", model=ScriptedModel(["deep"]))
    middle = Agent(
        name="middle", model=ScriptedModel([call("inner", task="t"), "mid"]), tools=[inner]
    )
    top = Agent(name="top", model=ScriptedModel([call("middle", task="t"), "up"]), tools=[middle],
                limits=Limits(max_steps=20))  # fmt: skip
    log = MemoryLog()
    with Runtime(log, [top]) as made:
        result = made.run(top, "go")
        runs = sorted(stream.id for stream in log.streams())
        assert len(runs) == 3
        assert runs[2].startswith(runs[1])
        metrics = RunMetrics()
        for record in records(log, result.run_id):
            metrics.fold(record)
    assert (metrics.children, metrics.below.model_calls) == (1, 3)


def test_children_do_not_count_against_admission() -> None:
    log = MemoryLog()
    parent = boss(helper("ok"), ASK, "done")
    with Runtime(log, [parent], capacity=Capacity(open_runs=1)) as made:
        assert made.run(parent, "go").answer == "done"
        assert made.run(boss_again(parent), "go").answer == "done"


def boss_again(parent: Agent[Any]) -> Agent[Any]:
    model, child = parent.model, parent.agents[0].model
    model._script, child._script = [ASK, "done"] * 2, ["ok"] * 2  # type: ignore[union-attr]
    return parent


def test_names_that_no_tool_may_have_and_names_given_twice_are_refused() -> None:
    with pytest.raises(UsageError, match="is used as a tool"):
        boss(Agent(name="my helper", model=ScriptedModel([]))).spec()
    with pytest.raises(UsageError, match="both named"):
        Agent(name="b", tools=[add, Agent(name="add", model=ScriptedModel([]))])
