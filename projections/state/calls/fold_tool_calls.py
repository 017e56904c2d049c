"""How a tool call, or a call of an agent, is requested, approved, started and ended."""

from pydantic_core import to_json

from playhead.events.event import Event, Outcome
from playhead.events.kinds import approvals, child_runs, forks, tool_calls, waits
from playhead.events.record import Record
from playhead.projections.state.calls.deferred import answered, unanswered
from playhead.projections.state.guarded import guard_result, tell_outcome
from playhead.projections.state.run_state import FoldFunction, FoldOutcome, RunState, tool_of
from playhead.projections.state.step_state import Step, ToolCall


def _tool_requested(state: RunState, record: Record, event: tool_calls.ToolRequested) -> None:
    step = state.steps[event.step]
    spec = tool_of(step.agent, event.tool)
    call = ToolCall(record.seq, record.run, event, spec, event.arguments, scope=state.scope)
    state.calls[record.seq] = call
    state.ready.pop(step.id, None)
    step.calls += 1
    step.context.requested(record.seq, event)


def _approval_requested(state: RunState, _: Record, event: approvals.ApprovalRequested) -> None:
    if event.about != "plan":
        state.calls[event.call].waits = event
    elif state.plan is not None:
        state.plan.waits, state.plan.lapsed = event, False


def _approval_decided(state: RunState, record: Record, event: approvals.ApprovalDecided) -> None:
    plan, call = state.plan, state.calls.get(event.call)
    if plan is not None and plan.waits is not None and plan.waits.call == event.call:
        plan.decided(event)
    if call is None or call.waits is None or call.waits.binding != event.binding:
        return
    about, call.waits = call.waits.about, None
    if about == "input":
        call.input_answer = event
        return
    call.approved = event.approved
    if event.approved and event.arguments is not None:
        call.arguments = event.arguments
        changed = f"A person approved the call of {call.requested.tool} with other arguments: "
        said = changed + to_json(event.arguments).decode()
        state.steps[call.requested.step].context.user(said, seq=record.seq)


def _call_asked_about(
    state: RunState, _: Record, event: approvals.ApprovalRuleAsked | forks.ForkCheckRequested
) -> None:
    state.calls[event.call].asked = True


def _router_asked(state: RunState, _: Record, event: approvals.RouterAsked) -> None:
    state.ready.pop(event.step, None)


def _rule_answered(
    state: RunState, record: Record, event: approvals.RuleAnswered,
    asked: approvals.RuleAsked, intent: int,
) -> None:  # fmt: skip
    if event.error == "interrupted":
        state.interruption(record, intent)
    match asked:
        case approvals.ApprovalRuleAsked(call=call) if call in state.calls:
            state.calls[call].asked = state.calls[call].cleared = False
        case approvals.RouterAsked(step=step):
            _routed(state, state.steps[step], event)
        case approvals.InstructionsAsked() if isinstance(event.answer, str):
            state.instruct(event.answer)
        case _:
            pass


def _fork_checked(
    state: RunState, record: Record, event: forks.ForkChecked,
    asked: forks.ForkCheckRequested, intent: int,
) -> None:  # fmt: skip
    if event.error == "interrupted":
        state.interruption(record, intent)
    call = state.calls.get(asked.call)
    if call is not None:
        call.asked, call.cleared = False, event.recorded


def _routed(state: RunState, step: Step, event: approvals.RuleAnswered) -> None:
    state.ready[step.id] = None
    if isinstance(event.answer, str) and event.answer:
        step.task_type, step.why = event.answer, "the router says so"
    elif event.error != "interrupted":
        step.task_type = state.agent.task_type
        step.why = f"the router failed ({event.error or 'it gave no type'})"


def _answer_awaited(*_: object) -> None:
    """The wait itself is all that it adds."""


def _attempt_started(state: RunState, record: Record, event: tool_calls.AttemptStarted) -> None:
    call = state.calls[event.call]
    call.attempts, call.started = event.attempt, record.seq
    call.run_ends = state.ends_by
    _count_call(state, call, event.attempt == 1)


def _child_started(state: RunState, record: Record, event: child_runs.ChildStarted) -> None:
    call = state.calls[event.call]
    call.attempts, call.started = 1, record.seq
    state.spent.children[record.seq] = event.limits
    _count_call(state, call, True)


def _count_call(state: RunState, call: ToolCall, first: bool) -> None:
    step = state.steps[call.requested.step]
    state.spent.tool_calls += first
    step.tool_calls += first
    node = None if state.plan is None else state.plan.nodes.get(step.id)
    if node is not None and call.spec is not None:
        node.had_side_effects = node.had_side_effects or call.spec.effect != "read"


def _child_finished(
    state: RunState, record: Record, event: child_runs.ChildFinished,
    asked: child_runs.ChildStarted, intent: int,
) -> None:  # fmt: skip
    spent, used = state.spent, event.spent
    spent.children.pop(intent, None)
    spent.steps += used.steps
    spent.model_calls += used.model_calls
    spent.tool_calls += used.tool_calls
    spent.tokens += used.tokens
    spent.cost += used.cost
    spent.unpriced += used.unpriced
    state.interrupted = 0
    _close_call(state, asked.call, event, record.seq)


