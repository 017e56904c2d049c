"""How a run begins, receives messages, stops, pauses, is forked and ends."""

from dataclasses import replace

from playhead.events.event import Event
from playhead.events.kinds import forks, runs
from playhead.events.record import Record
from playhead.events.spec.agent import AgentSpec
from playhead.projections.prompt.context import CONTEXT_FORMAT
from playhead.projections.prompt.head import render_head
from playhead.projections.state.calls.fold_tool_calls import wait_over
from playhead.projections.state.guarded import guard_input, hear_message
from playhead.projections.state.limits_used import Spent
from playhead.projections.state.run_state import FoldFunction, RunState, tool_of
from playhead.projections.state.step_state import Outage, Stop
from playhead.projections.state.waits import DEFERRED


def _run_started(state: RunState, record: Record, event: runs.RunStarted) -> None:
    state.started, state.agent = event, event.agent
    state.first_at = record.at
    state.traceparent = record.traceparent
    state.code = event.code
    state.forks = () if event.parent is None else event.parent.forks
    if event.context_format != CONTEXT_FORMAT:
        state.unsupported = f"context format {event.context_format}"
    if event.redacted:
        state.unsupported = "redacted words"
    if event.agent.guardrails:
        guard_input(state, record)


def _message_received(state: RunState, record: Record, _: runs.MessageReceived) -> None:
    if not (state.agent.guardrails and guard_input(state, record)):
        hear_message(state, record)


def _cancel_requested(state: RunState, _: Record, event: runs.CancelRequested) -> None:
    state.stop = Stop("cancelled", "cancelled", event.reason, cancels=True)


def _time_reached(state: RunState, record: Record, event: runs.TimeReached) -> None:
    if event.due == "wait":
        wait_over(state, record, event.wait or 0)
    elif event.due == "approval" and event.call in state.calls:
        state.calls[event.call].time_passed()
    elif event.due == "approval" and state.plan is not None:
        state.plan.lapsed = True
    elif state.stop is None and event.due == "max_seconds":
        limit = state.limits.max_seconds
        state.stop = Stop("failed", event.due, f"{limit} s of wall clock have passed", cancels=True)


def _limit_reached(state: RunState, _: Record, event: runs.LimitReached) -> None:
    if state.stop is None:
        message = f"{event.limit} is {event.maximum:g}; the run would have reached {event.wanted:g}"
        state.stop = Stop("failed", event.limit, message, cancels=False)


def _run_failing(state: RunState, _: Record, event: runs.RunFailing) -> None:
    if state.stop is None:
        state.stop = Stop("failed", event.reason, event.message, cancels=True)


def _run_paused(state: RunState, _: Record, event: runs.RunPaused) -> None:
    if state.paused is None or state.paused.role is None:  # a pause must not hide a role's bug
        state.paused = event


def _run_resumed(state: RunState, record: Record, event: runs.RunResumed) -> None:
    state.code = event.code
    if record.held:
        return
    if event.agent is not None:
        _go_on_with(state, record, event.agent)
    if state.paused is not None:
        state.interrupted = 0
    state.paused = None
    state.held.clear()


def _run_forked(state: RunState, record: Record, event: forks.RunForked) -> None:
    state.code, state.forked, state.paused, state.interrupted = event.code, event, None, 0
    if state.last is not None:
        state.first_at += record.at - state.last.at  # the time in between does not count
        if event.undecided == state.last.seq:
            state.held.insert(len(state.held) - record.held, state.last)
    for step in state.steps.values():
        step.context.run = record.run
        step.outage = step.outage and Outage(record.at, 0)  # the earlier time was the parent's
        step.batch = step.batch and replace(step.batch, inherited=True)
    if event.agent is not None:
        _go_on_with(state, record, event.agent)
    state.forks = (*state.forks, record.run)
    for call in state.calls.values():
        call.approved = False  # the approval was for the parent's call
        call.scope = state.scope
    if event.messages and not state.steps:
        state.said.append(record)
    for text in event.messages:
        state.hear(record.seq, text)


def _go_on_with(state: RunState, record: Record, agent: AgentSpec) -> None:
    """Another agent from here on; in an imported run, earlier approvals no longer count."""
    _other_agent(state, agent)
    if not state.parked:
        return
    state.parked = False
    for wait in [wait for wait in state.waits.values() if wait.about not in DEFERRED]:
        del state.waits[wait.seq]
    state.first_at, state.spent = record.at, Spent()
    if state.forked is not None and state.forked is not record.event:
        state.forked = state.forked.model_copy(update={"allow": ()})
    for call in state.calls.values():
        call.spec = tool_of(state.steps[call.requested.step].agent, call.requested.tool)
        call.arguments, call.scope = call.requested.arguments, state.scope
        call.approved = call.cleared = call.lapsed = False
        call.waits, call.imported = None, call.deferred is None
    if state.plan is not None:
        state.plan.review_again()


def _other_agent(state: RunState, agent: AgentSpec) -> None:
    state.as_agent(agent)
    for step in state.steps.values():
        step.agent = state.agent_for(step.id, step.purpose)
        if step.batch is not None:  # it answers another agent's request
            state.spent.reserved.pop(step.batch.intent, None)
            state.spent.reserved_cost.pop(step.batch.intent, None)
            step.batch = None
        step.lost_job = ""
        step.context.head = render_head(step.agent)
        step.heads.clear()


def _run_ended(state: RunState, _: Record, event: Event) -> None:
    state.ending = event
    state.paused = None


RUNS: dict[type[Event], FoldFunction] = {
    runs.RunStarted: _run_started,
    runs.MessageReceived: _message_received,
    runs.CancelRequested: _cancel_requested,
    runs.TimeReached: _time_reached,
    runs.LimitReached: _limit_reached,
    runs.RunFailing: _run_failing,
    runs.RunPaused: _run_paused,
    runs.RunResumed: _run_resumed,
    forks.RunForked: _run_forked,
    runs.RunFinished: _run_ended,
    runs.RunFailed: _run_ended,
    runs.RunCancelled: _run_ended,
}
