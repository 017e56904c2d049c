"""The timeline: a run told in the words of ReAct, one entry for each thing worth showing.

Goal, Thought, Action, Observation, Answer; and what went otherwise: refusals, failures, limits,
pauses. Which record says it, who brought it, why (its cause), how long it took, what it cost.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, TypeAlias

from pydantic_core import to_json

from playhead.events import model_calls, runs, steps, tool_calls
from playhead.events.event import Event
from playhead.events.record import Record
from playhead.events.spec import Usage, text_of
from playhead.projections.results import result_text

Heading: TypeAlias = Literal[
    "Goal", "Message", "Strategy", "Thought", "Action", "Observation", "Answer",
    "Failed", "Refused", "Unknown", "Retry", "Limit", "Stop", "Paused", "Resumed", "Note",
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


def _told(event: Event) -> Told:
    match event:
        case runs.RunStarted(goal=goal):
            return [("Goal", goal)]
        case runs.MessageReceived(text=text):
            return [("Message", text)]
        case runs.StrategyChosen(strategy=strategy, reason=reason):
            return [("Strategy", f"{strategy}: {reason}")]
        case model_calls.ModelAnswered():
            return _thoughts(event)
        case model_calls.ModelFailed(error=error, message=message):
            return [("Failed", f"model call: {error}: {message}")]
        case model_calls.ModelRequested(attempt=attempt) if attempt > 1:
            return [("Retry", f"attempt {attempt} of the model call")]
        case steps.OutputRejected(error=error):
            return [("Refused", f"answer: {error}")]
        case steps.StepFailed(reason=reason, message=message):
            return [("Failed", f"step: {reason}: {message}")]
        case _:
            return _tool_told(event) or _end_told(event)


def _thoughts(reply: model_calls.ModelAnswered) -> Told:
    told: Told = [
        ("Thought", str(block["thinking"])) for block in reply.content if block.get("thinking")
    ]
    if any(block.get("type") == "tool_use" for block in reply.content):
        text = text_of(reply.content)
        told += [("Thought", text)] if text.strip() else []
    return told


def _tool_told(event: Event) -> Told:
    match event:
        case tool_calls.ToolRequested(tool=tool, arguments=arguments):
            return [("Action", f"{tool}({call_text(arguments)})")]
        case tool_calls.ToolStarted(attempt=attempt) if attempt > 1:
            return [("Retry", f"attempt {attempt} of the tool call")]
        case tool_calls.ToolSucceeded(result=result):
            return [("Observation", result_text(result))]
        case tool_calls.ToolFailed(error=error, message=message):
            return [("Failed", f"tool: {error}: {message}")]
        case tool_calls.ToolRefused(reason=reason, message=message):
            return [("Refused", f"{reason}: {message}")]
        case tool_calls.ToolOutcomeUnknown(reason=reason):
            return [("Unknown", f"the call was cut off ({reason}); it may have taken effect")]
        case _:
            return []


def _end_told(event: Event) -> Told:
    match event:
        case runs.LimitReached(limit=limit, maximum=maximum, wanted=wanted):
            return [("Limit", f"{limit} is {maximum:g}, wanted {wanted:g}")]
        case runs.TimeReached(due=due):
            return [("Limit", due)]
        case runs.CancelRequested(reason=reason):
            return [("Stop", f"cancel requested{': ' + reason if reason else ''}")]
        case runs.RunPaused(reason=reason, error=error):
            return [("Paused", reason if error is None else f"{reason}: {error}")]
        case runs.RunResumed(reason=reason):
            return [("Resumed", reason)]
        case runs.RunFinished(answer=answer):
            return [("Answer", answer)]
        case runs.RunFailed(reason=reason, message=message):
            return [("Failed", f"run: {reason}: {message}")]
        case runs.RunCancelled(reason=reason):
            return [("Stop", f"cancelled{': ' + reason if reason else ''}")]
        case _:
            return []


def call_text(arguments: dict[str, object]) -> str:
    """Arguments as a person would write them: name=value, ..."""
    return ", ".join(f"{name}={to_json(value).decode()}" for name, value in arguments.items())
