"""The timeline: a run in the terms of ReAct, one entry for each thing worth showing.

Goal, Thought, Action, Observation, Answer; and refusals, failures, limits, pauses. Each entry names
its record, the actor, the cause, how long it took and what it used.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from pydantic_core import to_json

from playhead.events.envelope import envelope_lines
from playhead.events.event import Event, Json
from playhead.events.kinds import (
    approvals,
    child_runs,
    context,
    memory,
    model_calls,
    plans,
    runs,
    steps,
    tool_calls,
)
from playhead.events.record import Record
from playhead.events.usage import Usage, text_of
from playhead.projections.history.reply_blocks import done_by_api, thoughts_of
from playhead.projections.prompt.tool_result import content_text, result_text

Heading: TypeAlias = Literal[
    "Goal", "Message", "Strategy", "Thought", "Action", "Observation", "Answer", "Failed",
    "Refused", "Unknown", "Retry", "Approval", "Loop", "Limit", "Stop", "Paused", "Resumed", "Note",
    "Plan", "Step", "Done", "Child", "Guardrail",
]  # fmt: skip

TROUBLE: frozenset[Heading] = frozenset({"Failed", "Refused", "Unknown", "Limit", "Stop", "Paused"})
"""Headings of what went wrong or was stopped."""


class TimelineEntry(NamedTuple):
    """One line of the timeline."""

    seq: int
    at: int
    """Microseconds since the epoch."""
    actor: str
    heading: Heading
    text: str
    cause: int | None
    duration_ms: float | None = None
    usage: Usage | None = None


def timeline(records: Iterable[Record]) -> Iterator[TimelineEntry]:
    """The run's entries, in the order of its records."""
    for record in records:
        for heading, text in _told(record.event):
            yield TimelineEntry(
                record.seq, record.at, record.actor, heading, text, record.cause,
                getattr(record.event, "duration_ms", None), getattr(record.event, "usage", None),
            )  # fmt: skip


def questions_text(questions: Mapping[str, Json]) -> str:
    """What a tool asks, on one line: the message, and the fields of the answer or an address."""
    return "; ".join(_question(each) for each in questions.values())


def _question(question: Json) -> str:
    if not isinstance(question, dict):
        return str(question)
    schema = question.get("requestedSchema")
    fields = schema.get("properties") if isinstance(schema, dict) else None
    named = ", ".join(fields) if isinstance(fields, dict) else question.get("url")
    return f"{question.get('message', '')} ({named})" if named else str(question.get("message", ""))


Told: TypeAlias = list[tuple[Heading, str]]

