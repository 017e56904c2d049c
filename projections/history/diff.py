"""Two runs side by side: where they part, what each did from there, and what became of them.

Compared is what happened, in the words of the timeline: sequence numbers, times and tokens differ
between any two runs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import NamedTuple

from playhead.events.kinds.codec import ENDINGS
from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed
from playhead.events.record import Record
from playhead.projections.history.timeline import Entry, timeline
from playhead.projections.metrics.metrics import RunMetrics

UNCOMPARED = frozenset({"Note", "Resumed", "Paused"})
"""Headings about the process that worked on the run, not about its work."""


class Pair(NamedTuple):
    """One line of the comparison; None where the other side has nothing like it."""

    left: Entry | None
    right: Entry | None

    @property
    def same(self) -> bool:
        """Whether both did the same."""
        return (
            self.left is not None
            and self.right is not None
            and _said(self.left) == _said(self.right)
        )


class Figure(NamedTuple):
    """One number of both runs; None where it is not known."""

    name: str
    left: float | None
    right: float | None


@dataclass(frozen=True)
class Difference:
    """What two runs have in common, and what not."""

    pairs: list[Pair]
    outcomes: tuple[str, str]
    """How each ended: finished, failed, cancelled or open."""
    figures: list[Figure]

    @property
    def parting(self) -> int | None:
        """Index of the first pair that differs; None when they are the same."""
        return next((n for n, pair in enumerate(self.pairs) if not pair.same), None)


def difference(left: Iterable[Record], right: Iterable[Record]) -> Difference:
    """Compare two runs by their records."""
    mine, theirs = list(left), list(right)
    return Difference(
        list(_paired(_entries(mine), _entries(theirs))),
        (_outcome(mine), _outcome(theirs)),
        _figures(mine, theirs),
    )


def _entries(records: Iterable[Record]) -> list[Entry]:
    return [entry for entry in timeline(records) if entry.heading not in UNCOMPARED]


def _said(entry: Entry) -> tuple[str, str]:
    return entry.heading, entry.text


def _paired(left: Sequence[Entry], right: Sequence[Entry]) -> Iterator[Pair]:
    """Side by side, what is the same in one line, as `diff` does it."""
    matcher = SequenceMatcher(None, [*map(_said, left)], [*map(_said, right)], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            yield from map(Pair, left[a:b], right[c:d])
            continue
        for n in range(max(b - a, d - c)):
            yield Pair(
                left[a + n] if a + n < b else None, right[c + n] if c + n < d else None
            )  # fmt: skip


def _outcome(records: Sequence[Record]) -> str:
    return ENDINGS.get(records[-1].event.kind, "open") if records else "open"


def _figures(left: Sequence[Record], right: Sequence[Record]) -> list[Figure]:
    mine, theirs = RunMetrics(), RunMetrics()
    for metrics, records in ((mine, left), (theirs, right)):
        for record in records:
            metrics.fold(record)
    return [
        Figure("steps", mine.steps, theirs.steps),
        Figure("model calls", mine.model_calls, theirs.model_calls),
        Figure("tool calls", mine.tool_calls, theirs.tool_calls),
        Figure("errors", *(m.tool_errors + m.model_failures for m in (mine, theirs))),
        Figure("input tokens", mine.usage.input_total, theirs.usage.input_total),
        Figure("output tokens", mine.usage.output_tokens, theirs.usage.output_tokens),
        Figure("dollars", mine.dollars, theirs.dollars),
        Figure("model seconds", *map(_model_seconds, (left, right))),
        Figure("seconds", mine.duration, theirs.duration),
    ]


def _model_seconds(records: Iterable[Record]) -> float:
    ends = (r.event for r in records if isinstance(r.event, ModelAnswered | ModelFailed))
    return sum(event.duration_ms or 0.0 for event in ends) / 1000
