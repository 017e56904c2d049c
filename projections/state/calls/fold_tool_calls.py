"""How a tool call, or an agent called as one, is wished, approved, started and ended."""

from pydantic_core import to_json

from playhead.events.event import Event
from playhead.events.kinds import approvals, child_runs, tool_calls
from playhead.events.record import Record
from playhead.projections.prompt.tool_result import READ_RESULT, RenderedResult
from playhead.projections.state.run_state import FoldFunction, RunState, tool_of
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
    if event.about == "call":
        state.calls[event.call].waits = event
    elif state.plan is not None:
        state.plan.waits, state.plan.lapsed = event, False


def _approval_decided(state: RunState, record: Record, event: approvals.ApprovalDecided) -> None:
    plan, call = state.plan, state.calls.get(event.call)
    if plan is not None and plan.waits is not None and plan.waits.call == event.call:
        plan.decided(event)
    if call is None or call.waits is None or call.waits.binding != event.binding:
        return
    call.waits, call.approved = None, event.approved
    if event.approved and event.arguments is not None:
        call.arguments = event.arguments
        changed = f"A person approved the call of {call.requested.tool} with other arguments: "
        said = changed + to_json(event.arguments).decode()
        state.steps[call.requested.step].context.user(said, seq=record.seq)


def _rule_asked(state: RunState, record: Record, event: approvals.RuleAsked) -> None:
    state.open[record.seq] = record
    if event.call is not None:
        state.calls[event.call].asked = True
    if event.rule == "router":
        state.ready.pop(event.step or "", None)


def _rule_answered(state: RunState, record: Record, event: approvals.RuleAnswered) -> None:
    intent = state.intent_of(record)
    assert isinstance(intent, approvals.RuleAsked)
    if event.error == "interrupted":
        state.interruption(record)
    if intent.call in state.calls:
        call = state.calls[intent.call]
        call.asked, call.cleared = False, intent.rule == "fork" and event.answer is False
    if intent.rule == "router":
        _routed(state, state.steps[intent.step or ""], event)


def _routed(state: RunState, step: Step, event: approvals.RuleAnswered) -> None:
    state.ready[step.id] = None
    if isinstance(event.answer, str) and event.answer:
        step.task_type, step.why = event.answer, "the router says so"
    elif event.error != "interrupted":
        step.task_type = state.agent.task_type
        step.why = f"the router failed ({event.error or 'it gave no type'})"


def _tool_started(state: RunState, record: Record, event: tool_calls.ToolStarted) -> None:
    state.open[record.seq] = record
    call = state.calls[event.call]
    call.attempts, call.started = event.attempt, record.seq
    _count_call(state, call, event.attempt == 1)


def _child_started(state: RunState, record: Record, event: child_runs.ChildStarted) -> None:
    state.open[record.seq] = record
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


def _child_finished(state: RunState, record: Record, event: child_runs.ChildFinished) -> None:
    spent, used = state.spent, event.spent
    spent.children.pop(record.cause or 0, None)
    spent.steps += used.steps
    spent.model_calls += used.model_calls
    spent.tool_calls += used.tool_calls
    spent.tokens += used.tokens
    spent.cost += used.cost
    spent.unpriced += used.unpriced
    state.interrupted = 0
    _close_call(state, state.intent_of(record), event, record.seq)


def _tool_unknown(state: RunState, record: Record, event: tool_calls.ToolOutcomeUnknown) -> None:
    if event.reason == "interrupted":
        state.interruption(record)
    _close_call(state, state.intent_of(record), event, record.seq)


def _tool_ended(state: RunState, record: Record, event: Event) -> None:
    state.interrupted = 0
    _close_call(state, state.intent_of(record), event, record.seq)


def _tool_failed(state: RunState, record: Record, event: tool_calls.ToolFailed) -> None:
    intent = state.intent_of(record)
    assert isinstance(intent, tool_calls.ToolStarted)
    if event.error == "interrupted":
        state.interruption(record)
    else:
        state.interrupted = 0
    if state.retries(record):
        state.calls[intent.call].started = None
        state.calls[intent.call].cleared = False
    else:
        _close_call(state, intent, event, record.seq)


def _tool_refused(state: RunState, record: Record, event: tool_calls.ToolRefused) -> None:
    _close_call(state, event, event, record.seq)


def _tool_resolved(state: RunState, record: Record, event: tool_calls.ToolResolved) -> None:
    found = "did take effect" if event.succeeded else "did not take effect"
    note = f": {event.note}" if event.note else "."
    for step in state.steps.values():
        step.context.user(
            f"A person looked into call {event.call}, whose outcome was unknown: it {found}{note}",
            seq=record.seq,
        )
        step.unread = True


def _close_call(state: RunState, about: Event, outcome: Event, seq: int) -> None:
    assert isinstance(
        about, tool_calls.ToolStarted | tool_calls.ToolRefused | child_runs.ChildStarted
    )
    call = state.closed[about.call] = state.calls.pop(about.call)
    step = state.steps[call.requested.step]
    step.calls -= 1
    step.outcome = outcome
    shown = RenderedResult(
        f"{call.run}:{call.seq}", call.spec, tool_of(step.agent, READ_RESULT) is not None
    )
    step.context.resulted(call.seq, outcome, seq, shown)
    step.loop_guard.add(call.requested.tool, call.arguments, outcome)
    if not step.calls:
        state.ready[step.id] = None


CALLS: dict[str, FoldFunction] = {
    "child_started": _child_started,
    "child_finished": _child_finished,
    "tool_requested": _tool_requested,
    "tool_started": _tool_started,
    "tool_succeeded": _tool_ended,
    "tool_failed": _tool_failed,
    "tool_outcome_unknown": _tool_unknown,
    "tool_refused": _tool_refused,
    "tool_resolved": _tool_resolved,
    "approval_requested": _approval_requested,
    "approval_decided": _approval_decided,
    "rule_asked": _rule_asked,
    "rule_answered": _rule_answered,
}
