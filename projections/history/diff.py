"""Two runs side by side: where they diverge, what each did from there, and how they ended.

Timeline entries are compared, not records: sequence numbers, times and tokens differ between any
two runs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import NamedTuple

from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed
from playhead.events.record import Record
from playhead.events.registry import ENDINGS
from playhead.projections.history.timeline import TimelineEntry, timeline
from playhead.projections.metrics.run_metrics import RunMetrics

UNCOMPARED = frozenset({"Note", "Resumed", "Paused"})
"""Headings about the process that ran it, not about the run's work."""


class PairedEntries(NamedTuple):
    """One line of the comparison; None where the other side has nothing like it."""

    left: TimelineEntry | None
    right: TimelineEntry | None

    @property
    def same(self) -> bool:
        """Whether both did the same."""
        return (
            self.left is not None
            and self.right is not None
            and _said(self.left) == _said(self.right)
        )


class ComparedNumber(NamedTuple):
    """One number of both runs; None where it is not known."""

    name: str
    left: float | None
    right: float | None


@dataclass(frozen=True)
class Difference:
    """What two runs have in common, and what not."""

    pairs: list[PairedEntries]
    outcomes: tuple[str, str]
    """How each ended: finished, failed, cancelled or open."""
    numbers: list[ComparedNumber]

    @property
    def parting(self) -> int | None:
        """Index of the first pair that differs; None when they are the same."""
        return next((n for n, pair in enumerate(self.pairs) if not pair.same), None)

    def groups(self) -> list[list[PairedEntries]]:
        """The pairs in stretches: each is the same on both sides, or differs."""
        return [list(group) for _, group in groupby(self.pairs, lambda pair: pair.same)]


def difference(left: Iterable[Record], right: Iterable[Record]) -> Difference:
    """Compare two runs by their records."""
    mine, theirs = list(left), list(right)
    return Difference(
        list(_paired(_entries(mine), _entries(theirs))),
        (_outcome(mine), _outcome(theirs)),
        _numbers(mine, theirs),
    )


def _entries(records: Iterable[Record]) -> list[TimelineEntry]:
    return [entry for entry in timeline(records) if entry.heading not in UNCOMPARED]


def _said(entry: TimelineEntry) -> tuple[str, str]:
    return entry.heading, entry.text


def _paired(
    left: Sequence[TimelineEntry], right: Sequence[TimelineEntry]
) -> Iterator[PairedEntries]:
    """Pairs equal entries on one line, as `diff` does."""
    matcher = SequenceMatcher(None, [*map(_said, left)], [*map(_said, right)], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            yield from map(PairedEntries, left[a:b], right[c:d])
            continue
        for n in range(max(b - a, d - c)):
            yield PairedEntries(
                left[a + n] if a + n < b else None, right[c + n] if c + n < d else None
            )  # fmt: skip


def _outcome(records: Sequence[Record]) -> str:
    return ENDINGS.get(records[-1].event.kind, "open") if records else "open"


def _numbers(left: Sequence[Record], right: Sequence[Record]) -> list[ComparedNumber]:
    mine, theirs = RunMetrics(), RunMetrics()
    for metrics, records in ((mine, left), (theirs, right)):
        for record in records:
            metrics.fold(record)
    return [
        ComparedNumber("steps", mine.steps, theirs.steps),
        ComparedNumber("model calls", mine.model_calls, theirs.model_calls),
        ComparedNumber("tool calls", mine.tool_calls, theirs.tool_calls),
        ComparedNumber("errors", *(m.tool_errors + m.model_failures for m in (mine, theirs))),
        ComparedNumber("input tokens", mine.usage.input_total, theirs.usage.input_total),
        ComparedNumber("output tokens", mine.usage.output_tokens, theirs.usage.output_tokens),
        ComparedNumber("dollars", mine.dollars, theirs.dollars),
        ComparedNumber("model seconds", *map(_model_seconds, (left, right))),
        ComparedNumber("seconds", mine.duration, theirs.duration),
    ]


def _model_seconds(records: Iterable[Record]) -> float:
    ends = (r.event for r in records if isinstance(r.event, ModelAnswered | ModelFailed))
    return sum(event.duration_ms or 0.0 for event in ends) / 1000
