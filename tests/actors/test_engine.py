"""The engine: who decides what, what a raising role does, many runs at once, idle ones put away."""

# The engine inside a Runtime is looked at here, and nowhere else.
# pyright: reportPrivateUsage=false

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from playhead import Agent, Capacity, PlayheadError, RunNotFinished, Runtime
from playhead.actors.engine.load_state import load_state
from playhead.actors.engine.turn import Trigger, Turn
from playhead.actors.performing.effects import DECIDERS, EFFECTS, ROWS, AnyEffect
from playhead.actors.replay import pure_roles
from playhead.actors.roles.executor import Executor
from playhead.actors.roles.memory import MemoryRole
from playhead.actors.roles.role import ORDER, heard
from playhead.events.errors import AdmissionRefused
from playhead.events.event import Event, Outcome
from playhead.events.kinds.approvals import ApprovalRequested
from playhead.events.kinds.facts import ExtractionEnded
from playhead.events.kinds.memory import EmbedRequested
from playhead.events.kinds.model_calls import MODEL_CALLS, ExtractionRequested, SummaryRequested
from playhead.events.kinds.runs import CancelRequested, LimitReached, RunFinished, RunPaused
from playhead.events.kinds.steps import StepFinished, StepStarted
from playhead.events.kinds.tool_calls import MemoryToolStarted
from playhead.events.log.memory import MemoryLog
from playhead.events.record import Record
from playhead.events.registry import ENDINGS, INTENTS, KINDS, OUTCOMES
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState
from playhead.testing import ScriptedModel, call
from tests.actors.test_guards import pay, until
from tests.support.agents import add, broken, kinds, records, runtime

OUTSIDE = {
    "run_started", "message_received", "cancel_requested", "time_reached", "approval_decided",
    "run_paused", "run_resumed", "tool_resolved", "tool_pinned", "run_forked", "fact_retracted",
    "memory_forgotten", "namespace_forgotten", "learnings_promoted", "embed_requested",
    "call_answered", "notice_sent", "schedule_set", "schedule_cancelled", "schedule_fired",
    "firings_missed",
}  # fmt: skip
"""Kinds that no role decides: somebody outside, or the runtime, brings them."""

BESIDE_RUNS = {"embed_requested"}
"""Intents of memory streams: `playhead.memory.store` performs them."""

ABOUT_THE_LOG = {
    cls.model_fields["kind"].default
    for cls in KINDS.values()
    if cls.__module__.endswith((".logs", ".evaluations"))
}


def test_every_kind_is_decided_or_comes_from_outside_or_from_an_effect() -> None:
    for kind, cls in KINDS.items():
        sources = [cls in DECIDERS, kind in OUTCOMES, kind in OUTSIDE | ABOUT_THE_LOG]
        assert sources.count(True) == 1, kind


def test_a_kind_has_one_deciding_role_but_for_limits_and_for_what_a_person_is_asked() -> None:
    shared = {cls for cls, roles in DECIDERS.items() if len(roles) != 1}
    assert shared == {LimitReached, ApprovalRequested}
    assert {role for roles in DECIDERS.values() for role in roles} == set(ORDER)


def test_every_intent_of_a_run_stands_in_the_table_once() -> None:
    assert {cls for kind, cls in KINDS.items() if kind in INTENTS} == {*EFFECTS, EmbedRequested}
    assert len(EFFECTS) == len(ROWS)


def test_an_intent_is_performed_by_the_role_that_decides_it_but_for_what_one_does_for_another() -> (
    None
):
    lent = {row.intent: row.performs for row in ROWS if row.performs != row.decides}
    assert lent == {
        SummaryRequested: "executor", ExtractionRequested: "executor", MemoryToolStarted: "memory",
    }  # fmt: skip
    assert {EFFECTS[cls].performs for cls in MODEL_CALLS} == {"executor"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.intent.__name__)
def test_an_effect_that_broke_ends_in_an_outcome_that_its_intent_allows(row: AnyEffect) -> None:
    assert isinstance(row.broken("internal_error", "a bug"), row.intent.OUTCOMES)


def test_the_planner_alone_ends_a_run() -> None:
    assert {DECIDERS[KINDS[kind]] for kind in ENDINGS} == {("planner",)}


def test_roles_hear_only_what_can_happen() -> None:
    for role in pure_roles().values():
        for cls, intent in role.hears:
            assert cls in KINDS.values()
            assert intent in EFFECTS if issubclass(cls, Outcome) else intent is None


