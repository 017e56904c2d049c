"""Performs one attempt of a tool call, for any role, and calls of agents."""

from functools import partial
from typing import TypeAlias

from playhead.actors.performing.services import ScopedMemories, Services, Work
from playhead.events.kinds.approvals import ApprovalRuleAsked
from playhead.events.kinds.child_runs import ChildFinished, ChildStarted
from playhead.events.kinds.tool_calls import (
    AttemptStarted,
    ToolDeferred,
    ToolFailed,
    ToolInputRequired,
    ToolOutcomeUnknown,
    ToolSucceeded,
)
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import ToolCall
from playhead.tools.calls.call import given_up, probe_call
from playhead.tools.calls.input import input_given
from playhead.tools.context import ToolContext
from playhead.tools.tool import AnyTool

AttemptOutcome: TypeAlias = (
    ToolSucceeded | ToolFailed | ToolOutcomeUnknown | ToolDeferred | ToolInputRequired
)


def call_of(state: RunState, event: AttemptStarted | ChildStarted | ApprovalRuleAsked) -> ToolCall:
    """The call that an open intent belongs to."""
    return state.calls[event.call]


async def perform_attempt(
    services: Services, work: Work[AttemptStarted, ToolCall]
) -> AttemptOutcome:
    """Perform one attempt, if the tool has not changed since the run began."""
    call = work.job
    tool = same_tool(services, call, work.run)
    if tool is None:
        return _changed(call.requested.tool)
    return await services.calls.call(tool, call.arguments, _context(services, work))


async def recover_attempt(
    services: Services, work: Work[AttemptStarted, ToolCall]
) -> AttemptOutcome:
    """Ask the tool's probe for the call's outcome; without an answer the call counts as cut off."""
    tool = services.tool(work.run, work.job.requested.tool)
    if tool is None or tool.probe is None:
        return given_up(work.job.tool, "interrupted")
    context = _context(services, work)
    return await probe_call(tool, context, services.workers, monotonic=services.monotonic)


def attempt_cut_off(_: AttemptStarted, call: ToolCall, reason: str) -> AttemptOutcome:
    """Unknown for `once`; every other call may be repeated."""
    return given_up(call.tool, reason)


def attempt_broken(word: str, message: str) -> AttemptOutcome:
    """The error that the model sees for a tool without an outcome."""
    hint = "This is a fault of the tool, not of your call."
    return ToolFailed(error=word, message=message, hint=hint)


async def perform_child(services: Services, work: Work[ChildStarted, ToolCall]) -> ChildFinished:
    """For a call of an agent: start its run, or resume it if started, and wait for its end."""
    if services.children is None:
        return child_broken("not_started", "no runs of other agents can be started here")
    return await services.children.attend(work)


def child_cut_off(_: ChildStarted, __: ToolCall, reason: str) -> ChildFinished:
    """The parent continues without it."""
    return ChildFinished(status="cancelled", reason=reason, message=f"it was {reason}")


def child_broken(word: str, message: str) -> ChildFinished:
    """It could not be started or awaited."""
    return ChildFinished(status="failed", reason=word, message=message)


def same_tool(services: Services, call: ToolCall, run: str) -> AnyTool | None:
    """The tool's code, if it is the same tool as when the run began."""
    tool = services.tool(run, call.requested.tool)
    return tool if tool is not None and tool.spec.definition == call.tool.definition else None


def _context(services: Services, work: Work[AttemptStarted, ToolCall]) -> ToolContext:
    call, recollect = work.job, services.recollect
    memories = None
    if recollect is not None and call.scope.namespace:
        memories = ScopedMemories(recollect, call.scope)
    given = None if call.required is None else input_given(call.required, call.input_answer)
    on_progress = partial(services.on_progress, work.run, call.seq)
    return ToolContext(
        call.run, call.seq, work.event.attempt, services.secrets, services.results, memories,
        call.run_ends, work.about, on_progress=on_progress, input=given,
    )  # fmt: skip


def _changed(name: str) -> ToolFailed:
    message = f"{name} is not what it was when this run began: it was changed or taken away"
    hint = "Nothing was done. Go on without it; a new run gets the new definition."
    return ToolFailed(error="changed", message=message, hint=hint)
