"""Real bugs that the campaign found, each as small as it could be made."""

import json
from typing import Any

import pytest

from playhead import Agent, Limits, Runtime, tool
from playhead.actors.engine.load_state import load_state
from playhead.actors.replay import replay
from playhead.events.codec import decode
from playhead.events.errors import LogError, SessionBusy
from playhead.events.event import Json
from playhead.events.kinds.approvals import ApprovalDecided
from playhead.events.kinds.child_runs import ChildFinished
from playhead.events.kinds.model_calls import ModelFailed, SummaryRequested
from playhead.events.kinds.runs import CancelRequested, RunPaused, RunResumed, RunStarted
from playhead.events.log.contract import Append, OnAppended
from playhead.events.log.memory import MemoryLog
from playhead.events.record import Record
from playhead.events.spec.memory import MemoryRules
from playhead.events.spec.routing import Target
from playhead.events.usage import Usage
from playhead.events.version import VERSION
from playhead.projections.cost.ledger import ledger
from playhead.simulation.process.process import Process
from playhead.simulation.simulate import simulate
from playhead.testing import Scripted, ScriptedModel, call
from tests.crash.bit_flips import damage_many
from tests.crash.power_cuts import cut_power
from tests.simulation.scenes import Scene, dies, says


def _always(_: dict[str, Json]) -> bool:
    return True


@tool(effect="read", approval=_always)
async def ruled() -> str:
    """Ask a rule first."""
    return "done"


@tool(effect="read")
async def plain() -> str:
    """Just do it."""
    return "done"


@tool(effect="once", approval=True, approval_expires=60.0)
async def approved() -> str:
    """Ask a person first."""
    return "done"


def test_a_limit_reached_in_the_turn_that_asks_a_rule_does_not_lose_the_rules_answer() -> None:
    def agent() -> Agent:
        model = ScriptedModel([[call("ruled"), call("plain")], "OnAppended."])
        return Agent(name="a", model=model, tools=[ruled, plain], limits=Limits(max_tool_calls=0))

    simulate(agent, 1, faults=(), mode="liveness").check()


def test_an_approval_that_lapses_while_its_run_is_paused_lapses_once() -> None:
    model = ScriptedModel([call("approved"), "OnAppended."])
    scene = Scene(Agent(name="a", model=model, tools=[approved]))
    pause = RunPaused(reason="a person")
    scene.process((0, scene.starts()), (4, says(pause)), (90, says(RunResumed(code=VERSION))))
    assert scene.kinds().count("time_reached") == 1
    scene.check()


def test_an_approval_that_has_lapsed_cannot_be_given_while_the_run_is_paused() -> None:
    model = ScriptedModel([call("approved"), "OnAppended."])
    scene = Scene(Agent(name="a", model=model, tools=[approved]))

    def approve(process: Process) -> None:
        (waiting,) = process.engine.state("run-1").calls.values()
        assert waiting.waits is not None
        decided = ApprovalDecided(call=waiting.seq, binding=waiting.waits.binding, approved=True)
        process.tell("run-1", decided)

    pause, resume = RunPaused(reason="a person"), RunResumed(code=VERSION)
    scene.process((0, scene.starts()), (4, says(pause)), (80, approve), (90, says(resume)))
    assert "tool_started" not in scene.kinds()
    scene.check()


def test_a_paused_run_ends_when_its_time_is_over() -> None:
    model = ScriptedModel([call("approved"), "OnAppended."])
    limits = Limits(max_seconds=50)
    scene = Scene(Agent(name="a", model=model, tools=[approved], limits=limits))
    scene.process((0, scene.starts()), (4, says(RunPaused(reason="a person"))))
    assert scene.kinds()[-1] == "run_failed"
    scene.check()


def test_a_cancel_that_came_to_a_paused_run_while_nobody_had_it_ends_it_when_it_is_taken_up() -> (
    None
):
    model = ScriptedModel([call("approved"), "OnAppended."])
    scene = Scene(Agent(name="a", model=model, tools=[approved]))
    scene.process((0, scene.starts()), (4, says(RunPaused(reason="a person"))), (5, dies))
    scene.before_taking_up(says(CancelRequested()))
    assert scene.kinds()[-1] == "run_cancelled"
    scene.check()


class DoubtfulOnce(MemoryLog):
    """Writes its first append and says that it failed."""

    doubts = 1

    def submit(self, append: Append, done: OnAppended) -> None:
        if self.doubts:
            self.doubts -= 1
            super().submit(append, lambda _: done(LogError("simulated")))
        else:
            super().submit(append, done)


def test_a_run_whose_start_only_seemed_to_fail_keeps_its_session_busy() -> None:
    agent = Agent(name="a", model=ScriptedModel(["OnAppended."]))
    with Runtime(DoubtfulOnce(), [agent]) as runtime:
        with pytest.raises(LogError):
            runtime.start(agent, "first", session="talk")
        with pytest.raises(SessionBusy):
            runtime.start(agent, "second", session="talk")


