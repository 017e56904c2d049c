"""The tool role: turns requested calls into attempts or refusals; restarts interrupted attempts."""

from collections.abc import Sequence
from typing import ClassVar

from playhead.actors.requests.backoff import not_before
from playhead.actors.requests.budget_shares import child_share
from playhead.actors.roles.role import Role, RoleName, heard, outcomes_of
from playhead.events.event import Address, Event, Intent
from playhead.events.kinds.approvals import (
    ApprovalDecided,
    ApprovalRequested,
    ApprovalRuleAsked,
    LoopDetected,
    RuleAnswered,
)
from playhead.events.kinds.child_runs import ChildStarted
from playhead.events.kinds.forks import ForkChecked, ForkCheckRequested
from playhead.events.kinds.guardrails import GuardrailDecided
from playhead.events.kinds.runs import (
    CancelRequested,
    LimitReached,
    RunFailing,
    RunResumed,
    TimeReached,
)
from playhead.events.kinds.tool_calls import (
    ATTEMPTS,
    AttemptStarted,
    MemoryToolStarted,
    Refusal,
    ToolDeferred,
    ToolFailed,
    ToolInputRequired,
    ToolRefused,
    ToolRequested,
    ToolStarted,
)
from playhead.events.kinds.waits import AnswerAwaited
from playhead.events.record import Record
from playhead.events.spec.agent import AgentSpec
from playhead.events.spec.tool import Retry
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import ToolCall
from playhead.tools.calls.approval import binding, matches
from playhead.tools.calls.input import questions_hash
from playhead.tools.validation.arguments import check, suggest_tool

STOPPED = "not started: the run is stopping"
UNANSWERED = "the run is stopping before its answer came; what was begun may go on outside"
NO_INPUT = "not finished: the run is stopping, and nobody has answered what the tool asked"


class ToolRole(Role):
    """Check a requested call, ask a person if needed, start it as often as its class allows."""

    name: ClassVar[RoleName] = "tool"
    hears: ClassVar[frozenset[Address]] = (
        heard(
            ToolRequested,
            ApprovalDecided,
            TimeReached,
            CancelRequested,
            LimitReached,
            LoopDetected,
            GuardrailDecided,
            RunFailing,
            RunResumed,
        )
        | outcomes_of(ATTEMPTS, ToolFailed, ToolDeferred, ToolInputRequired)
        | outcomes_of((ApprovalRuleAsked, ForkCheckRequested))
    )

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """Start, retry, wait for a person, or refuse."""
        if isinstance(record.event, RunResumed):
            return _on_resumed(state)
        call = _waiting_call(state, record)
        if call is None:
            return []
        match record.event:
            case ToolRequested():
                return _on_requested(state, call)
            case ToolFailed() | ToolDeferred() | ToolInputRequired() as ended:
                return _on_attempt(state, call, record, ended)
            case RuleAnswered() | ForkChecked() as answered:
                return _on_answer(state, call, state.asked(record), answered)
            case ApprovalDecided() | TimeReached(due="approval") as verdict:
                return _on_verdict(state, call, verdict)
            case _:
                return []

    def stopping(self, state: RunState, record: Record) -> Sequence[Event]:
        """Refuse waiting calls; a call with an open question, once its answer is in."""
        calls = state.calls.values()
        waiting = [call for call in calls if call.started is None and not call.asked]
        return [_refused(call, "stopped", _unfinished(call)) for call in waiting]


def _unfinished(call: ToolCall) -> str:
    if call.required is not None:
        return NO_INPUT
    return STOPPED if call.deferred is None else UNANSWERED


def _waiting_call(state: RunState, record: Record) -> ToolCall | None:
    """The call that a record is about, if it is open and not running."""
    match record.event, state.asked(record):
        case ToolRequested(), _:
            call = state.calls.get(record.seq)
        case ((ApprovalDecided(call=int(seq)) | TimeReached(call=int(seq))), _):
            call = state.calls.get(seq)
        case _, (AttemptStarted() | ApprovalRuleAsked() | ForkCheckRequested()) as asked:
            call = state.calls.get(asked.call)
        case _:
            call = None
    return call if call is not None and call.started is None else None


def _on_resumed(state: RunState) -> Sequence[Event]:
    waiting = [call for call in state.calls.values() if call.imported and not call.started]
    return [event for call in waiting for event in _on_imported(state, call)]


def _on_requested(state: RunState, call: ToolCall) -> Sequence[Event]:
    if call.spec is None:
        names = [tool.name for tool in state.steps[call.requested.step].agent.tools]
        unknown = suggest_tool(call.requested.tool, names)
        return [_refused(call, "unknown_tool", unknown.message, unknown.hint)]
    wrong = check(call.spec, call.arguments)
    if wrong is not None:
        return [_refused(call, "invalid_arguments", wrong.message, wrong.hint)]
    approval = call.spec.approval
    if approval is None:
        return _start(state, call)
    if approval.when == "function":
        return [ApprovalRuleAsked(call=call.seq)]
    if approval.when == "matches" and not matches(approval, call.arguments):
        return _start(state, call)
    return [_ask_person(state, call)]


def _on_answer(
    state: RunState, call: ToolCall, asked: Intent | None, answered: RuleAnswered | ForkChecked
) -> Sequence[Event]:
    """A person is asked unless the rule says no, or the fork's parent made the same call."""
    if answered.error == "interrupted" and asked is not None:
        return [asked]
    match answered:
        case RuleAnswered(answer=False, error=None) | ForkChecked(recorded=True):
            return _start(state, call)
        case _:
            return [_ask_person(state, call, answered.error)]