WORDS: Mapping[str, tuple[Heading, str]] = {
    "run_started": ("Goal", "{e.goal}"),
    "message_received": ("Message", "{e.text}"),
    "strategy_chosen": ("Strategy", "{e.strategy}: {e.reason}"),
    "model_failed": ("Failed", "model call: {e.error}: {e.message}"),
    "output_rejected": ("Refused", "answer: {e.error}"),
    "child_started": ("Child", "run {e.run}"),
    "tool_failed": ("Failed", "tool: {e.error}: {e.message}"),
    "tool_refused": ("Refused", "{e.reason}: {e.message}"),
    "tool_outcome_unknown": ("Unknown", "cut off ({e.reason}): it may have taken effect"),
    "tool_pinned": ("Note", "{e.tool} of {e.server} is {e.definition}"),
    "tool_resolved": ("Note", "call {e.call} did take effect: {e.succeeded}. {e.note}"),
    "tool_deferred": ("Note", "call {e.call} is answered later"),
    "answer_awaited": ("Note", "call {e.call} waits for {e.about}"),
    "outage_wait_started": ("Note", "waits for the model: {e.error}: {e.message}"),
    "schedule_set": ("Note", "schedule {e.schedule}: {e.cron} ({e.timezone}) {e.agent}: {e.goal}"),
    "schedule_cancelled": ("Stop", "schedule {e.schedule} was cancelled. {e.reason}"),
    "schedule_fired": ("Note", "schedule {e.schedule} started run {e.run}"),
    "firings_missed": ("Note", "schedule {e.schedule} missed {e.count} times: {e.reason}"),
    "notice_sent": ("Note", "{e.level}: wait {e.wait} of run {e.run} was told to {e.to}"),
    "guardrail_decided": ("Guardrail", "{e.guardrail} on {e.on} (record {e.about}): {e.said}"),
    "loop_detected": ("Loop", "{e.action}: {e.message}"),
    "run_failing": ("Stop", "{e.reason}: {e.message}"),
    "limit_reached": ("Limit", "{e.limit} is {e.maximum:g}, wanted {e.wanted:g}"),
    "fact_learned": ("Note", "learned: {e.entity}: {e.field} = {e.value} (records {e.sources})"),
    "fact_retracted": ("Note", "record {e.seq} of {e.run} was taken back. {e.reason}"),
    "learnings_promoted": ("Note", "what {e.run} has learned was promoted. {e.reason}"),
    "memory_stored": ("Note", "remembered in {e.namespace}: {e.text}"),
    "memory_forgotten": ("Note", "memory {e.id} was forgotten. {e.reason}"),
    "namespace_forgotten": ("Note", "the namespace {e.namespace} was forgotten. {e.reason}"),
    "context_filled": ("Note", "about {e.tokens} tokens wait to be sent, over {e.threshold}"),
    "budget_neared": ("Limit", "the cost nears the cap of ${e.maximum:g}"),
    "time_reached": ("Limit", "{e.due}: its time has come"),
    "cancel_requested": ("Stop", "cancel requested. {e.reason}"),
    "run_forked": ("Note", "forked from run {e.parent} at its record {e.at}"),
    "run_paused": ("Paused", "{e.reason}"),
    "run_resumed": ("Resumed", "{e.reason}"),
    "run_failed": ("Failed", "run: {e.reason}: {e.message}"),
    "run_cancelled": ("Stop", "cancelled. {e.reason}"),
}
"""Kinds with one fixed form, `e` being the event."""


def _told(event: Event) -> Told:
    match event:
        case model_calls.ModelAnswered():
            return _thoughts(event)
        case model_calls.ModelCall(attempt=attempt) if attempt > 1:
            return [("Retry", f"attempt {attempt} of the model call")]
        case tool_calls.AttemptStarted(attempt=attempt) if attempt > 1:
            return [("Retry", f"attempt {attempt} of the tool call")]
        case steps.StepStarted() | steps.StepFinished() | steps.StepFailed():
            return _step(event)
        case context.ContextCompressed():
            return [("Note", _compressed(event))]
        case memory.MemoryRecalled():
            return _recalled(event)
        case _ if event.kind in WORDS:
            heading, words = WORDS[event.kind]
            return [(heading, words.format(e=event).strip())]
        case _:
            return _done(event)


def _with_people(
    event: tool_calls.ToolInputRequired | approvals.ApprovalRequested | approvals.ApprovalDecided,
) -> Told:
    match event:
        case tool_calls.ToolInputRequired(questions=questions):
            return [("Observation", f"the tool asks: {questions_text(questions)}")]
        case approvals.ApprovalRequested(about="input", call=call):
            return [("Approval", f"the tool of call {call} waits for a person's answer")]
        case approvals.ApprovalRequested(about=about, call=call):
            return [("Approval", f"{about} {call} waits for a person")]
        case approvals.ApprovalDecided():
            return _decided(event)


def _decided(event: approvals.ApprovalDecided) -> Told:
    verdict = "approved" if event.approved else "denied"
    why = f": {event.reason}" if event.reason else ""
    by = "" if event.by is None else f" (by {event.by.user})"
    said: Told = [("Approval", f"{event.call} {verdict}{why}{by}")]
    return said if event.plan is None else [*said, ("Plan", plan_text(event.plan))]


def _done(event: Event) -> Told:
    """What was done, by tools, by people, by the planner."""
    match event:
        case tool_calls.ToolRequested(tool=tool, arguments=arguments):
            return [("Action", f"{tool}({call_text(arguments)})")]
        case tool_calls.ToolSucceeded() | tool_calls.CallAnswered():
            return [_observed(event)]
        case child_runs.ChildFinished() | runs.RunFinished():
            return [_answered(event)]
        case (
            tool_calls.ToolInputRequired()
            | approvals.ApprovalRequested()
            | approvals.ApprovalDecided()
        ):
            return _with_people(event)
        case approvals.RuleAnswered(error=str(error)):
            return [("Failed", f"rule: {error}")]
        case plans.PlanProposed(steps=proposed):
            return [("Plan", plan_text(proposed))]
        case plans.PlanRevised(steps=proposed, reason=reason):
            return [("Plan", f"revised ({reason})\n{plan_text(proposed)}")]
        case _:
            return []