def _tool_unknown(
    state: RunState, record: Record, event: tool_calls.ToolOutcomeUnknown,
    asked: tool_calls.AttemptStarted, intent: int,
) -> None:  # fmt: skip
    if event.reason == "interrupted":
        state.interruption(record, intent)
    if not _answered_before(state, asked.call, record.seq):
        _close_call(state, asked.call, event, record.seq)


def _tool_deferred(
    state: RunState, record: Record, event: tool_calls.ToolDeferred,
    asked: tool_calls.AttemptStarted, _: int,
) -> None:  # fmt: skip
    state.interrupted = 0
    if not _answered_before(state, asked.call, record.seq):
        call = state.calls[asked.call]
        call.started, call.deferred, call.deferred_at = None, event, record.seq


def _answered_before(state: RunState, call: int, seq: int) -> bool:
    """End a call with the answer that came while its attempt was under way."""
    answer = state.calls[call].answer
    if answer is not None:
        _close_call(state, call, answered(answer), seq)
    return answer is not None


def _call_answered(state: RunState, record: Record, event: tool_calls.CallAnswered) -> None:
    call = state.calls.get(event.call)
    if call is None:
        return
    if call.deferred is None:
        call.answer = event
    else:
        _close_call(state, event.call, answered(event), record.seq)


def wait_over(state: RunState, record: Record, wait: int) -> None:
    """End a deferred call whose time has passed."""
    over = state.waits.get(wait)
    call = None if over is None else state.calls.get(over.call or 0)
    if call is not None and call.deferred is not None:
        _close_call(state, call.seq, unanswered(call.deferred), record.seq)


def _tool_succeeded(
    state: RunState, record: Record, event: tool_calls.ToolSucceeded,
    asked: tool_calls.AttemptStarted, _: int,
) -> None:  # fmt: skip
    state.interrupted = 0
    _close_call(state, asked.call, event, record.seq)


def _tool_failed(
    state: RunState, record: Record, event: tool_calls.ToolFailed,
    asked: tool_calls.AttemptStarted, intent: int,
) -> None:  # fmt: skip
    if event.error == "interrupted":
        state.interruption(record, intent)
    else:
        state.interrupted = 0
    if _answered_before(state, asked.call, record.seq):
        return
    if state.retries(asked, event):
        state.calls[asked.call].started = None
        state.calls[asked.call].cleared = False
    else:
        _close_call(state, asked.call, event, record.seq)


def _tool_input_required(
    state: RunState, _: Record, event: tool_calls.ToolInputRequired,
    asked: tool_calls.AttemptStarted, __: int,
) -> None:  # fmt: skip
    state.interrupted = 0
    call = state.calls[asked.call]
    call.started, call.cleared = None, False
    call.required, call.input_answer = event, None


def _tool_refused(state: RunState, record: Record, event: tool_calls.ToolRefused) -> None:
    _close_call(state, event.call, event, record.seq)


def _tool_resolved(state: RunState, record: Record, event: tool_calls.ToolResolved) -> None:
    found = "did take effect" if event.succeeded else "did not take effect"
    note = f": {event.note}" if event.note else "."
    for step in state.steps.values():
        step.context.user(
            f"A person looked into call {event.call}, whose outcome was unknown: it {found}{note}",
            seq=record.seq,
        )
        step.unread = True


def _close_call(state: RunState, ended: int, outcome: Event, seq: int) -> None:
    call = state.closed[ended] = state.calls.pop(ended)
    if not (state.agent.guardrails and guard_result(state, call, outcome, seq)):
        tell_outcome(state, call, outcome, seq)


CALLS: dict[type[Event], FoldFunction] = {
    child_runs.ChildStarted: _child_started,
    tool_calls.ToolRequested: _tool_requested,
    **dict.fromkeys(tool_calls.ATTEMPTS, _attempt_started),
    tool_calls.CallAnswered: _call_answered,
    tool_calls.ToolRefused: _tool_refused,
    tool_calls.ToolResolved: _tool_resolved,
    waits.AnswerAwaited: _answer_awaited,
    approvals.ApprovalRequested: _approval_requested,
    approvals.ApprovalDecided: _approval_decided,
    approvals.ApprovalRuleAsked: _call_asked_about,
    approvals.RouterAsked: _router_asked,
    forks.ForkCheckRequested: _call_asked_about,
}

CALL_OUTCOMES: dict[type[Outcome], FoldOutcome] = {
    child_runs.ChildFinished: _child_finished,
    tool_calls.ToolSucceeded: _tool_succeeded,
    tool_calls.ToolFailed: _tool_failed,
    tool_calls.ToolOutcomeUnknown: _tool_unknown,
    tool_calls.ToolInputRequired: _tool_input_required,
    tool_calls.ToolDeferred: _tool_deferred,
    approvals.RuleAnswered: _rule_answered,
    forks.ForkChecked: _fork_checked,
}
