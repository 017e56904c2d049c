"""Plans that cannot run are refused in words; steps that fail are tried again or planned around."""

from typing import Any

import pytest

from playhead import Limits, tool
from playhead.actors.replay import replay
from playhead.events.kinds.plans import PlanProposed, PlanRevised
from playhead.events.kinds.runs import CancelRequested, MessageReceived, RunFailed
from playhead.events.kinds.steps import OutputRejected, StepFailed, StepStarted
from playhead.events.kinds.tool_calls import ToolRequested
from playhead.testing import call
from tests.support.planning import agent_of, is_planning, requests_of, step, task_of, text_of, work
from tests.support.virtual import RUN, Play, of_kind

tries: list[str] = []


@tool(effect="read")
async def flaky(name: str) -> str:
    """Fail once for each name.

    Args:
        name: who.
    """
    tries.append(name)
    if tries.count(name) == 1:
        raise RuntimeError("not yet")
    return name


@tool(effect="read")
async def broken(name: str) -> str:
    """Fail.

    Args:
        name: who.
    """
    raise RuntimeError("never")


@tool
async def pay(amount: int) -> str:
    """Pay, or not.

    Args:
        amount: how much.
    """
    raise RuntimeError("something went wrong on the way")


TOOLS = (work, flaky, broken, pay)


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ([], "no steps"),
        ([step("a", depends_on=["b"]), step("b", depends_on=["a"])], "wait for each other"),
        ([step("a", depends_on=["a"])], "a -> a"),
        ([step("a", tool="wrok")], "did you mean `work`"),
        ([step("a", arguments={"given": "${b.x}"})], "depends on b"),
        ([step("a", depends_on=["b"])], "depends on b"),
        ([step("a"), step("a")], "two steps have this id"),
        ([step(f"s{n}") for n in range(21)], "at most 20"),
        ([step("a", arguments={"secs": 1})], "secs"),
        ([step("a"), step("b", arguments={"given": "${a}", "items": "two"})], "items"),
        ([step("a", arguments={"given": "${item}"})], "for_each"),
        ([step("a"), step("b", arguments={"given": ["${a[-1]}"]})], "${a[-1]} is not a reference"),
        ([step("a"), step("b", arguments={"given": "${a[*].v}"})], "${a[*].v} is not a reference"),
        ([step("a"), step("b", arguments={"given": "so ${ a }"})], "${ a } is not a reference"),
        ([step("a"), step("b", description="${a['v']}")], "${a['v']} is not a reference"),
        ([step("a"), step("b", arguments={"given": "${a"})], "${a is not a reference"),
        ([step("a", for_each="the list")], "one reference to a list"),
        ([step("a b")], "letters, digits"),
        ([step("plan")], "a word of ours"),
        ([{**step("a"), "arguments": "{oops"}], "cannot be read as JSON"),
    ],
)
def test_a_plan_that_cannot_run_is_sent_back_with_what_is_wrong(plan: Any, says: str) -> None:
    agent = agent_of(plan, [step("fine")])
    play = Play(agent).start()
    (rejected,) = of_kind(play.records, OutputRejected)
    assert says in rejected.error
    assert says in text_of(requests_of(agent)[1].body).replace('\\"', '"')
    assert play.records[-1].event.kind == "run_finished"
    assert [w.step for w in of_kind(play.records, ToolRequested)] == ["fine"]
    assert replay(play.log, RUN).matches


def test_arguments_that_wait_for_a_result_are_not_held_against_a_plan() -> None:
    plan = [
        step("a", arguments={"items": 1}),
        step("b", arguments={"items": "${a.deep.list[0][0]}"}),
    ]
    play = Play(agent_of(plan)).start()
    assert of_kind(play.records, ToolRequested)[-1].arguments["items"] == 1


def test_arguments_may_be_json_within_a_string_as_the_model_is_asked_for_them() -> None:
    play = Play(agent_of([{**step("a"), "arguments": '{"name": "x"}', "for_each": ""}])).start()
    assert of_kind(play.records, ToolRequested)[0].arguments == {"name": "x"}


def test_no_plan_after_three_proposals_fails_the_run() -> None:
    play = Play(agent_of("rubbish")).start()
    assert len(of_kind(play.records, OutputRejected)) == 2
    assert of_kind(play.records, RunFailed)[0].reason == "invalid_plan"


def test_a_step_that_only_reads_is_tried_again() -> None:
    tries.clear()
    plan: Any = [{"id": "a", "tool": "flaky", "arguments": {"name": "a"}}]
    play = Play(agent_of(plan, tools=TOOLS)).start()
    assert [s.attempt for s in of_kind(play.records, StepStarted) if s.step == "a"] == [1, 2]
    assert play.records[-1].event.kind == "run_finished"


def test_a_step_that_may_have_done_something_is_never_repeated_by_us() -> None:
    plan: Any = [{"id": "a", "tool": "pay", "arguments": {"amount": 5}}]
    play = Play(agent_of(plan, tools=TOOLS, rules={"on_failure": "fail"})).start()
    assert [s.attempt for s in of_kind(play.records, StepStarted) if s.step == "a"] == [1]
    (failed,) = of_kind(play.records, RunFailed)
    assert "step a" in failed.message