def test_a_plan_whose_synthesis_is_not_its_last_step_comes_to_its_end() -> None:
    def step(name: str, tool: str, *depends_on: str) -> dict[str, Json]:
        return {
            "id": name, "description": "Do it", "tool": tool, "arguments": "{}",
            "depends_on": list(depends_on), "for_each": "",
        }  # fmt: skip

    plan = json.dumps({"steps": [step("s0", "synthesize"), step("s1", "plain", "s0")]})

    def agent() -> Agent:
        model = ScriptedModel([plan, "So far.", "OnAppended."])
        return Agent(name="a", model=model, tools=[plain], strategy="plan")

    simulate(agent, 1, faults=(), mode="liveness").check()


class DoubtsChildren(MemoryLog):
    """Writes a child's first append and says that it failed."""

    def submit(self, append: Append, done: OnAppended) -> None:
        begins = "." in append.run and append.expected.seq == 0
        super().submit(append, (lambda _: done(LogError("simulated"))) if begins else done)


def test_a_child_whose_start_only_seemed_to_fail_is_carried_on() -> None:
    child = Agent(name="helper", model=ScriptedModel(["Helped."]), description="Helps.")
    model = ScriptedModel([call("helper", task="help"), "OnAppended."])
    parent = Agent(name="parent", model=model, tools=[child])
    log = DoubtsChildren()
    with Runtime(log, [parent]) as runtime:
        runtime.run(parent, "go")
    records = [decode(row, log.body) for row in log.follow()]
    (ended,) = (r.event for r in records if isinstance(r.event, ChildFinished))
    assert (ended.status, ended.answer) == ("finished", "Helped.")


def test_an_effect_that_is_cancelled_before_its_first_step_gives_its_outcome_all_the_same() -> None:
    scene = Scene(Agent(name="a", model=ScriptedModel(["OnAppended."], latency=60.0)))
    scene.process((0, scene.starts()), (5, dies))

    def cancel_at_once(process: Process) -> None:
        engine = process.engine
        state = engine.state("run-1")
        (intent,) = state.open.values()
        engine.taken.add("run-1")
        engine.effects.recover(intent, state)
        engine.effects.cancel(state)

    scene.before_taking_up(cancel_at_once)
    assert scene.kinds()[-1] == "run_failed"
    scene.check()


def test_two_targets_of_one_model_that_differ_in_settings_are_told_apart() -> None:
    asked: list[int] = []

    def script(body: dict[str, Any]) -> Scripted:
        asked.append(body["max_tokens"])
        return "no number" if len(asked) < 3 else "3"

    ladder = [Target(model="m"), Target(model="m", max_tokens=77)]
    agent = Agent(
        name="a", model=ScriptedModel(script), output=int, max_tokens=500,
        routing={"reasoning": ladder},
    )  # fmt: skip
    log = MemoryLog()
    with Runtime(log, [agent]) as runtime:
        run = runtime.run(agent, "count").run_id
    assert asked == [500, 77, 77]
    assert replay(log, run).matches


def test_a_pause_does_not_hide_the_bug_of_a_role_that_had_paused_the_run() -> None:
    scene = Scene(Agent(name="a", model=ScriptedModel(["OnAppended."])))
    scene.process((0, scene.starts()), (0, dies))
    bug = RunPaused(reason="a role raised", role="executor", error="ValueError: no")
    scene.before_taking_up(says(bug))
    scene.before_taking_up(says(RunPaused(reason="a person")))
    state = load_state(scene.log, "run-1")
    assert state.paused == bug


def test_a_summary_that_broke_off_is_billed_by_its_own_bound() -> None:
    agent = Agent(name="a", model="m", memory=MemoryRules(summary_tokens=50), max_tokens=4096)
    asked = SummaryRequested(
        step="main", round=1, attempt=1, model="m", request="", reserved_tokens=999
    )
    failed = ModelFailed(
        error="truncated", message="", retryable=True, usage=Usage(input_tokens=100)
    )
    bills = ledger(
        [
            Record(
                "r",
                1,
                1,
                "user",
                "outside",
                None,
                RunStarted(goal="g", agent=agent.spec(), code=""),
            ),
            Record("r", 2, 1, "memory", "decided", 1, asked),
            Record("r", 3, 1, "executor", "effect", 2, failed),
        ]
    )
    assert [line.usage.output_tokens for line in bills] == [50]


def test_a_flipped_bit_in_an_index_that_hides_a_run_is_named() -> None:
    ends, in_silence = damage_many(3_000_000, 10)
    assert ends.total() == 10
    assert in_silence == []


def test_a_log_whose_first_page_a_power_cut_has_torn_opens() -> None:
    assert cut_power(5_000_175)[0] is None


def test_verify_names_a_record_whose_field_a_flipped_bit_made_another_type() -> None:
    ends, in_silence = damage_many(194, 1)  # its hash became NULL, and verify raised TypeError
    assert in_silence == []
    assert sum(ends.values()) == 1