def _answered(event: child_runs.ChildFinished | runs.RunFinished) -> tuple[Heading, str]:
    by = "" if event.agent is None else f"\n(by {event.agent})"
    if isinstance(event, runs.RunFinished):
        return "Answer", event.answer + by
    if event.status != "finished":
        return "Failed", f"{event.status}: {event.message}"
    return "Observation", event.answer + by


def _observed(event: tool_calls.ToolSucceeded | tool_calls.CallAnswered) -> tuple[Heading, str]:
    if isinstance(event, tool_calls.CallAnswered):
        if event.error is not None:
            return "Failed", f"call {event.call}: {event.error}"
        return "Observation", result_text(event.result)
    return "Observation", content_text(event.content) if event.content else result_text(
        event.result
    )


def _step(event: steps.StepStarted | steps.StepFinished | steps.StepFailed) -> Told:
    """Steps of a plan; without one, the run itself says all."""
    match event:
        case steps.StepFailed(step="main", reason=reason, message=message):
            return [("Failed", f"step: {reason}: {message}")]
        case steps.StepFailed(step=step, reason=reason, message=message):
            return [("Failed", f"step {step}: {reason}: {message}")]
        case steps.StepStarted(purpose=purpose) if purpose not in ("react", "direct"):
            return [("Step", _step_text(event))]
        case steps.StepFinished(step=step) if step not in ("main", "plan"):
            return [("Done", step)]
        case _:
            return []


def _recalled(event: memory.MemoryRecalled) -> Told:
    if event.error is not None:
        return [("Failed", f"recall: {event.error}")]
    found = [f"recalled: {memory.text}" for memory in event.memories]
    found += [f"known: {fact.entity}: {fact.field} = {fact.value}" for fact in event.facts]
    return [("Note", "\n".join(found))] if found else []


def _compressed(event: context.ContextCompressed) -> str:
    which = ", ".join(f"records {c.first}-{c.last} of {c.run}" for c in event.covers)
    how = "big results cleared" if event.summary is None else event.error or "summarised"
    return f"context compressed: {how} ({which or 'nothing'})"


def plan_text(proposed: Iterable[plans.PlanStep]) -> str:
    """A plan as text: a line for each step."""
    return "\n".join(map(_line, proposed))


def _line(step: plans.PlanStep) -> str:
    after = f"  after {', '.join(step.depends_on)}" if step.depends_on else ""
    each = f"  for each of {step.for_each}" if step.for_each else ""
    return f"{step.id} [{step.tool}] {step.description}{each}{after}"


def _step_text(started: steps.StepStarted) -> str:
    again = f" (attempt {started.attempt})" if started.attempt > 1 else ""
    what = "asking for a plan" if started.purpose == "plan" else started.task
    return f"{started.step}{again}: {what}"


def _thoughts(reply: model_calls.ModelAnswered) -> Told:
    thoughts = thoughts_of(reply.content)
    if any(block.get("type") == "tool_use" for block in reply.content):
        thoughts.append(text_of(reply.content))
    said: Told = [("Thought", thought) for thought in thoughts if thought.strip()]
    said += done_by_api(reply.content)
    lines = [f"stopped: {reply.stop_reason}"] if reply.stop_reason in GOES_ON else []
    if lines := [*lines, *envelope_lines(reply.envelope)]:
        said.append(("Note", "\n".join(lines)))
    return said


GOES_ON = frozenset({"pause_turn", "compaction"})
"""Reasons to stop after which the same conversation is sent on."""


def call_text(arguments: Mapping[str, object]) -> str:
    """Arguments as a person would write them: name=value, ..."""
    return ", ".join(f"{name}={to_json(value).decode()}" for name, value in arguments.items())
