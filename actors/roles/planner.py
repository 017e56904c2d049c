"""The planner: chooses how to reach the goal, starts the steps, and alone ends the run."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from playhead.actors.performing.services import Rule, Services
from playhead.actors.planning.advance import advance, ask_for_plan, planned
from playhead.actors.planning.strategy import choose, chosen_by
from playhead.actors.remembering.extract_facts import extraction_due, finish
from playhead.actors.remembering.recall import recall_due, to_store
from playhead.actors.roles.role import Job, Role, RoleName
from playhead.events.event import Event, Json
from playhead.events.kinds.approvals import RuleAnswered, RuleAsked
from playhead.events.kinds.facts import AnswerReached, ExtractionEnded
from playhead.events.kinds.memory import MemoryRecalled
from playhead.events.kinds.registry import OUTCOMES
from playhead.events.kinds.runs import (
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StrategyChosen,
)
from playhead.events.kinds.steps import StepFailed, StepFinished, StepPurpose, StepStarted
from playhead.events.record import Record
from playhead.events.spec.plan import Strategy
from playhead.projections.plan.plan import PLANNING
from playhead.projections.plan.references import as_text
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import Stop
from playhead.tools.calls.user_functions import ask_function
from playhead.tools.validation.answer import misfit

WHOLE_STEP = "main"
"""Without a plan, one step is the whole goal."""

PURPOSES: Mapping[Strategy, StepPurpose] = {"react": "react", "direct": "direct"}

BESIDE = frozenset(
    f"{outcome}:{purpose}"
    for outcome in ("model_answered", "model_failed")
    for purpose in ("summary", "extraction")
)
"""What model calls beside a step's own gave: a run that is stopping waits for it."""

STOPS = frozenset({
    "cancel_requested", "time_reached", "limit_reached", "loop_detected", "tool_refused",
})  # fmt: skip

PLANS = frozenset({"plan_proposed", "plan_revised", "approval_decided"})


class Planner(Role):
    """Turn a goal into steps, and their ends into the run's."""

    name: ClassVar[RoleName] = "planner"
    handles: ClassVar[frozenset[str]] = (
        frozenset({"run_started", "step_finished", "step_failed", "run_resumed"})
        | OUTCOMES | STOPS | PLANS | BESIDE
        | {"extraction_ended", "tool_succeeded:memory", "memory_stored"}
    )  # fmt: skip

    def __init__(self, services: Services | None = None) -> None:
        self._services = services

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """Choose, start, end."""
        if state.ending is not None:
            return []
        if state.stop is not None:
            done = state.at_rest and not to_store(state, record)
            return [_ended_by(state.stop)] if done else []
        if state.answer is not None:
            return [finish(state)] if isinstance(record.event, ExtractionEnded) else []
        return [_held_back(state, event) for event in self._decide(state, record)]

    def _decide(self, state: RunState, record: Record) -> Sequence[Event]:
        match record.event:
            case RunStarted() | MemoryRecalled():
                return [] if recall_due(state) else _choose(state)
            case RuleAnswered() as answered:
                return _on_rule(state, record, answered)
            case StepFinished() | StepFailed():
                return _on_step(state, record.event)
            case _ if state.plan is not None:
                return advance(state, state.plan)
            case _:
                return []

    async def perform(self, intent: Record, job: Job, agent: str) -> Event:
        """Ask a function of the user's: how to go about the goal, or for the answer itself."""
        assert isinstance(intent.event, RuleAsked)
        assert self._services is not None
        rule: Rule = "strategy" if intent.event.rule == "strategy" else "function"
        function = self._services.rule(agent, rule)
        if function is None:
            return RuleAnswered(error=f"the agent has no {rule} function any more")
        subject = intent.event.subject
        given = tuple(subject.values()) if isinstance(subject, dict) else (subject,)
        return await ask_function(rule, function, given, self._services.workers)

    def cut_off(self, intent: Record, job: Job, reason: str) -> Event:
        """An interrupted question is asked again."""
        return RuleAnswered(error=reason)


def _held_back(state: RunState, event: Event) -> Event:
    """A run with something to learn from has its answer first, and ends when that is done."""
    if isinstance(event, RunFinished) and extraction_due(state):
        return AnswerReached(answer=event.answer, output=event.output)
    return event


def _choose(state: RunState) -> Sequence[Event]:
    """How to go about the goal."""
    goal, agent = state.run_started.goal, state.agent
    if agent.strategy == "asked":
        tools: list[Json] = [tool.name for tool in agent.tools]
        return [RuleAsked(rule="strategy", subject={"goal": goal, "tools": tools})]
    return _begin(state, choose(goal, agent))


def _begin(state: RunState, chosen: StrategyChosen) -> Sequence[Event]:
    goal = state.run_started.goal
    match chosen.strategy:
        case "plan":
            return [chosen, ask_for_plan(state)]
        case "function":
            return [chosen, RuleAsked(rule="function", subject=goal)]
        case strategy:
            return [chosen, StepStarted(step=WHOLE_STEP, task=goal, purpose=PURPOSES[strategy])]


def _on_rule(state: RunState, record: Record, answered: RuleAnswered) -> Sequence[Event]:
    asked = state.intent_of(record)
    assert isinstance(asked, RuleAsked)
    if asked.rule not in ("strategy", "function"):
        return []
    if answered.error == "interrupted":
        return [asked]
    if asked.rule == "strategy":
        return _begin(state, chosen_by(answered, state.run_started.goal, state.agent))
    return [_answered(state, answered)]


def _answered(state: RunState, answered: RuleAnswered) -> Event:
    """The end of a run whose task is a plain function."""
    if answered.error is not None:
        return RunFailed(reason="function", message=answered.error)
    schema = state.agent.output_schema
    if schema is None:
        return RunFinished(answer=as_text(answered.answer))
    wrong = misfit(schema, answered.answer)
    if wrong is not None:
        return RunFailed(reason="invalid_output", message=wrong)
    return RunFinished(answer=as_text(answered.answer), output=answered.answer)


def _on_step(state: RunState, ended: StepFinished | StepFailed) -> Sequence[Event]:
    plan = state.plan
    if isinstance(ended, StepFailed) and (plan is None or ended.step == PLANNING):
        return [RunFailed(reason=ended.reason, message=ended.message)]
    if plan is None:
        assert isinstance(ended, StepFinished)
        return [RunFinished(answer=ended.answer, output=ended.output)]
    if isinstance(ended, StepFinished) and ended.step == PLANNING:
        return [planned(plan, ended)]
    return advance(state, plan)


def _ended_by(stop: Stop) -> Event:
    if stop.kind == "cancelled":
        return RunCancelled(reason=stop.message)
    return RunFailed(reason=stop.reason, message=stop.message)