class Stumbling:
    """Stands in for the executor's decide: it raises on some goals, some times."""

    def __init__(self, made: Runtime, times: int) -> None:
        role = made._engine.roles["executor"]
        self.inner = role.decide
        self.times = times
        role.decide = self.decide  # type: ignore[method-assign]

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        if "stumble" in state.run_started.goal and self.times:
            self.times -= 1
            raise ZeroDivisionError("a bug")
        return self.inner(state, record)


def test_a_role_that_raises_twice_pauses_its_run_and_nobody_elses() -> None:
    agent = Agent(name="a", model=ScriptedModel(lambda _: "fine"))
    with runtime(agent) as (made, log):
        role = Stumbling(made, times=2)
        broken = made.start(agent, "stumble")
        with pytest.raises(RunNotFinished, match="a role raised"):
            broken.wait()
        assert made.run(agent, "walk").answer == "fine"
        paused = records(log, broken.id)[-1].event
        assert isinstance(paused, RunPaused)
        assert (paused.role, paused.error) == ("executor", "ZeroDivisionError: a bug")
        assert records(log, broken.id)[0].held
        role.times = 0
        broken.resume()
        assert broken.wait().answer == "fine"
        assert made.replay(broken.id).matches


def test_a_role_that_raises_once_gets_its_turn_again_and_nothing_is_seen_of_it() -> None:
    agent = Agent(name="a", model=ScriptedModel(lambda _: "fine"))
    with runtime(agent) as (made, log):
        Stumbling(made, times=1)
        result = made.run(agent, "stumble")
        assert result.answer == "fine"
        assert not any(record.held for record in records(log, result.run_id))


def test_a_role_may_not_decide_what_is_anothers() -> None:
    agent = Agent(name="a", model=ScriptedModel(lambda _: "fine"))
    with runtime(agent) as (made, log):
        role = made._engine.roles["executor"]
        role.decide = lambda *_: [RunFinished(answer="mine")]  # type: ignore[method-assign]
        run = made.start(agent, "go")
        with pytest.raises(RunNotFinished, match="raised"):
            run.wait()
        assert "run_finished" not in kinds(log, run.id)


def test_nothing_is_decided_once_a_run_has_ended() -> None:
    agent = Agent(name="a", model=ScriptedModel(lambda _: "fine"))
    with runtime(agent) as (made, log):
        role = made._engine.roles["planner"]
        decide = role.decide

        def forgetful(state: RunState, record: Record) -> Sequence[Event]:
            decided = list(decide(state, record))
            ended = any(isinstance(event, RunFinished) for event in decided)
            return [*decided, StepStarted(step="more", task="more")] if ended else decided

        role.decide = forgetful  # type: ignore[method-assign]
        run = made.start(agent, "go")
        with pytest.raises(RunNotFinished, match="raised"):
            run.wait()
        paused = records(log, run.id)[-1].event
        assert isinstance(paused, RunPaused)
        assert paused.error is not None
        assert "planner may not decide step_started: the run has ended" in paused.error


def test_what_has_ended_is_shown_to_no_later_role() -> None:
    agent = Agent(name="a", model=ScriptedModel(lambda _: "fine"))

    class Talkative(MemoryRole):
        """It would say something after the end."""

        hears = MemoryRole.hears | heard(RunFinished, StepFinished)

        def decide(self, state: RunState, record: Record) -> Sequence[Event]:
            if isinstance(record.event, RunFinished | StepFinished):
                return [ExtractionEnded(learned=0)]
            return super().decide(state, record)

    with runtime(agent) as (made, log):
        run = made.run(agent, "go").run_id
        whole = records(log, run)
    state = RunState(run)
    for record in whole[:-3]:
        fold(state, record)
    answered = Trigger(whole[-3].event, "executor", "effect", whole[-3].cause)
    turn = Turn(state, answered, whole[-3].at).settle({**pure_roles(), "memory": Talkative()})
    assert [r.event.kind for r in turn] == ["model_answered", "step_finished", "run_finished"]


def test_a_run_that_is_stopping_starts_nothing() -> None:
    agent = Agent(name="a", model=ScriptedModel(lambda _: "fine"))
    with runtime(agent) as (made, log):
        whole = records(log, made.run(agent, "go").run_id)
    again = next(r.event for r in whole if r.event.kind == "model_requested")

    class Restless(Executor):
        """It asks the model whatever has been said."""

        hears = Executor.hears | heard(CancelRequested)

        def stopping(self, state: RunState, record: Record) -> Sequence[Event]:
            return [again]

    state = RunState("r")
    for record in whole[:4]:
        fold(state, record)
    cancel = Trigger(CancelRequested(), "user", "outside")
    with pytest.raises(PermissionError, match="the run is stopping"):
        Turn(state, cancel, whole[3].at).settle({**pure_roles(), "executor": Restless()})


