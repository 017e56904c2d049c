"""The story of a run: its timeline, and beside each entry what the effect behind it took.

`playhead show`, `why` and the inspector tell it. Each reply's cost stands beside one entry: what it
led to first, and for a reply that is the answer, the end of the run. Asking what was learned from a
run is an entry of its own, so that its cost is never taken for the answer's.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from playhead.events.kinds.model_calls import ExtractionRequested, ModelAnswered
from playhead.events.record import Record
from playhead.events.registry import ENDINGS, OUTCOMES
from playhead.events.usage import Usage
from playhead.projections.cost.pricing import sum_usage
from playhead.projections.history.timeline import TimelineEntry, timeline

EXTRACTION = "looked for facts worth keeping"


class Cost(NamedTuple):
    """What the effect behind an entry took."""

    duration_ms: float | None = None
    usage: Usage | None = None
    confined: str | None = None
    """What held the tool's process, where it had one."""


class StoryEntry(NamedTuple):
    """One entry, and what it took."""

    entry: TimelineEntry
    cost: Cost


def story(records: Iterable[Record], *, thoughts: bool = True) -> list[StoryEntry]:
    """The entries of a run, from all its records; `thoughts`: whether the model's are included."""
    told: list[StoryEntry] = []
    known: dict[int, Record] = {}
    unshown: dict[int, Cost] = {}
    for record in records:
        known[record.seq] = record
        if record.event.kind in OUTCOMES:
            unshown[record.seq] = _cost(record)
        if _is_extraction(known, record):
            entry = TimelineEntry(
                record.seq, record.at, record.actor, "Note", EXTRACTION, record.cause
            )
            told.append(StoryEntry(entry, unshown.pop(record.seq)))
        for entry in timeline([record]):
            if entry.heading != "Thought" or thoughts:
                cost = unshown.pop(trigger(known, entry.seq).seq, Cost())
                told.append(StoryEntry(entry, cost))
        if record.event.kind in ENDINGS and told:
            last = told.pop()
            told.append(last._replace(cost=_together([last.cost, *unshown.values()])))
    return told


def trigger(records: Mapping[int, Record], seq: int) -> Record:
    """The record that opened the turn of the one given."""
    record = records[seq]
    while record.origin == "decided" and record.cause and record.cause in records:
        record = records[record.cause]
    return record


def _cost(record: Record) -> Cost:
    return Cost(*(getattr(record.event, name, None) for name in Cost._fields))


def _is_extraction(known: Mapping[int, Record], record: Record) -> bool:
    asked = known.get(record.cause or 0)
    return (
        isinstance(record.event, ModelAnswered)
        and asked is not None
        and isinstance(asked.event, ExtractionRequested)
    )


def _together(costs: Iterable[Cost]) -> Cost:
    """The cost of an entry, and of replies that nothing else has shown."""
    first, *others = costs
    for cost in others:
        if cost.usage is not None:
            usage = cost.usage if first.usage is None else sum_usage(first.usage, cost.usage)
            took = (first.duration_ms or 0) + (cost.duration_ms or 0)
            first = first._replace(usage=usage, duration_ms=took)
    return first