def test_a_failed_step_is_planned_around_and_what_is_done_stays_done() -> None:
    first: Any = [step("good"), {"id": "bad", "tool": "broken", "arguments": {"name": "x"}}]
    second = [step("instead", arguments={"given": "${good.name}"})]
    agent = agent_of(first, second, tools=TOOLS)
    play = Play(agent).start()
    (revised,) = of_kind(play.records, PlanRevised)
    assert revised.kept == ("good",)
    assert "never" in revised.reason
    requested_calls = of_kind(play.records, ToolRequested)
    assert [w.step for w in requested_calls if w.tool == "work"] == ["good", "instead"]
    assert requested_calls[-1].arguments["given"] == "good"
    again = [r for r in requests_of(agent) if is_planning(r.body)][1]
    assert "never" in text_of(again.body)
    assert "These steps are done" in text_of(again.body)
    assert play.records[-1].event.kind == "run_finished"
    assert replay(play.log, RUN).matches


def test_elements_that_are_done_are_kept_though_another_one_failed() -> None:
    @tool(effect="read")
    async def picky(name: str) -> str:
        """Refuse the first.

        Args:
            name: who.
        """
        if name.endswith("list.0"):
            raise RuntimeError("not that one")
        return f"took {name}"

    each = {**step("each", for_each="${list.items}"), "tool": "picky"}
    second = [step("rest", arguments={"given": "${each[1]}"})]
    plans = [step("list", arguments={"items": 2}), each]
    play = Play(agent_of(plans, second, tools=(work, picky))).start()
    assert of_kind(play.records, PlanRevised)[0].kept == ("list", "each[1]")
    assert of_kind(play.records, ToolRequested)[-1].arguments["given"] == "took each/list.1"


def test_what_runs_beside_a_failure_is_awaited_and_kept_and_nothing_new_starts() -> None:
    first: Any = [
        {"id": "bad", "tool": "broken", "arguments": {"name": "x"}},
        step("slow", arguments={"seconds": 9.0}),
        step("later", depends_on=["slow"]),
    ]
    play = Play(agent_of(first, [step("end")], tools=TOOLS)).start()
    assert of_kind(play.records, PlanRevised)[0].kept == ("slow",)
    assert "later" not in [s.step for s in of_kind(play.records, StepStarted)]


def test_after_the_last_replan_the_run_fails_with_the_step_that_failed() -> None:
    plan: Any = [{"id": "bad", "tool": "broken", "arguments": {"name": "x"}}]
    play = Play(agent_of(plan, tools=TOOLS, rules={"replans": 1})).start()
    assert len(of_kind(play.records, PlanProposed)) + len(of_kind(play.records, PlanRevised)) == 2
    assert "step bad" in of_kind(play.records, RunFailed)[0].message


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("${a.nothing}", "a is an object with name, items, given, deep"),
        ("${a.items[9].v}", "a.items is a list of 2"),
    ],
)
def test_a_reference_that_leads_nowhere_fails_its_step_and_says_how_far_it_led(
    reference: str, says: str
) -> None:
    plan = [step("a"), step("b", arguments={"given": reference})]
    play = Play(agent_of(plan, rules={"on_failure": "fail"})).start()
    (failed,) = of_kind(play.records, StepFailed)
    assert (failed.step, failed.reason) == ("b", "unresolved")
    assert says in failed.message


def test_a_list_that_is_too_long_is_not_cut_but_fails_its_step() -> None:
    plan = [step("a", arguments={"items": 4}), step("b", for_each="${a.items}")]
    rules = {"for_each_items": 3, "on_failure": "fail"}
    play = Play(agent_of(plan, rules=rules)).start()
    assert "has 4 elements, at most 3" in of_kind(play.records, RunFailed)[0].message


def test_the_limits_hold_over_parallel_steps_and_a_step_has_a_share() -> None:
    thinking = [step(f"t{n}", tool="reason") for n in range(5)]
    agent = agent_of(thinking, limits=Limits(max_steps=4))
    play = Play(agent).start()
    assert of_kind(play.records, RunFailed)[0].reason == "max_steps"
    assert len(requests_of(agent)) == 4


def test_a_step_that_goes_on_for_ever_uses_up_its_own_share_and_not_the_others() -> None:
    def otherwise(body: Any) -> Any:
        again = call("work", name="again", given=len(body["messages"]), seconds=0.0)
        return again if task_of(body) == "do endless" else "done"

    plan = [step("endless", tool="reason"), step("calm", tool="reason")]
    rules = {"on_failure": "fail"}
    play = Play(
        agent_of(plan, otherwise=otherwise, rules=rules, limits=Limits(max_steps=13))
    ).start()
    (failed,) = of_kind(play.records, StepFailed)
    assert (failed.step, failed.reason) == ("endless", "share")
    assert play.engine.state(RUN).spent.steps == 1 + 4 + 1  # the plan, its third of 12, the other


def test_a_cancel_ends_a_plan_with_all_its_steps() -> None:
    plan = [step("a", arguments={"seconds": 60.0}), step("b", arguments={"seconds": 60.0})]
    play = Play(agent_of(plan)).at(1.0, CancelRequested()).start()
    assert play.records[-1].event.kind == "run_cancelled"
    assert play.seconds == pytest.approx(1.0)


def test_steps_that_start_after_a_message_hear_it_too() -> None:
    agent = agent_of([step("a", arguments={"seconds": 5.0})])
    Play(agent).at(1.0, MessageReceived(text="in French, please")).start()
    assert "in French" in text_of(requests_of(agent)[-1].body)
