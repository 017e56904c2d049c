"""The timeline: a run told in the words of ReAct, one entry for each thing worth showing.

Goal, Thought, Action, Observation, Answer; and what went otherwise: refusals, failures, limits,
pauses. Which record says it, who brought it, why (its cause), how long it took, what it cost.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from pydantic_core import to_json

from playhead.events import guards, model_calls, tool_calls
from playhead.events.event import Event
from playhead.events.record import Record
from playhead.events.spec import Usage, text_of
from playhead.projections.results import result_text

Heading: TypeAlias = Literal[
    "Goal", "Message", "Strategy", "Thought", "Action", "Observation", "Answer", "Failed",
    "Refused", "Unknown", "Retry", "Approval", "Loop", "Limit", "Stop", "Paused", "Resumed", "Note",
]  # fmt: skip

TROUBLE: frozenset[Heading] = frozenset({"Failed", "Refused", "Unknown", "Limit", "Stop", "Paused"})
"""Headings of what went wrong or was stopped."""


class Entry(NamedTuple):
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


def timeline(records: Iterable[Record]) -> Iterator[Entry]:
    """The run's entries, in the order of its records."""
    for record in records:
        for heading, text in _told(record.event):
            yield Entry(
                record.seq, record.at, record.actor, heading, text, record.cause,
                getattr(record.event, "duration_ms", None), getattr(record.event, "usage", None),
            )  # fmt: skip


Told: TypeAlias = list[tuple[Heading, str]]

WORDS: Mapping[str, tuple[Heading, str]] = {
    "run_started": ("Goal", "{e.goal}"),
    "message_received": ("Message", "{e.text}"),
    "strategy_chosen": ("Strategy", "{e.strategy}: {e.reason}"),
    "model_failed": ("Failed", "model call: {e.error}: {e.message}"),
    "output_rejected": ("Refused", "answer: {e.error}"),
    "step_failed": ("Failed", "step: {e.reason}: {e.message}"),
    "tool_failed": ("Failed", "tool: {e.error}: {e.message}"),
    "tool_refused": ("Refused", "{e.reason}: {e.message}"),
    "tool_outcome_unknown": ("Unknown", "cut off ({e.reason}): it may have taken effect"),
    "tool_resolved": ("Note", "call {e.call} did take effect: {e.succeeded}. {e.note}"),
    "approval_requested": ("Approval", "call {e.call} waits for a person"),
    "loop_detected": ("Loop", "{e.action}: {e.message}"),
    "limit_reached": ("Limit", "{e.limit} is {e.maximum:g}, wanted {e.wanted:g}"),
    "budget_neared": ("Limit", "the cost nears the cap of ${e.maximum:g}"),
    "time_reached": ("Limit", "{e.due}: its time has come"),
    "cancel_requested": ("Stop", "cancel requested. {e.reason}"),
    "run_paused": ("Paused", "{e.reason}"),
    "run_resumed": ("Resumed", "{e.reason}"),
    "run_finished": ("Answer", "{e.answer}"),
    "run_failed": ("Failed", "run: {e.reason}: {e.message}"),
    "run_cancelled": ("Stop", "cancelled. {e.reason}"),
}
"""Kinds that are told in one fixed way, `e` being the event."""


def _told(event: Event) -> Told:
    match event:
        case model_calls.ModelAnswered():
            return _thoughts(event)
        case model_calls.ModelRequested(attempt=attempt) if attempt > 1:
            return [("Retry", f"attempt {attempt} of the model call")]
        case tool_calls.ToolRequested(tool=tool, arguments=arguments):
            return [("Action", f"{tool}({call_text(arguments)})")]
        case tool_calls.ToolStarted(attempt=attempt) if attempt > 1:
            return [("Retry", f"attempt {attempt} of the tool call")]
        case tool_calls.ToolSucceeded(result=result):
            return [("Observation", result_text(result))]
        case guards.ApprovalDecided(call=call, approved=approved, reason=reason):
            verdict = "approved" if approved else "denied"
            return [("Approval", f"call {call} {verdict}{': ' + reason if reason else ''}")]
        case _ if event.kind in WORDS:
            heading, words = WORDS[event.kind]
            return [(heading, words.format(e=event).strip())]
        case _:
            return []


def _thoughts(reply: model_calls.ModelAnswered) -> Told:
    thoughts = [str(block["thinking"]) for block in reply.content if block.get("thinking")]
    if any(block.get("type") == "tool_use" for block in reply.content):
        thoughts.append(text_of(reply.content))
    return [("Thought", thought) for thought in thoughts if thought.strip()]


def call_text(arguments: Mapping[str, object]) -> str:
    """Arguments as a person would write them: name=value, ..."""
    return ", ".join(f"{name}={to_json(value).decode()}" for name, value in arguments.items())
