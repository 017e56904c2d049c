"""Charts as numbers: the last runs as bars with their axes, for a template to draw."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from playhead.projections.history.waterfall import Tick, ticks
from playhead.projections.metrics.formatting import value_text
from playhead.projections.metrics.run_metrics import RunMetrics

RUNS = 40
"""In a chart, the newest."""

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 210, 84, 26, 10
"""Of the drawing, and the room for its axes."""


class Column(NamedTuple):
    """One run."""

    run: str
    status: str
    x: float
    y: float
    width: float
    height: float
    text: str
    """Its value for people; "unknown" for one that is not known, which has no bar."""
    known: bool


class Mark(NamedTuple):
    """A labelled line of the axis."""

    y: float
    text: str


class Chart(NamedTuple):
    """One value over the last runs that ended."""

    title: str
    columns: list[Column]
    marks: list[Mark]
    first: int
    """When the first and the last of them ended, in microseconds since the epoch."""
    last: int
    unknown: int
    """Runs whose value is not known."""
    typical: str
    """The median of those that are known."""


def run_charts(runs: Sequence[RunMetrics]) -> list[Chart]:
    """Duration, steps, tokens and cost of the last runs that ended."""
    ended = sorted((m for m in runs if m.ended), key=lambda m: m.last_at)[-RUNS:]
    return [
        _chart("Duration", ended, lambda m: m.seconds, "s"),
        _chart("Cost", ended, lambda m: m.dollars, "USD"),
        _chart("Tokens", ended, lambda m: m.tokens, ""),
        _chart("Steps", ended, lambda m: m.steps, ""),
    ]


def _chart(
    title: str, runs: Sequence[RunMetrics], of: Callable[[RunMetrics], float | None], unit: str
) -> Chart:
    values = [of(run) for run in runs]
    known = sorted(value for value in values if value is not None)
    most = (known[-1] if known else 0) or 1
    scale: list[Tick] = [tick for tick in ticks(0, most, 4) if unit or tick.value % 1 == 0]
    scale = scale if known else []
    room = HEIGHT - TOP - BOTTOM
    pitch = (WIDTH - LEFT) / max(len(runs), 12)
    columns = [
        Column(
            m.run, m.status, LEFT + n * pitch + pitch * 0.12, HEIGHT - BOTTOM - height,
            pitch * 0.76, height, value_text(value, unit), value is not None,
        )
        for n, (m, value) in enumerate(zip(runs, values, strict=True))
        for height in [room * (value or 0) / most]
    ]  # fmt: skip
    marks = [Mark(HEIGHT - BOTTOM - room * t.at, value_text(t.value, unit)) for t in scale]
    return Chart(
        title, columns, marks, runs[0].last_at if runs else 0, runs[-1].last_at if runs else 0,
        len(values) - len(known), value_text(known[len(known) // 2] if known else None, unit),
    )  # fmt: skip
