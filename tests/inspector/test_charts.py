"""Charts: what is not known is no bar, and every bar has its value and an axis to read it by."""

from hypothesis import given
from hypothesis import strategies as st

from playhead.inspector.charts import BOTTOM, HEIGHT, run_charts
from playhead.projections.history.waterfall import ticks
from playhead.projections.metrics.call_stats import ModelCallStats
from playhead.projections.metrics.run_metrics import RunMetrics


def ended(run: str, *, unpriced: int = 0, cost: int = 0) -> RunMetrics:
    model = ModelCallStats(unpriced=unpriced, cost=cost)
    return RunMetrics(
        run=run, status="finished", started_at=1, last_at=2_000_001, models={"m": model}
    )


def test_a_cost_that_is_not_known_is_no_bar_and_says_so() -> None:
    runs = [ended("a", cost=10**12), ended("b", unpriced=1), ended("c")]
    cost = next(chart for chart in run_charts(runs) if chart.title == "Cost")
    known, unknown, nothing = cost.columns
    assert (known.known, known.text) == (True, "$1.0000")
    assert (unknown.known, unknown.height, unknown.text) == (False, 0, "unknown")
    assert (nothing.known, nothing.height, nothing.text) == (True, 0, "$0.0000")
    assert cost.unknown == 1


def test_an_axis_has_marks_from_zero_on_and_none_where_nothing_is_known() -> None:
    charts = {chart.title: chart for chart in run_charts([ended("a", unpriced=1)])}
    assert charts["Cost"].marks == []
    assert charts["Cost"].typical == "unknown"
    duration = charts["Duration"]
    assert duration.marks[0].y == HEIGHT - BOTTOM
    assert duration.marks[0].text == "0 ms"
    assert len(duration.marks) >= 2


@given(st.floats(0, 1e6), st.floats(1e-4, 1e6), st.integers(2, 10))
def test_a_scale_has_few_round_marks_in_order_within_its_bounds(
    begin: float, length: float, most: int
) -> None:
    found = ticks(begin, begin + length, most)
    assert 1 <= len(found) <= most + 1 or length < begin * 1e-9
    assert [tick.at for tick in found] == sorted(tick.at for tick in found)
    assert all(-1e-6 <= tick.at <= 1 + 1e-6 for tick in found)
