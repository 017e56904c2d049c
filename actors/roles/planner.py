"""The planner: chooses a strategy, starts the steps, and is the only role that ends the run."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from playhead.actors.planning.advance import advance, ask_for_plan, planned
from playhead.actors.planning.strategy import choose, chosen_by
from playhead.actors.remembering.extract_facts import extraction_due
from playhead.actors.remembering.recall import recall_due, to_store
from playhead.actors.roles.role import Role, RoleName, heard, outcomes_of
from playhead.events.event import Address, Event
from playhead.events.kinds.approvals import (
    RULES,
    ApprovalDecided,
    FunctionAsked,
    InstructionsAsked,
    LoopDetected,
    RuleAnswered,
    StrategyAsked,
)
from playhead.events.kinds.child_runs import ChildStarted
from playhead.events.kinds.facts import AnswerReached, ExtractionEnded
from playhead.events.kinds.forks import ForkChecked, ForkCheckRequested
from playhead.events.kinds.guardrails import GuardrailAsked, GuardrailDecided
from playhead.events.kinds.memory import MemoryRecalled, MemoryStored, RecallRequested
from playhead.events.kinds.model_calls import MODEL_CALLS
from playhead.events.kinds.plans import PlanProposed, PlanRevised
from playhead.events.kinds.runs import (
    CancelRequested,
    LimitReached,
    RunCancelled,
    RunFailed,
    RunFailing,
    RunFinished,
    RunResumed,
    RunStarted,
    StrategyChosen,
    TimeReached,
)
from playhead.events.kinds.steps import StepFailed, StepFinished, StepPurpose, StepStarted
from playhead.events.kinds.tool_calls import ATTEMPTS, CallAnswered, ToolRefused
from playhead.events.record import Record
from playhead.events.spec.plan import Strategy
from playhead.projections.plan.plan import PLANNING
from playhead.projections.plan.references import as_text
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import Stop
from playhead.tools.validation.answer import misfit

WHOLE_STEP = "main"
"""The name of the only step of a run without a plan."""

PURPOSES: Mapping[Strategy, StepPurpose] = {"react": "react", "direct": "direct"}


class Planner(Role):
    """Turn a goal into steps, and the ends of the steps into the end of the run."""

    name: ClassVar[RoleName] = "planner"
    hears: ClassVar[frozenset[Address]] = heard(
        RunStarted, RunResumed, StepFinished, StepFailed,
        CancelRequested, TimeReached, LimitReached, LoopDetected, ToolRefused, CallAnswered,
        PlanProposed, PlanRevised, ApprovalDecided, ExtractionEnded, MemoryStored,
        GuardrailDecided,
    ) | outcomes_of((
        *MODEL_CALLS, *ATTEMPTS, *RULES, GuardrailAsked, ChildStarted, ForkCheckRequested,
        RecallRequested,
    ))  # fmt: skip
    """Any outcome may be the last one that a stopping run waits for."""

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """Choose a strategy, start steps, end the run."""
        if state.answer is not None:
            waits = extraction_due(state) or state.guarded or not state.at_rest
            return [] if waits else [_finished(state, state.answer)]
        return [_held_back(state, event) for event in self._decide(state, record)]

    def stopping(self, state: RunState, record: Record) -> Sequence[Event]:
        """End the run with the last outcome."""
        done = state.stop is not None and state.at_rest and not to_store(state, record)
        done = done and not state.batches_left
        return [_ended_by(state.stop)] if done and state.stop is not None else []

    def _decide(self, state: RunState, record: Record) -> Sequence[Event]:
        match record.event, state.asked(record):
            case ((RunStarted() | MemoryRecalled()), _):
                return [] if recall_due(state) or state.goal_waits else _choose(state)
            case GuardrailDecided(), _ if state.goal_released == record.seq:
                return [] if recall_due(state) else _choose(state)
            case (
                RuleAnswered() as answered,
                (StrategyAsked() | FunctionAsked() | InstructionsAsked()) as asked,
            ):
                return _on_rule(state, asked, answered)
            case ((RuleAnswered() | ForkChecked()), _):
                return []
            case (StepFinished() | StepFailed()) as ended, _:
                return _on_step(state, ended)
            case _ if state.plan is not None:
                return advance(state, state.plan)
            case _:
                return []


def _finished(state: RunState, reached: AnswerReached) -> RunFinished:
    """The end that was held back."""
    return RunFinished(answer=reached.answer, output=reached.output, agent=state.handed_to)


def _held_back(state: RunState, event: Event) -> Event:
    """A run says that it ends, and ends once its facts are extracted and nothing is open."""
    match event:
        case RunFinished(answer=answer, output=output) if extraction_due(state) or state.guarded:
            return AnswerReached(answer=answer, output=output)
        case RunFinished() if state.handed_to is not None:
            return event.model_copy(update={"agent": state.handed_to})
        case RunFailed(reason=reason, message=message) if state.open or state.batches_left:
            return RunFailing(reason=reason, message=message)
        case _:
            return event


def _choose(state: RunState) -> Sequence[Event]:
    """Choose the strategy for the goal; first the instructions are asked for, if a function is."""
    goal, agent = state.run_started.goal, state.agent
    if agent.instructions_asked and state.instructions is None:
        return [InstructionsAsked()]
    if agent.strategy == "asked":
        return [StrategyAsked(goal=goal, tools=tuple(tool.name for tool in agent.tools))]
    return _begin(state, choose(goal, agent, session=_in_session(state)))


def _in_session(state: RunState) -> bool:
    return state.run_started.session is not None


def _begin(state: RunState, chosen: StrategyChosen) -> Sequence[Event]:
    goal = state.run_started.goal
    match chosen.strategy:
        case "plan":
            return [chosen, ask_for_plan(state)]
        case "function":
            return [chosen, FunctionAsked(goal=goal)]
        case strategy:
            return [chosen, StepStarted(step=WHOLE_STEP, task=goal, purpose=PURPOSES[strategy])]


def _on_rule(
    state: RunState,
    asked: StrategyAsked | FunctionAsked | InstructionsAsked,
    answered: RuleAnswered,
) -> Sequence[Event]:
    if answered.error == "interrupted":
        return [asked]
    if isinstance(asked, InstructionsAsked):
        if answered.error is not None:
            return [RunFailed(reason="instructions", message=answered.error)]
        return _choose(state)
    if isinstance(asked, StrategyAsked):
        session = _in_session(state)
        return _begin(state, chosen_by(answered, asked.goal, state.agent, session=session))
    return [_answered(state, answered)]


def _answered(state: RunState, answered: RuleAnswered) -> Event:
    """The end of a run whose task is a user function."""
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
    if plan is not None and ended.step != PLANNING:
        return advance(state, plan)
    if isinstance(ended, StepFailed):
        return [RunFailed(reason=ended.reason, message=ended.message)]
    if plan is None:
        return [RunFinished(answer=ended.answer, output=ended.output)]
    return [planned(plan, ended)]


def _ended_by(stop: Stop) -> Event:
    if stop.kind == "cancelled":
        return RunCancelled(reason=stop.message)
    return RunFailed(reason=stop.reason, message=stop.message)
