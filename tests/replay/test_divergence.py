"""A replay by other code names the first record that it would have decided otherwise."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from playhead import Agent
from playhead.actors.replay import pure_roles, replay
from playhead.actors.roles.executor import Executor
from playhead.actors.roles.planner import Planner
from playhead.actors.roles.role import Role, RoleName
from playhead.actors.roles.tool import ToolRole
from playhead.events.event import Event
from playhead.events.kinds.approvals import LoopDetected
from playhead.events.kinds.model_calls import ModelRequested
from playhead.events.kinds.runs import RunFinished
from playhead.events.kinds.tool_calls import ToolRefused, ToolStarted
from playhead.events.log.memory import MemoryLog
from playhead.events.record import Record
from playhead.events.wording import WORDING
from playhead.projections.state.run_state import RunState
from playhead.testing import ScriptedModel, call
from tests.support.agents import add, records, runtime


@pytest.fixture(scope="module")
def run() -> tuple[MemoryLog, str]:
    agent: Agent[str] = Agent(
        name="a", tools=[add],
        model=ScriptedModel([call("add", a=1, b=2), call("add", a=3, b=4), "Done."]),
    )  # fmt: skip
    with runtime(agent) as (made, log):
        return log, made.run(agent, "go").run_id


class Shouting(Planner):
    """One line is different: the answer is shouted."""

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        decided = super().decide(state, record)
        return [
            e.model_copy(update={"answer": e.answer.upper()}) if isinstance(e, RunFinished) else e
            for e in decided
        ]


class Patient(ToolRole):
    """The second call of a run waits."""

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        decided = super().decide(state, record)
        late = state.spent.tool_calls >= 1
        return [
            e.model_copy(update={"not_before": 1}) if late and isinstance(e, ToolStarted) else e
            for e in decided
        ]


class Silent(Executor):
    """It never asks a second time."""

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        decided = super().decide(state, record)
        return [
            e for e in decided if not (isinstance(e, ModelRequested) and e.round > 1)
        ]  # fmt: skip


class Broken(Planner):
    """It raises at the end."""

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        if record.event.kind == "step_finished":
            msg = "a bug"
            raise RuntimeError(msg)
        return super().decide(state, record)


@pytest.mark.parametrize(
    ("role", "kind", "number", "field"),
    [
        (Shouting(), "run_finished", 0, "answer"),
        (Patient(), "tool_started", 1, "not_before"),
        (Silent(), "model_requested", 1, "missing"),
        (Broken(), "run_finished", 0, "raised"),
    ],
)
def test_a_change_of_one_line_is_reported_at_the_record_where_it_matters(
    run: tuple[MemoryLog, str], role: Role, kind: str, number: int, field: str
) -> None:
    log, name = run
    seqs = [r.seq for r in records(log, name) if r.event.kind == kind]
    report = replay(log, name, roles={**pure_roles(), role.name: role})
    at = report.divergence
    assert at is not None
    assert at.field == field
    if field == "raised":
        assert at.error == "RuntimeError: a bug"
        assert at.trigger < seqs[number]
    else:
        assert at.seq == seqs[number]
        assert at.recorded is not None
        assert at.recorded.seq == seqs[number]


class Eloquent(Executor):
    """It tells the model of a loop, and people of a model, in other words."""

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        return [self._say(event) for event in super().decide(state, record)]

    def _say(self, event: Event) -> Event:
        match event:
            case ModelRequested():
                return event.model_copy(update={"reason": "because"})
            case LoopDetected():
                return event.model_copy(update={"message": "Pray, cease."})
            case _:
                return event


class Impatient(Eloquent):
    """It stops where the other one warns."""

    def _say(self, event: Event) -> Event:
        if isinstance(event, LoopDetected):
            return event.model_copy(update={"action": "stop", "message": "Enough."})
        return event


class Silenced(ToolRole):
    """It gives no hint any more: that there is none changes what the model is told."""

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        decided = super().decide(state, record)
        return [
            e.model_copy(update={"hint": None}) if isinstance(e, ToolRefused) else e
            for e in decided
        ]


@pytest.fixture(scope="module")
def circling() -> tuple[MemoryLog, str]:
    """A run that is warned of a loop, and that has called what there is not."""
    same = [call("add", a=1, b=2)] * 4
    agent: Agent[str] = Agent(
        name="a", tools=[add], model=ScriptedModel([call("ad", a=1, b=2), *same, "Done."])
    )
    with runtime(agent) as (made, log):
        run = made.run(agent, "go").run_id
    assert "loop_detected" in [r.event.kind for r in records(log, run)]
    return log, run


def test_an_old_log_with_another_sentence_still_matches(circling: tuple[MemoryLog, str]) -> None:
    assert replay(*circling, roles={**pure_roles(), "executor": Eloquent()}).matches


@pytest.mark.parametrize(
    ("role", "kind", "field"),
    [(Impatient(), "loop_detected", "action"), (Silenced(), "tool_refused", "hint")],
)
def test_another_decision_does_not_match_however_it_is_worded(
    circling: tuple[MemoryLog, str], role: Role, kind: str, field: str
) -> None:
    log, name = circling
    at = replay(log, name, roles={**pure_roles(), role.name: role}).divergence
    assert at is not None
    assert at.field == field
    assert at.recorded is not None
    assert at.recorded.event.kind == kind


def test_what_counts_as_wording_is_a_text_field_of_its_kind() -> None:
    for cls, names in WORDING.items():
        for name in names:
            assert cls.model_fields[name].annotation in (str, str | None), (cls, name)


def test_a_change_that_decides_the_same_is_none(run: tuple[MemoryLog, str]) -> None:
    class Same(Planner):
        def decide(self, state: RunState, record: Record) -> Sequence[Event]:
            decided: list[Any] = list(super().decide(state, record))
            return [event.model_copy() for event in decided]

    assert replay(*run, roles={**pure_roles(), "planner": Same()}).matches


def reworded(role: Role, kind: str, field: str) -> Mapping[RoleName, Role]:
    """The role, but it says one thing in other words."""

    class Eloquent(type(role)):  # type: ignore[misc]
        def decide(self, state: RunState, record: Record) -> Sequence[Event]:
            return [
                e.model_copy(update={field: "in other words"}) if e.kind == kind else e
                for e in super().decide(state, record)
            ]

    return {**pure_roles(), role.name: Eloquent()}


@pytest.mark.parametrize(
    ("role", "kind"), [(Planner(), "strategy_chosen"), (Executor(), "model_requested")]
)
def test_a_sentence_for_people_may_be_bettered(
    run: tuple[MemoryLog, str], role: Role, kind: str
) -> None:
    assert replay(*run, roles=reworded(role, kind, "reason")).matches


def test_up_to_a_record_only_the_records_before_it_are_compared(
    run: tuple[MemoryLog, str],
) -> None:
    log, name = run
    last = log.head(name).seq
    roles: Mapping[RoleName, Role] = {**pure_roles(), "planner": Shouting()}
    for to in range(1, last + 1):
        assert replay(log, name, to, roles).matches == (to < last)
        assert replay(log, name, to).matches
