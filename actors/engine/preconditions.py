"""Rejects events that no longer apply to a run, with an error instead of an append."""

from playhead.actors.engine.turn import Trigger
from playhead.actors.planning.validate import read_plan
from playhead.events.errors import AnswerRefused, PlayheadError, UsageError
from playhead.events.kinds.approvals import ApprovalDecided, ApprovalRequested
from playhead.events.kinds.runs import MessageReceived, TimeReached
from playhead.events.kinds.tool_calls import CallAnswered
from playhead.projections.state.run_state import RunState
from playhead.tools.calls.input import answer_fault
from playhead.tools.validation.answer import misfit


def unmet_precondition(state: RunState, trigger: Trigger) -> PlayheadError | None:
    """Why an arriving event is not appended, such as: the run has ended, or the outcome exists."""
    if isinstance(trigger.event, CallAnswered):
        return _wrong_answer(state, trigger.event)
    if state.ending is not None:
        return UsageError(f"run {state.run} is {state.status} already")
    if trigger.origin == "effect" and trigger.cause not in state.open:
        return UsageError(f"record {trigger.cause} of run {state.run} has its outcome already")
    if isinstance(trigger.event, TimeReached):
        return _too_late(state, trigger.event)
    if isinstance(trigger.event, ApprovalDecided):
        return _wrong_approval(state, trigger.event)
    if isinstance(trigger.event, MessageReceived):
        said = trigger.event.text.strip() or trigger.event.content
        return None if said else UsageError("the message is blank: nothing was recorded")
    return None


def _waiting(state: RunState, seq: int) -> tuple[ApprovalRequested | None, bool]:
    """The open request about a call or the plan, and whether it has expired."""
    plan, call = state.plan, state.calls.get(seq)
    if plan is not None and plan.waits is not None and plan.waits.call == seq:
        return plan.waits, plan.lapsed
    return (None, False) if call is None else (call.waits, call.lapsed)


def _too_late(state: RunState, reached: TimeReached) -> PlayheadError | None:
    if state.stop is not None:
        return UsageError(f"run {state.run} is stopping already")
    if reached.due == "wait":
        open_ = reached.wait in state.waits
        return None if open_ else UsageError(f"run {state.run} does not wait for that any more")
    waits, lapsed = _waiting(state, reached.call or 0)
    if reached.due == "approval" and (waits is None or lapsed):
        return UsageError(f"{reached.call} of run {state.run} waits for no approval")
    return None


def _wrong_answer(state: RunState, answer: CallAnswered) -> PlayheadError | None:
    named, seq = f"call {answer.call} of run {state.run}", answer.call
    if state.ending is not None:
        return AnswerRefused("run_ended", seq, f"{named}: the run is {state.status} already")
    if state.stop is not None:
        return AnswerRefused("run_ended", seq, f"{named}: the run is stopping")
    call = state.calls.get(seq)
    if call is None or (call.deferred is None and call.started is None):
        return AnswerRefused("not_waiting", seq, f"{named} waits for no answer")
    if call.answer is not None:
        return AnswerRefused("answered", seq, f"{named} has its answer already")
    if call.deferred is None and (call.spec is None or call.spec.deferred is None):
        text = f"{named} is still at work: an answer as early as this needs a tool with deferred="
        return AnswerRefused("too_early", seq, text)
    schema = call.tool.answer_schema if call.deferred is None else call.deferred.answer_schema
    wrong = None if answer.error is not None or schema is None else misfit(schema, answer.result)
    if wrong is None:
        return None
    return AnswerRefused("wrong_type", seq, f"{named}: the answer is of the wrong type: {wrong}")


def _wrong_approval(state: RunState, decided: ApprovalDecided) -> PlayheadError | None:
    waits, lapsed = _waiting(state, decided.call)
    if waits is None:
        return UsageError(f"{decided.call} of run {state.run} waits for no approval")
    if lapsed:
        about = f"{waits.about} {decided.call} of run {state.run}"
        return UsageError(f"{about}: its approval has lapsed")
    if waits.binding != decided.binding:
        return UsageError(
            f"{waits.about} {decided.call} of run {state.run} is not what was approved: its "
            "arguments or its tool's definition differ; look at it again (`playhead approvals`)"
        )
    if waits.about == "input":
        fault = answer_fault(waits.questions or {}, decided)
        msg = f"call {decided.call} of run {state.run} asks for something else: {fault}"
        return None if fault is None else UsageError(msg)
    if waits.about == "call":
        return _no_call_has(decided.plan is not None, "steps")
    return _no_plan_has(decided.arguments is not None) or _wrong_plan(state, decided)


def _no_call_has(given: bool, what: str) -> PlayheadError | None:
    return UsageError(f"a call has no {what}: give it arguments") if given else None


def _no_plan_has(given: bool) -> PlayheadError | None:
    return UsageError("a plan has no arguments: give it other steps") if given else None


def _wrong_plan(state: RunState, decided: ApprovalDecided) -> PlayheadError | None:
    if decided.plan is None or state.plan is None:
        return None
    given = [step.model_dump(mode="json") for step in decided.plan]
    steps, fault = read_plan([*given], state.agent, state.plan)
    if fault is None and steps != decided.plan:
        fault = "the plan is not complete (Run.approve and `playhead plan edit` complete it)"
    return None if fault is None else UsageError(fault)