def test_idle_runs_leave_memory_and_come_back_as_they_were() -> None:
    agent = Agent(
        name="payer",
        model=ScriptedModel(
            lambda body: "ok" if len(body["messages"]) > 1 else call("pay", amount=1)
        ),
        tools=[pay],
    )
    with runtime(agent) as (made, _):
        made._engine._keep_idle = 2
        waiting = [made.start(agent, f"pay {n}") for n in range(8)]
        for run in waiting:
            until(run, "approval_requested")
        made.run(Agent(name="other", model=ScriptedModel(["x"])), "something else")
        assert len(made._engine._stages) <= 3
        for run in waiting:
            run.approve(run.approvals()[0].call)
        assert all(run.wait().answer == "ok" for run in waiting)
        assert all(made.replay(run.id).matches for run in waiting)


def test_a_hundred_runs_at_once_need_few_threads_and_none_fails() -> None:
    begun, gate = threading.Semaphore(0), asyncio.Event()

    async def reply(body: dict[str, Any]) -> Any:
        if len(body["messages"]) == 1:
            begun.release()
            await gate.wait()
            return call("add", a=1, b=2)
        return "3"

    agent = Agent(name="many", model=ScriptedModel(reply), tools=[add])
    with runtime(agent, capacity=Capacity(model_calls=100)) as (made, _):
        started = [made.start(agent, f"run {n}") for n in range(100)]
        for _ in started:
            assert begun.acquire(timeout=30)
        made._thread.loop.call_soon_threadsafe(gate.set)
        assert {run.wait().answer for run in started} == {"3"}
        assert threading.active_count() <= 20


def test_live_state_equals_the_state_folded_from_the_log() -> None:
    agent = Agent(
        name="payer",
        model=ScriptedModel([[call("add", a=1, b=2), call("pay", amount=3)]]),
        tools=[add, pay],
    )
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        until(run, "tool_succeeded")
        live, folded = made._engine.state(run.id), load_state(log, run.id)
        for name in ("head", "at", "status", "calls", "open", "ready", "spent", "first_at"):
            assert getattr(live, name) == getattr(folded, name), name
        step, again = live.steps["main"], folded.steps["main"]
        assert step.context.request("m").hash == again.context.request("m").hash
        run.cancel()


def test_a_goal_that_json_cannot_carry_is_refused_and_nothing_is_logged() -> None:
    log = MemoryLog()
    with Runtime(log) as made:
        with pytest.raises(PlayheadError, match="stored"):
            made.start(Agent(name="a", model=ScriptedModel([])), "a lone \ud800 surrogate")
        assert list(log.streams()) == []


def test_a_watcher_that_raises_harms_neither_the_run_nor_other_watchers() -> None:
    seen: list[str] = []
    agent = Agent(name="a", model=ScriptedModel(["fine"]))
    with runtime(agent) as (made, _):
        made.watch(broken)
        made.watch(lambda _, together: seen.extend(r.event.kind for r in together))
        assert made.run(agent, "go").answer == "fine"
    assert seen[-1] == "run_finished"


def test_over_the_admission_limit_a_run_is_refused_before_it_is_logged() -> None:
    agent = Agent(name="payer", model=ScriptedModel([call("pay", amount=1)]), tools=[pay])
    with runtime(agent, capacity=Capacity(open_runs=1)) as (made, log):
        run = made.start(agent, "one")
        with pytest.raises(AdmissionRefused):
            made.start(agent, "two")
        assert [stream.id for stream in log.streams()] == [run.id]
        run.cancel()


def test_what_is_redacted_is_seen_by_neither_model_nor_log() -> None:
    model = ScriptedModel([call("add", a=1, b=2), "the key is SECRET-42"])
    agent = Agent(name="a", model=model, tools=[add])

    def redact(text: str) -> str:
        return text.replace("SECRET-42", "[redacted]")

    with runtime(agent, redact=redact) as (made, log):
        result = made.run(agent, "use SECRET-42")
        assert result.answer == "the key is [redacted]"
        assert all("SECRET-42" not in request.content.decode() for request in model.requests)
        assert all(b"SECRET-42" not in row.data for row in log.read(result.run_id))