def _on_verdict(
    state: RunState, call: ToolCall, decided: ApprovalDecided | TimeReached
) -> Sequence[Event]:
    if isinstance(decided, TimeReached):
        return _on_lapse(state, call)
    if call.waits is not None or call.spec is None:
        return []
    if call.required is not None:
        return _start(state, call)
    if not decided.approved:
        why = f": {decided.reason}" if decided.reason else "."
        return [_refused(call, "denied", f"a person denied this call{why}")]
    wrong = check(call.spec, call.arguments)
    if wrong is not None:
        return [_refused(call, "invalid_arguments", wrong.message, wrong.hint)]
    return _start(state, call)


def _on_imported(state: RunState, call: ToolCall) -> Sequence[Event]:
    """Requested elsewhere: approvals given there do not count; a person here must approve."""
    if call.waits is not None or call.approved or call.asked:
        return []
    if call.spec is None:
        return _on_requested(state, call)
    wrong = check(call.spec, call.arguments)
    if wrong is not None:
        return [_refused(call, "invalid_arguments", wrong.message, wrong.hint)]
    return [_ask_person(state, call)]


def _on_lapse(state: RunState, call: ToolCall) -> Sequence[Event]:
    if call.waits is None:
        return [] if call.required is None else _start(state, call)
    return [_refused(call, "denied", "nobody approved this call in time")]


def _awaited(state: RunState, call: ToolCall, deferred: ToolDeferred) -> AnswerAwaited:
    """A deferred call waits: for its answer, or for its time."""
    expires = deferred.expires
    return AnswerAwaited(
        about=deferred.about, call=call.seq, note=deferred.note,
        until=None if expires is None else state.at + int(expires * 1_000_000),
        counts=deferred.counts, run_ends=state.ends_by if deferred.counts else None,
    )  # fmt: skip


def _ask_person(
    state: RunState, call: ToolCall, rule_error: str | None = None
) -> ApprovalRequested:
    expires = None if call.tool.approval is None else call.tool.approval.expires
    return ApprovalRequested(
        call=call.seq,
        binding=binding(call.tool, call.arguments),
        expires_at=None if expires is None else state.at + int(expires * 1_000_000),
        rule_error=rule_error,
    )


def _ask_for_input(
    state: RunState, call: ToolCall, required: ToolInputRequired
) -> ApprovalRequested:
    expires = None if call.tool.approval is None else call.tool.approval.expires
    return ApprovalRequested(
        about="input",
        call=call.seq,
        binding=questions_hash(required),
        expires_at=None if expires is None else state.at + int(expires * 1_000_000),
        questions=required.questions,
        bound=required.bound,
    )


def _on_attempt(
    state: RunState,
    call: ToolCall,
    record: Record,
    ended: ToolFailed | ToolDeferred | ToolInputRequired,
) -> Sequence[Event]:
    """The attempt has ended, and the call has not."""
    if isinstance(ended, ToolInputRequired):
        return [_ask_for_input(state, call, ended)]
    if isinstance(ended, ToolDeferred):
        return [_awaited(state, call, ended)]
    return _again(state, call, record, ended)


def _again(state: RunState, call: ToolCall, record: Record, failed: ToolFailed) -> Sequence[Event]:
    """Another attempt: at once after an interruption, otherwise after a pause."""
    if failed.error == "interrupted":
        return _start(state, call)
    retry = call.tool.retry or Retry()
    return _start(state, call, not_before(record, call.attempts, retry, failed.retry_after))


def _start(state: RunState, call: ToolCall, wait: int | None = None) -> Sequence[Event]:
    if call.imported and not call.approved:
        return _on_imported(state, call)
    if call.spec is None:
        return []
    maximum, wanted = state.limits.max_tool_calls, state.spent.tool_calls_at_most + 1
    if call.attempts == 0 and maximum is not None and wanted > maximum:
        reached = LimitReached(limit="max_tool_calls", maximum=maximum, wanted=wanted)
        message = f"not started: the run may make {maximum} tool calls"
        return [reached, _refused(call, "limit", message)]
    step = state.steps[call.requested.step]
    share = None if step.limits is None else step.limits.max_tool_calls
    if call.attempts == 0 and share is not None and step.tool_calls + 1 > share:
        return [_refused(call, "limit", f"not started: this step may make {share} tool calls")]
    definition = call.spec.definition
    if _forks_effect(state, call):
        return [ForkCheckRequested(call=call.seq, definition=definition)]
    if call.spec.agent is not None:
        return [_start_child(state, call, call.spec.agent)]
    started = MemoryToolStarted if call.spec.performer == "memory" else ToolStarted
    attempt = call.attempts + 1
    return [started(call=call.seq, attempt=attempt, definition=definition, not_before=wait)]


def _start_child(state: RunState, call: ToolCall, agent: AgentSpec) -> Event:
    """A child run for the call, with an equal share of the remaining limits."""
    calls = [c for c in state.calls.values() if c.started is None and c.spec and c.spec.agent]
    parts = 1 + len(calls) + (0 if state.plan is None else state.plan.awaiting_budget)
    share = child_share(state, agent.limits, parts)
    if isinstance(share, str):
        message = f"not started: too little is left of {share} for a run of {agent.name}"
        return _refused(call, "limit", message)
    child = f"{state.run}.{state.head.seq + 1}"
    return ChildStarted(call=call.seq, run=child, limits=share)


def _forks_effect(state: RunState, call: ToolCall) -> bool:
    """Whether a fork would repeat a side effect of its parent without approval.

    Effects of memory tools stay in the fork.
    """
    if state.forked is None or call.approved or call.cleared:
        return False
    if call.tool.performer == "memory":
        return False
    return call.tool.effect != "read" and call.requested.tool not in state.forked.allow


def _refused(call: ToolCall, reason: Refusal, message: str, hint: str | None = None) -> ToolRefused:
    return ToolRefused(call=call.seq, reason=reason, message=message, hint=hint)
