"""A span as plain data, and what single events say about one: when, how it went, what to note."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from playhead.events.event import Event
from playhead.events.kinds.child_runs import ChildFinished
from playhead.events.kinds.model_calls import ModelAnswered, ModelCall, ModelFailed
from playhead.events.kinds.runs import RunFailed, RunFinished
from playhead.events.kinds.tool_calls import (
    AttemptStarted,
    ToolDeferred,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolSucceeded,
)
from playhead.events.record import Record
from playhead.projections.tracing import semconv

Attributes: TypeAlias = dict[str, str | int | float | tuple[str, ...]]
Kind: TypeAlias = Literal["internal", "client", "consumer"]

NANO = 1000
"""Nanoseconds in a record's microsecond."""

SHOWN: Mapping[str, tuple[str, ...]] = {
    "limit_reached": ("limit", "maximum", "wanted"),
    "budget_neared": ("cost", "maximum"),
    "loop_detected": ("pattern", "count", "action"),
    "tool_refused": ("call", "reason"),
    "output_rejected": ("step",),
    "approval_requested": ("call",),
    "plan_revised": ("reason",),
    "context_filled": ("step", "tokens", "threshold"),
    "context_compressed": ("step", "upto"),
}
"""Decided kinds that become span events, with the fields that they show."""


class SpanEvent(NamedTuple):
    """Something noteworthy within a span."""

    name: str
    at: int
    """Nanoseconds since the epoch."""
    attributes: Attributes


class SpanData(NamedTuple):
    """One span, as plain data."""

    name: str
    kind: Kind
    id: int
    parent: int | None
    """In the same trace; None for the root of a trace of its own."""
    start: int
    """Nanoseconds since the epoch, as `end`."""
    end: int
    attributes: Attributes
    failed: bool = False
    description: str | None = None
    """Of the failure; only where content is captured, for it may quote anything."""
    events: Sequence[SpanEvent] = ()
    links: Sequence[int] = ()
    """Spans of the same trace."""
    elsewhere: Sequence[tuple[int, int]] = ()
    """Links to spans of other traces: trace and span."""


def begun(intent: Record, outcome: Record) -> int:
    """When an effect began: before its end by what it took, without its waiting for a slot."""
    took = getattr(outcome.event, "duration_ms", None)
    if took is not None:
        return max(intent.at, outcome.at - int(took * 1000))
    return max(intent.at, min(outcome.at, getattr(intent.event, "not_before", None) or 0))


def error_of(event: Event) -> tuple[str | None, str | None]:
    """(error.type, description) of an outcome or an ending; (None, None) if it went well."""
    match event:
        case ModelAnswered() | ToolSucceeded() | ToolDeferred() | RunFinished():
            return None, None
        case ChildFinished(status="finished"):
            return None, None
        case ChildFinished():
            return event.reason, event.message
        case ModelFailed() | ToolFailed():
            return event.error, event.message
        case RunFailed():
            return event.reason, event.message
        case ToolOutcomeUnknown():
            return event.reason, "it may or may not have taken effect"
        case _:
            error = getattr(event, "error", None)
            return (None, None) if error is None else ("_OTHER", str(error))


def span_events(decided: Sequence[Event], at: int) -> list[SpanEvent]:
    """What was decided, as far as it is worth a span event, at nanoseconds since the epoch."""
    events: list[SpanEvent] = []
    for event in decided:
        if event.kind in SHOWN:
            shown: Attributes = {f"playhead.{n}": getattr(event, n) for n in SHOWN[event.kind]}
            events.append(SpanEvent(f"playhead.{event.kind}", at, shown))
        elif isinstance(event, ModelCall | AttemptStarted) and event.attempt > 1:
            again: Attributes = {semconv.ATTEMPT: event.attempt}
            events.append(SpanEvent(semconv.RETRY, at, again))
    return events
