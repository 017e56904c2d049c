"""The tool role: turns wishes into attempts, or refuses them; starts what was interrupted again."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from playhead.actors.performing.services import Services
from playhead.actors.performing.tool_attempts import Attempts, same_tool
from playhead.actors.requests.backoff import not_before
from playhead.actors.requests.budget_shares import child_share
from playhead.actors.roles.role import Job, Role, RoleName
from playhead.events.event import Event
from playhead.events.kinds.approvals import (
    ApprovalDecided,
    ApprovalRequested,
    RuleAnswered,
    RuleAsked,
)
from playhead.events.kinds.child_runs import ChildFinished, ChildStarted
from playhead.events.kinds.runs import LimitReached, RunResumed, TimeReached
from playhead.events.kinds.tool_calls import ToolFailed, ToolRefused, ToolRequested, ToolStarted
from playhead.events.record import Record
from playhead.events.spec.agent import AgentSpec
from playhead.events.spec.tool import Retry
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import ToolCall
from playhead.tools.calls.approval import ask_approval, binding, matches
from playhead.tools.calls.call import given_up
from playhead.tools.validation.arguments import check, suggest_tool

STOPPED = "not started: the run is stopping"


class ToolRole(Role):
    """Check a wish, ask a person where that is wanted, start it as often as its class allows."""

    name: ClassVar[RoleName] = "tool"
    handles: ClassVar[frozenset[str]] = frozenset({
        "tool_requested", "tool_failed", "rule_answered", "approval_decided",
        "time_reached", "cancel_requested", "limit_reached", "loop_detected", "run_resumed",
    })  # fmt: skip

    def __init__(self, services: Services | None = None) -> None:
        self._services = services
        if services is not None:
            self._attempts = Attempts(services)

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """Start, start again, wait for a person, or refuse."""
        if not state.may_start:
            # A call whose rule is being asked is refused when the rule's answer is in.
            calls = state.calls.values()
            waiting = [call for call in calls if call.started is None and not call.asked]
            return [_refused(call, "stopped", STOPPED) for call in waiting]
        match record.event:
            case ToolRequested():
                return _for_call(state, record.seq, _on_requested)
            case ToolFailed():
                return _for_call(state, state.intent_of(record), _again, record)
            case RuleAnswered() as answered:
                asked = state.intent_of(record)
                return _for_call(state, asked, _on_rule, asked, answered)
            case ApprovalDecided(call=call) as decided:
                return _for_call(state, call, _on_decision, decided)
            case TimeReached(due="approval", call=int(call)):
                return _for_call(state, call, _on_lapse)
            case RunResumed():
                there = [call.seq for call in state.calls.values() if call.imported]
                return [e for seq in there for e in _for_call(state, seq, _on_imported)]
            case _:
                return []

    async def perform(self, intent: Record, job: Job, agent: str) -> Event:
        """Perform one attempt, if the tool is still the one that was meant; or ask its rule."""
        assert isinstance(job, ToolCall)
        assert job.spec is not None
        assert self._services is not None
        if isinstance(intent.event, ChildStarted):
            assert self._services.children is not None
            return await self._services.children.attend(intent, job)
        if isinstance(intent.event, ToolStarted):
            return await self._attempts.perform(intent, job, agent)
        if isinstance(intent.event, RuleAsked) and intent.event.rule == "fork":
            return RuleAnswered(answer=True)
        tool = same_tool(self._services, job, agent)
        if tool is None:
            return RuleAnswered(error="the tool was changed or taken away")
        return await ask_approval(tool, job.arguments, self._services.workers)

    async def recover(self, intent: Record, job: Job, agent: str) -> Event:
        """Ask the tool's probe what became of the call; without an answer it is cut off."""
        assert isinstance(job, ToolCall)
        assert self._services is not None
        if isinstance(intent.event, ChildStarted):
            return await self.perform(intent, job, agent)
        if not isinstance(intent.event, ToolStarted):
            return self.cut_off(intent, job, "interrupted")
        return await self._attempts.recover(intent, job, agent)

    def cut_off(self, intent: Record, job: Job, reason: str) -> Event:
        """Unknown for `once`; anything else may be done again."""
        assert isinstance(job, ToolCall)
        if isinstance(intent.event, ChildStarted):
            return ChildFinished(status="cancelled", reason=reason, message=f"it was {reason}")
        if not isinstance(intent.event, ToolStarted):
            return RuleAnswered(error=reason)
        assert job.spec is not None
        return given_up(job.spec, reason)


