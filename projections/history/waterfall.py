"""What a run spent its time on: a bar for all that lasts, below what it belongs to.

run                 |===============================|
  step              |  ============================ |
    model call      |  =====        ======          |
    tool call       |       ======                  |
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from playhead.events.event import Event
from playhead.events.kinds.approvals import ApprovalRequested
from playhead.events.kinds.tool_calls import AttemptStarted
from playhead.events.kinds.waits import AnswerAwaited
from playhead.events.record import Record
from playhead.projections.history.record_rows import Row

SHORTEST = 0.00001
"""Seconds of the shortest span of time that a scale is made for."""


class WaterfallBar(NamedTuple):
    """One bar."""

    row: Row
    depth: int
    """How many bars it lies within."""


class Tick(NamedTuple):
    """A mark of a scale."""

    at: float
    """From 0 to 1."""
    value: float


def waterfall(records: Sequence[Record], rows: Sequence[Row]) -> list[WaterfallBar]:
    """The bars of a run, each followed by those within it, in the order of their beginnings."""
    within: dict[int, list[Row]] = {}
    steps: dict[str, int] = {}
    roots: list[Row] = []
    for record, row in zip(records, rows, strict=True):
        if row.bar is None:
            continue
        parent = 1 if row.seq > 1 and rows[0].bar == "run" else 0
        if row.bar == "step":
            named = str(getattr(record.event, "step", ""))
            parent = steps.get(named.partition("[")[0], parent) if "[" in named else parent
            steps[named] = row.seq
        elif row.bar != "run":
            parent = steps.get(_step(record.event, records) or "", parent)
        (within.setdefault(parent, []) if parent else roots).append(row)
    return list(_below(roots, within, 0))


def _step(event: Event, records: Sequence[Record]) -> str | None:
    """The step that a record belongs to; that of its call where it is about one."""
    match event:
        case AttemptStarted(call=call) | ApprovalRequested(call=call) | AnswerAwaited(call=call):
            asked = records[call - 1].event if 0 < call <= len(records) else event
            return getattr(asked, "step", None)
        case _:
            return getattr(event, "step", None)


def _below(rows: Iterable[Row], within: dict[int, list[Row]], depth: int) -> Iterable[WaterfallBar]:
    for row in sorted(rows, key=lambda row: (row.begin, row.seq)):
        yield WaterfallBar(row, depth)
        yield from _below(within.get(row.seq, ()), within, depth + 1)


def ticks(begin: float, end: float, most: int = 6) -> list[Tick]:
    """Round values between two, and where each lies: 1, 2 or 5 times a power of ten apart."""
    length = max(end - begin, SHORTEST)
    step = SHORTEST / 10
    while length / step > most:
        step *= 2.5 if f"{step:e}"[0] == "2" else 2
    first = -(-begin // step) + 0.0  # never -0
    found: list[Tick] = []
    while (value := first * step) <= end + step * 1e-9:
        found.append(Tick((value - begin) / length, value))
        first += 1
    return found
