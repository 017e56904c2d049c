"""Plans run as fast as their dependencies allow, with exact values, each step once."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playhead.actors.replay import replay
from playhead.events.kinds.plans import PlanProposed
from playhead.events.kinds.steps import StepFinished, StepStarted
from playhead.events.kinds.tool_calls import ToolRequested
from playhead.simulation.faults.valid_request import invalid_request
from tests.support.planning import (
    agent_of,
    entered,
    is_planning,
    requests_of,
    result_of,
    step,
    text_of,
)
from tests.support.virtual import RUN, Play, of_kind

MANY = {"max_steps": 40, "concurrency": 40}


def test_a_plan_of_width_eight_takes_as_long_as_its_critical_path() -> None:
    wide = [step(f"s{n}", arguments={"seconds": 0.3}) for n in range(8)]
    play = Play(agent_of([*wide, step("end", depends_on=[s["id"] for s in wide])])).start()
    assert play.seconds == pytest.approx(0.3 + 1.0)


def test_uneven_waves_do_not_wait_for_each_other() -> None:
    plan = [
        step("a", arguments={"seconds": 1.0}),
        step("b", arguments={"seconds": 5.0}),
        step("after_a", depends_on=["a"], arguments={"seconds": 5.0}),
        step("after_b", depends_on=["b"], arguments={"seconds": 1.0}),
    ]
    play = Play(agent_of(plan)).start()
    assert play.seconds == pytest.approx(6.0)  # in waves it would be 10


def test_no_more_steps_run_at_once_than_the_rules_say() -> None:
    plan = [step(f"s{n}") for n in range(7)]
    play = Play(agent_of(plan, rules={"concurrency": 3})).start()
    running = most = 0
    for record in play.records:
        running += isinstance(record.event, StepStarted) and record.event.purpose == "tool"
        running -= isinstance(record.event, StepFinished) and record.event.step.startswith("s")
        most = max(most, running)
    assert most == 3
    assert play.seconds == pytest.approx(3.0)


class Shape:
    """A random DAG: steps, and what each of them must be called with."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.steps: list[dict[str, Any]] = []
        self.results: dict[str, Any] = {}
        self.calls: dict[str, Any] = {}
        """Step, or element of one -> what `given` must be."""
        self.done_at: dict[str, float] = {}
        for n in range(self.random.randint(1, 10)):
            self._add(f"s{n}")

    def _add(self, name: str) -> None:
        before = list(self.results)
        depends = self.random.sample(before, self.random.randint(0, min(2, len(before))))
        given, wanted = self._given(before)
        seconds, items = self.random.choice((0.5, 1.0, 2.25)), self.random.randint(0, 3)
        arguments = {"given": given, "seconds": seconds, "items": items}
        singles = [s for s in before if isinstance(self.results[s], dict)]
        over = self.random.choice(singles) if singles and self.random.random() < 0.35 else None
        more: dict[str, Any] = {"depends_on": depends}
        if over is not None:
            arguments["given"], more["for_each"] = ["${item}", given], f"${{{over}.items}}"
        self.steps.append(step(name, arguments=arguments, **more))
        needs = {*depends, *self._used, *([over] if over else [])}
        begin = max((self.done_at[need] for need in needs), default=0.0)
        if over is None:
            self.calls[name] = wanted
            self.results[name] = result_of(name, wanted, items)
            self.done_at[name] = begin + seconds
            return
        found = self.results[over]["items"]
        self.results[name] = []
        for n, item in enumerate(found):
            self.calls[f"{name}[{n}]"] = [item, wanted]
            self.results[name].append(result_of(f"{name}/{item['v']}", [item, wanted], items))
        self.done_at[name] = begin + (seconds if found else 0.0)

    def _given(self, before: list[str]) -> tuple[Any, Any]:
        """References into results so far, and what they stand for."""
        self._used: set[str] = set()
        given: dict[str, Any] = {"plain": 7, "text": "no reference"}
        wanted = dict(given)
        for name in self.random.sample(before, min(2, len(before))):
            self._used.add(name)
            result = self.results[name]
            given[name], wanted[name] = f"${{{name}}}", result
            if isinstance(result, dict):
                given["deep"], wanted["deep"] = f"${{{name}.deep.list[0][1]}}", 2
                given["said"] = (
                    f"got ${{{name}.deep.list[1]}}, $${{sic}} and ${{{name}.deep.list[0]}}"
                )
                wanted["said"] = f"got {name}, ${{sic}} and [1,2]"
        return given, wanted


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_any_dag_runs_in_order_with_exact_arguments_and_no_step_twice(seed: int) -> None:
    shape = Shape(seed)
    entered.clear()
    play = Play(agent_of(shape.steps, rules=MANY)).start()
    assert play.records[-1].event.kind == "run_finished"
    requested_calls = of_kind(play.records, ToolRequested)
    assert {
        requested.step: requested.arguments.get("given") for requested in requested_calls
    } == shape.calls
    assert len(requested_calls) == len(shape.calls) == len(entered)
    began = play.records[0].at
    for record in play.records:
        if isinstance(record.event, StepFinished) and record.event.step in shape.done_at:
            done = (record.at - began) / 1_000_000
            assert done == pytest.approx(shape.done_at[record.event.step])  # the moment it could
    assert play.seconds == pytest.approx(max(shape.done_at.values()))
    assert replay(play.log, RUN).matches


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_any_dag_runs_under_any_concurrency(seed: int, concurrency: int) -> None:
    shape = Shape(seed)
    play = Play(agent_of(shape.steps, rules={**MANY, "concurrency": concurrency})).start()
    done: set[str] = set()
    needs = {s.id: s.depends_on for s in of_kind(play.records, PlanProposed)[0].steps}
    for record in play.records:
        if isinstance(record.event, StepFinished):
            done.add(record.event.step)
        if isinstance(record.event, StepStarted) and record.event.purpose == "tool":
            groups = {n for n in needs if n not in shape.calls}  # done when their elements are
            assert set(needs[record.event.step.partition("[")[0]]) <= done | groups
    assert {w.step: w.arguments.get("given") for w in of_kind(play.records, ToolRequested)} == (
        shape.calls
    )