def _for_call(
    state: RunState, which: Event | int, decide: Callable[..., Sequence[Event]], *more: object
) -> Sequence[Event]:
    """Decide on a call that is still open and not under way."""
    seq = which if isinstance(which, int) else getattr(which, "call", 0)
    call = state.calls.get(seq)
    return [] if call is None or call.started is not None else decide(state, call, *more)


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
        return [RuleAsked(rule="approval", call=call.seq)]
    if approval.when == "matches" and not matches(approval, call.arguments):
        return _start(state, call)
    return [_ask_person(state, call)]


def _on_rule(
    state: RunState, call: ToolCall, asked: Event, answered: RuleAnswered
) -> Sequence[Event]:
    if answered.error == "interrupted":
        return [asked]
    if answered.error is None and answered.answer is False:
        return _start(state, call)
    return [_ask_person(state, call)]


def _on_decision(state: RunState, call: ToolCall, decided: ApprovalDecided) -> Sequence[Event]:
    if call.waits is not None or call.spec is None:
        return []
    if not decided.approved:
        why = f": {decided.reason}" if decided.reason else "."
        return [_refused(call, "denied", f"a person denied this call{why}")]
    wrong = check(call.spec, call.arguments)
    if wrong is not None:
        return [_refused(call, "invalid_arguments", wrong.message, wrong.hint)]
    return _start(state, call)


def _on_imported(state: RunState, call: ToolCall) -> Sequence[Event]:
    """Requested elsewhere: whatever was agreed to there, a person here must."""
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
        return []
    return [_refused(call, "denied", "nobody approved this call in time")]


def _ask_person(state: RunState, call: ToolCall) -> ApprovalRequested:
    assert call.spec is not None
    expires = None if call.spec.approval is None else call.spec.approval.expires
    return ApprovalRequested(
        call=call.seq,
        binding=binding(call.spec, call.arguments),
        expires_at=None if expires is None else state.at + int(expires * 1_000_000),
    )


def _again(state: RunState, call: ToolCall, record: Record) -> Sequence[Event]:
    """Another attempt: at once after an interruption, else after a while."""
    failed = record.event
    assert isinstance(failed, ToolFailed)
    assert call.spec is not None
    if failed.error == "interrupted":
        return _start(state, call)
    retry = call.spec.retry or Retry()
    return _start(state, call, not_before(record, call.attempts, retry, failed.retry_after))


def _start(state: RunState, call: ToolCall, wait: int | None = None) -> Sequence[Event]:
    if call.spec is None:
        return []
    if call.imported and not call.approved:
        return _on_imported(state, call)
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
        return [RuleAsked(rule="fork", call=call.seq, subject=definition)]
    if call.spec.agent is not None:
        return [_start_child(state, call, call.spec.agent)]
    attempt = call.attempts + 1
    performer: Literal["tool", "memory"] = "memory" if call.spec.performer == "memory" else "tool"
    return [
        ToolStarted(
            call=call.seq, attempt=attempt, definition=definition, not_before=wait,
            performer=performer,
        )
    ]  # fmt: skip


def _start_child(state: RunState, call: ToolCall, agent: AgentSpec) -> Event:
    """A run of its own for the call, with a share of what is left for each that wants one."""
    calls = [c for c in state.calls.values() if c.started is None and c.spec and c.spec.agent]
    parts = 1 + len(calls) + (0 if state.plan is None else state.plan.awaiting_budget)
    share = child_share(state, agent.limits, parts)
    if isinstance(share, str):
        message = f"not started: too little is left of {share} for a run of {agent.name}"
        return _refused(call, "limit", message)
    child = f"{state.run}.{state.head.seq + 1}"
    return ChildStarted(call=call.seq, run=child, limits=share)


def _forks_effect(state: RunState, call: ToolCall) -> bool:
    """Whether a fork would do a second time in the world what its parent did, and nobody agreed.

    What memory performs stays in the fork.
    """
    if state.forked is None or call.approved or call.cleared:
        return False
    assert call.spec is not None
    if call.spec.performer == "memory":
        return False
    return call.spec.effect != "read" and call.requested.tool not in state.forked.allow


def _refused(call: ToolCall, reason: str, message: str, hint: str | None = None) -> ToolRefused:
    return ToolRefused(call=call.seq, reason=reason, message=message, hint=hint)  # type: ignore[arg-type]
