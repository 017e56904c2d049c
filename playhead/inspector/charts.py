"""Charts as numbers: the last runs as bars, for a template to draw."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from playhead.events.spec.prices import PICODOLLARS
from playhead.projections.metrics.formatting import value_text
from playhead.projections.metrics.run_metrics import RunMetrics

RUNS = 80
"""In a chart, the newest."""

HEIGHT = 100


class Column(NamedTuple):
    """One run."""

    run: str
    status: str
    x: int
    y: float
    height: float
    text: str
    """Its value for people."""


class Chart(NamedTuple):
    """One value over the last runs."""

    title: str
    columns: list[Column]
    most: str
    """What the tallest stands for."""


def run_chart(runs: Sequence[RunMetrics]) -> list[Chart]:
    """Duration, steps, tokens and, where it is known, cost of the last runs that ended."""
    ended = sorted((m for m in runs if m.ended), key=lambda m: m.last_at)[-RUNS:]
    charts = [
        _chart("duration", ended, lambda m: m.seconds, "s"),
        _chart("steps", ended, lambda m: m.steps, ""),
        _chart("tokens", ended, lambda m: m.tokens, ""),
    ]
    if any(m.known_cost for m in ended):
        charts.append(_chart("cost", ended, lambda m: (m.known_cost or 0) / PICODOLLARS, "USD"))
    return charts


def _chart(
    title: str, runs: Sequence[RunMetrics], of: Callable[[RunMetrics], float], unit: str
) -> Chart:
    values = [of(run) for run in runs]
    most = max(values, default=0) or 1
    columns = [
        Column(m.run, m.status, n, HEIGHT - h, h, value_text(value, unit))
        for n, (m, value) in enumerate(zip(runs, values, strict=True))
        if (h := max(1.5, HEIGHT * value / most))
    ]
    return Chart(title, columns, value_text(max(values, default=0), unit))