def test_an_empty_list_completes_its_step_at_once() -> None:
    plan = [
        step("none", arguments={"items": 0}),
        step("each", for_each="${none.items}"),
        step("after", arguments={"given": "${each}"}),
    ]
    play = Play(agent_of(plan)).start()
    assert [w.step for w in of_kind(play.records, ToolRequested)] == ["none", "after"]
    assert of_kind(play.records, ToolRequested)[-1].arguments["given"] == []


def test_a_reasoning_step_gets_its_inputs_whole_and_its_list_is_fanned_out_over() -> None:
    plan = [
        step("a"),
        step("names", tool="reason", arguments={"from": "${a.items}"}),
        step("each", for_each="${names}", arguments={"name": "${item}"}),
    ]
    seen: list[str] = []

    def otherwise(body: Any) -> str:
        seen.append(text_of(body))
        return '["x", "y"]' if len(seen) == 1 else "the end"

    play = Play(agent_of(plan, otherwise=otherwise)).start()
    assert '{\\"v\\":\\"a.0\\",\\"n\\":0}' in seen[0].replace('\\\\"', '\\"')
    assert [w.arguments["name"] for w in of_kind(play.records, ToolRequested)] == ["a", "x", "y"]
    assert play.records[-1].event.answer == "the end"  # type: ignore[attr-defined]


def test_a_reasoning_step_that_must_give_a_list_is_asked_again_until_it_does() -> None:
    plan = [
        step("names", tool="reason"),
        step("each", for_each="${names}", arguments={"name": "n"}),
    ]
    replies = iter(["There are two.", '["x", "y"]', "the end"])

    def says_next(_: Any) -> str:
        return next(replies)

    play = Play(agent_of(plan, otherwise=says_next)).start()
    kinds = [record.event.kind for record in play.records]
    assert kinds.count("output_rejected") == 1
    assert kinds[-1] == "run_finished"


def test_every_request_of_a_plan_is_valid_and_says_what_the_step_needs() -> None:
    plan = [step("a"), step("think", tool="reason", depends_on=["a"], arguments={"x": "${a.name}"})]
    agent = agent_of(plan)
    Play(agent).start("find out")
    for request in requests_of(agent):
        assert invalid_request(request.body) is None
    planning, thinking, answering = requests_of(agent)
    assert "work" in text_of(planning.body)
    assert "tools" not in planning.body
    assert "find out" in text_of(thinking.body)
    assert thinking.body["tools"]
    assert "tools" not in answering.body


def test_who_thinks_for_a_plan_is_told_the_goal_and_the_open_plan_first() -> None:
    plan = [
        step("look"),
        step("judge", tool="reason", depends_on=["look"]),
        step("end", tool="synthesize", depends_on=["judge"]),
    ]
    agent = agent_of(plan)
    Play(agent).start()
    thinking = [r.body for r in requests_of(agent) if not is_planning(r.body)]
    first, last = [body["messages"][0]["content"] for body in thinking]
    assert first[:2] == last[:2], "so that the requests of a plan begin alike"
    assert first[0]["text"].startswith("The goal of the whole plan: ")
    assert first[1]["text"] == "The plan:\n- look: do look\n- judge: do judge\n- end: do end"
