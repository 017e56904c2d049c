"""A person looks at a plan before it runs."""

import json
from typing import Any

import pytest

from playhead import Runtime, UsageError
from playhead.actors.planning.validate import binding_of
from playhead.actors.replay import replay
from playhead.events.kinds.approvals import ApprovalDecided, ApprovalRequested
from playhead.events.kinds.plans import PlanProposed, PlanStep
from playhead.events.kinds.runs import RunFailed
from playhead.events.kinds.tool_calls import ToolRequested
from playhead.events.log.memory import MemoryLog
from playhead.projections.state.calls.approvals import open_approvals
from tests.support.planning import agent_of, requests_of, step, text_of
from tests.support.virtual import RUN, Play, of_kind

ALWAYS = {"review": "always"}


def decided(play: Play, **more: Any) -> ApprovalDecided:
    (waiting,) = open_approvals(play.engine.state(RUN))
    return ApprovalDecided(call=waiting.call, binding=waiting.binding, **more)


def test_a_plan_waits_for_a_person_and_then_runs() -> None:
    play = Play(agent_of([step("a")], rules=ALWAYS)).start()
    (waiting,) = open_approvals(play.engine.state(RUN))
    assert (waiting.about, [s.id for s in waiting.plan]) == ("plan", ["a", "answer"])
    assert of_kind(play.records, ToolRequested) == []
    play.say(decided(play, approved=True))
    assert play.records[-1].event.kind == "run_finished"
    assert replay(play.log, RUN).matches


def test_a_plan_waits_across_a_restart() -> None:
    play = Play(agent_of([step("a")], rules=ALWAYS)).start()
    later = Play(play.agent, play.log, began=100.0).take_up()
    later.say(decided(later, approved=True))
    assert later.records[-1].event.kind == "run_finished"


def test_a_denial_goes_into_the_next_plan_and_that_is_reviewed_again() -> None:
    agent = agent_of([step("a")], [step("b")], rules=ALWAYS)
    play = Play(agent).start()
    play.say(decided(play, approved=False, reason="too dear"))
    assert "too dear" in text_of(requests_of(agent)[1].body)
    play.say(decided(play, approved=True))
    assert [w.step for w in of_kind(play.records, ToolRequested)] == ["b"]
    assert len(of_kind(play.records, ApprovalRequested)) == 2
    assert replay(play.log, RUN).matches


def test_after_as_many_denials_as_proposals_the_run_ends() -> None:
    play = Play(agent_of([step("a")], rules={**ALWAYS, "proposals": 2})).start()
    play.say(decided(play, approved=False, reason="no"))
    play.say(decided(play, approved=False, reason="still no"))
    (failed,) = of_kind(play.records, RunFailed)
    assert (failed.reason, "still no" in failed.message) == ("denied", True)


def test_a_review_that_expires_ends_the_run() -> None:
    play = Play(agent_of([step("a")], rules={**ALWAYS, "review_expires": 60.0})).start()
    assert of_kind(play.records, RunFailed)[0].reason == "denied"
    assert play.seconds == pytest.approx(60.0)


@pytest.mark.parametrize(("tool", "waits"), [("work", True), ("reason", False)])
def test_a_rule_as_data_says_which_plans_are_reviewed(tool: str, waits: bool) -> None:
    schema = {"properties": {"steps": {"contains": {"properties": {"tool": {"const": "work"}}}}}}
    rules = {"review": "matches", "review_schema": schema}
    play = Play(agent_of([step("a", tool=tool)], rules=rules)).start()
    assert bool(of_kind(play.records, ApprovalRequested)) is waits


def test_an_approval_of_another_plan_is_refused() -> None:
    play = Play(agent_of([step("a")], rules=ALWAYS)).start()
    other = binding_of([PlanStep(id="x", description="x", tool="work")])
    word = decided(play, approved=True).model_copy(update={"binding": other})
    with pytest.raises(UsageError, match="not what was approved"):
        play.say(word)


def test_a_person_may_edit_a_plan_and_one_that_cannot_run_is_refused_at_the_door() -> None:
    agent, log = agent_of([step("a")], rules=ALWAYS), MemoryLog()
    with Runtime(log, [agent]) as made:
        run = made.start(agent, "go")
        next(r for r in run.events() if r.event.kind == "approval_requested")
        (waiting,) = run.approvals()
        with pytest.raises(UsageError, match="depends on nobody"):
            run.approve(waiting.call, plan=[step("b", depends_on=["nobody"])])
        with pytest.raises(UsageError, match="no arguments"):
            run.approve(waiting.call, {"x": 1})
        run.approve(waiting.call, plan=[step("b", arguments={"seconds": 0.0})])
        assert run.wait().answer == "done"
        assert made.replay(run.id).matches
        seen = [record.event for record in run.events()]
    assert [e.step for e in seen if isinstance(e, ToolRequested)] == ["b"]
    assert [s.id for e in seen if isinstance(e, PlanProposed) for s in e.steps] == ["a", "answer"]


def test_the_model_is_told_a_shape_that_the_api_enforces() -> None:
    agent = agent_of([step("a")])
    Play(agent).start()
    body = requests_of(agent)[0].body
    schema = body["output_config"]["format"]["schema"]
    assert schema["properties"]["steps"]["items"]["properties"]["tool"]["enum"] == [
        "work", "reason", "synthesize",
    ]  # fmt: skip
    assert '"additionalProperties": true' not in json.dumps(schema)
