"""Indicators, targets and alerts: what is computed, and when somebody is woken."""

import itertools
from typing import Any

import pytest

from playhead.events.usage import Usage
from playhead.projections.metrics.alert_rules import ALERT_RULES, AlertRule, Level, rule_for
from playhead.projections.metrics.call_stats import ModelCallStats, ToolCallStats
from playhead.projections.metrics.indicators import Indicator, indicators, percentile
from playhead.projections.metrics.prometheus import prometheus
from playhead.projections.metrics.run_metrics import RunMetrics

ENDS = itertools.count(1_000_000_000, 1_000_000_000)


def run(status: str = "finished", *, seconds: float = 1, cost: int = 10, **more: Any) -> RunMetrics:
    end = next(ENDS)
    about: dict[str, Any] = {"agent": "a", "steps": 5, **more}
    return RunMetrics(
        run=f"r{end}", status=status, last_at=end, started_at=end - int(seconds * 1_000_000),
        models={"m": ModelCallStats(attempts=1, cost=cost, usage=Usage(input_tokens=cost))},
        **about,
    )  # fmt: skip


def indicator(
    name: str, runs: list[RunMetrics], before: list[RunMetrics] | None = None
) -> Indicator:
    return next(f for f in indicators(runs, before or []) if f.name == name)


def failing(failed: int, of: int) -> list[RunMetrics]:
    return [run("failed") for _ in range(failed)] + [run() for _ in range(of - failed)]


@pytest.mark.parametrize(
    ("name", "runs", "level"),
    [
        ("completion_rate", failing(0, 10), "ok"),
        ("completion_rate", failing(1, 10), "ok"),
        ("completion_rate", failing(15, 100), "warn"),
        ("completion_rate", failing(2, 10), "warn"),
        ("completion_rate", failing(21, 100), "alert"),
        ("completion_rate", [run("cancelled"), run("running")], "unknown"),
        ("steps_per_task", [run(steps=2)], "warn"),
        ("steps_per_task", [run(steps=3), run(steps=7)], "ok"),
        ("steps_per_task", [run(steps=8)], "warn"),
        ("steps_per_task", [run(steps=11)], "alert"),
        ("p95_seconds", [run(seconds=30)], "ok"),
        ("p95_seconds", [run(seconds=31)], "warn"),
        ("p95_seconds", [run(seconds=61), run(seconds=61)], "alert"),
        ("p95_seconds", [run(seconds=61), *(run() for _ in range(19))], "ok"),
    ],
)
def test_between_target_and_alert_is_warn(name: str, runs: list[RunMetrics], level: Level) -> None:
    assert indicator(name, runs).level == level


@pytest.mark.parametrize(("errors", "level"), [(5, "ok"), (6, "warn"), (10, "warn"), (11, "alert")])
def test_the_tool_error_rate_counts_attempts(errors: int, level: Level) -> None:
    one = run()
    one.tools["t"] = ToolCallStats(attempts=100, errors=errors)
    assert indicator("tool_error_rate", [one]).level == level


def test_a_run_is_compared_with_the_median_of_its_agents_hundred_finished_runs_before() -> None:
    others = [run(cost=99, agent="b") for _ in range(9)]
    old = [run(cost=1) for _ in range(500)]
    last = [*(run(cost=10) for _ in range(99)), run(cost=10_000)]
    found = indicator("cost_ratio", [run(cost=25)], [*others, *old, *last])
    assert (found.value, found.level, found.samples) == (2.5, "alert", 1)


def test_without_runs_before_it_a_run_has_no_baseline_and_raises_no_alert() -> None:
    found = indicator("cost_ratio", [run(cost=1), run(cost=1000)])
    assert (found.value, found.level) == (None, "unknown")


def test_what_failed_is_no_baseline() -> None:
    before = [run(cost=10) for _ in range(5)] + [run("failed", cost=9_000) for _ in range(50)]
    assert indicator("cost_ratio", [run(cost=10)], before).value == 1


def test_with_an_unknown_price_tokens_are_compared_and_the_cost_is_unknown() -> None:
    before = [run(cost=10) for _ in range(5)]
    last = run(cost=30)
    last.models["x"] = ModelCallStats(attempts=1, unpriced=1, usage=Usage(input_tokens=10))
    assert indicator("cost_ratio", [last], before).value == 4
    assert indicator("cost_per_task", [last]).value is None


def test_an_agents_own_rule_comes_before_the_one_for_all() -> None:
    own = AlertRule(indicator="steps_per_task", alert_above=100, agent="a")
    rules = (*ALERT_RULES, own)
    assert rule_for(rules, "steps_per_task", "a") is own
    assert rule_for(rules, "steps_per_task", "b") is ALERT_RULES[1]
    (found,) = [
        f for f in indicators([run(steps=20)], (), rules, "a") if f.name == "steps_per_task"
    ]
    assert found.level == "ok"


def test_a_rule_may_wait_for_more_runs() -> None:
    patient = AlertRule(indicator="completion_rate", alert_below=0.8, samples=3)
    for count, level in ((2, "unknown"), (3, "alert")):
        runs = [run("failed") for _ in range(count)]
        found = next(f for f in indicators(runs, (), [patient]) if f.name == "completion_rate")
        assert found.level == level


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([4, 1, 3, 2], 0.5) == 2
    assert percentile([7], 0.95) == 7
    assert percentile([], 0.95) is None


def test_prometheus_escapes_what_a_name_may_hold() -> None:
    text = prometheus([run(agent='a"b\\c\nd')])
    assert 'playhead_runs{agent="a\\"b\\\\c\\nd",status="finished"} 1' in text.splitlines()


def test_prometheus_histograms_count_up_to_all() -> None:
    one = run(seconds=0.05)
    lines = prometheus([one, run(seconds=500)]).splitlines()
    buckets = [line for line in lines if line.startswith("playhead_run_seconds_bucket")]
    assert buckets[2].endswith(" 0")
    assert buckets[3].endswith(" 1")
    assert buckets[-1] == 'playhead_run_seconds_bucket{agent="a",le="+Inf"} 2'
