"""Causes: from any record back to the goal, and forward to everything that it influenced."""

from typing import Any

import pytest

from playhead import Agent
from playhead.events.kinds.steps import StepFinished, StepStarted
from playhead.events.record import Record
from playhead.projections.history.causality import Causes
from playhead.testing import ScriptedModel, call
from tests.support.agents import add, fail, records, runtime
from tests.support.planning import agent_of, rest, step
from tests.support.virtual import Play


def script(body: dict[str, Any]) -> Any:
    results = [b for m in body["messages"] for b in m["content"] if b["type"] == "tool_result"]
    match len(results):
        case 0:
            return [call("add", a=1, b=2), call("add", a=3, b=4)]
        case 2:
            return call("fail", why="no")
        case _:
            return "Done."


@pytest.fixture(scope="module")
def told() -> list[Record]:
    agent: Agent[str] = Agent(name="a", model=ScriptedModel(script), tools=[add, fail])
    with runtime(agent) as (made, log):
        return records(log, made.run(agent, "go").run_id)


def seqs(told: list[Record], kind: str) -> list[int]:
    return [r.seq for r in told if r.event.kind == kind]


def test_every_record_leads_back_to_the_goal_and_the_goal_forward_to_all(
    told: list[Record],
) -> None:
    graph = Causes(told)
    for record in told:
        assert graph.back(record.seq)[0] == 1
        assert graph.chain(record.seq)[0] == 1
        assert set(graph.chain(record.seq)) <= set(graph.back(record.seq))
    assert graph.forward(1) == [r.seq for r in told]


def test_forward_and_back_are_the_same_links(told: list[Record]) -> None:
    graph = Causes(told)
    for one in told:
        for other in told:
            assert (other.seq in graph.forward(one.seq)) == (one.seq in graph.back(other.seq))


def test_a_request_follows_from_every_result_that_it_read(told: list[Record]) -> None:
    graph = Causes(told)
    first, second = seqs(told, "tool_succeeded")
    request = seqs(told, "model_requested")[1]
    assert {link.seq for link in graph.links(request)} >= {first, second}
    assert [link.seq for link in graph.links(request) if not link.read] == [second]
    finished = seqs(told, "run_finished")[0]
    assert first in graph.back(finished)
    assert first not in graph.chain(finished)


def test_a_later_result_influenced_no_earlier_record(told: list[Record]) -> None:
    graph = Causes(told)
    failed = seqs(told, "tool_failed")[0]
    assert min(graph.forward(failed)) == failed
    assert failed not in graph.back(seqs(told, "model_requested")[1])


def test_a_record_that_is_not_there_is_a_key_error(told: list[Record]) -> None:
    graph = Causes(told)
    for look in (graph.back, graph.chain, graph.forward, graph.links):
        with pytest.raises(KeyError):
            look(len(told) + 1)


def test_a_step_of_a_plan_follows_from_all_that_it_depends_on() -> None:
    plan = [step("a"), step("b"), step("c", depends_on=["a", "b"])]
    told = Play(agent_of(plan)).start().records
    graph = Causes(told)
    finished = {r.event.step: r.seq for r in told if isinstance(r.event, StepFinished)}
    begun = {r.event.step: r.seq for r in told if isinstance(r.event, StepStarted)}
    assert {link.seq for link in graph.links(begun["c"])} >= {finished["a"], finished["b"]}
    assert begun["b"] not in graph.forward(begun["a"])
    assert finished["c"] in graph.forward(begun["a"])
    assert finished["c"] in graph.forward(begun["b"])


def test_a_request_follows_from_what_a_child_gave_too() -> None:
    child = Agent(name="helper", model=ScriptedModel(["3"]), description="Helps.")
    both = [call("helper", task="add"), call("rest", seconds=3.0)]
    boss = Agent(name="boss", model=ScriptedModel([both, "Done."]), tools=[child, rest])
    told = Play(boss).start().records
    graph = Causes(told)
    (given,) = seqs(told, "child_finished")
    assert given < seqs(told, "tool_succeeded")[0]
    assert given in graph.back(seqs(told, "run_finished")[0])
