"""Span and trace ids are computed from the log alone, so every export gives the same ones."""

from hashlib import sha256
from typing import NamedTuple

from playhead.events.record import Record


class TraceOrigin(NamedTuple):
    """The trace that a run belongs to, and what its root span hangs on."""

    trace: int
    """128 bits."""
    parent: int | None = None
    """The caller's span, 64 bits; None for a trace of the run's own."""
    sampled: bool = True
    """Whether the caller records; True without a caller."""


def origin_of(first: Record) -> TraceOrigin:
    """The trace of a run, from its first record: the caller's if it said so, else its own."""
    return _parsed(first.traceparent or "") or TraceOrigin(own_trace(first.run))


def own_trace(run: str) -> int:
    """The trace id of a run that was not started inside another trace."""
    return int.from_bytes(sha256(f"playhead trace {run}".encode()).digest()[:16]) or 1


def span_id(run: str, seq: int, name: str, role: str) -> int:
    """The id of a span: 64 bits, from what it is about and nothing else."""
    return int.from_bytes(sha256(f"{run} {seq} {name} {role}".encode()).digest()[:8]) or 1


def traceparent(trace: int, span: int, *, sampled: bool) -> str:
    """A W3C trace context, as a run's first record carries it."""
    return f"00-{trace:032x}-{span:016x}-{sampled:02x}"


def _parsed(text: str) -> TraceOrigin | None:
    """A W3C traceparent; None for what is none (another version, zeros, garbage)."""
    parts = text.strip().split("-")
    if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2] or parts[0] == "ff":
        return None
    try:
        _, trace, span, flags = (int(part, 16) for part in parts[:4])
    except ValueError:
        return None
    return TraceOrigin(trace, span, bool(flags & 1)) if trace and span else None


def child_span(intent: Record) -> int:
    """The span of a ChildStarted, whose child's root span hangs on it."""
    return span_id(intent.run, intent.seq, f"perform {intent.event.kind}", intent.actor)


def child_traceparent(intent: Record, caller: str | None) -> str:
    """The trace context of a child: its parent's trace, below the span that announces it."""
    origin = _parsed(caller or "") or TraceOrigin(own_trace(intent.run))
    return traceparent(origin.trace, child_span(intent), sampled=origin.sampled)
