"""Figures over many runs: what `playhead metrics`, the inspector and alerts show.

All are computed from measures alone, so that live and rebuilt they are the same. An indicator that
nothing is known of is None, never 0.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from playhead.events.spec.prices import PICODOLLARS
from playhead.projections.metrics.alert_rules import ALERT_RULES, AlertRule, Level, rule_for
from playhead.projections.metrics.call_stats import ModelCallStats, ToolCallStats
from playhead.projections.metrics.formatting import CALLED, value_text
from playhead.projections.metrics.measure import Measure

BASELINE = 100
"""Finished runs of the agent that a run's cost is compared with: those before it."""

FEWEST = 5
"""With fewer finished runs before it, a run has no baseline."""


class Indicator(NamedTuple):
    """One indicator, and how it stands."""

    name: str
    value: float | None
    unit: str
    """"" for a plain number, "share", "s" or "USD"."""
    samples: int
    """How many runs, calls or tokens it was computed from."""
    level: Level = "unknown"
    target: str = ""
    alarm: str = ""

    @property
    def called(self) -> str:
        """Its name for people."""
        return CALLED[self.name]

    @property
    def text(self) -> str:
        """Its value for people."""
        return value_text(self.value, self.unit)

    @property
    def firing(self) -> bool:
        """Whether it is an alert."""
        return self.level == "alert"


def indicators(
    measures: Sequence[Measure],
    before: Sequence[Measure] = (),
    rules: Sequence[AlertRule] = ALERT_RULES,
    agent: str | None = None,
) -> list[Indicator]:
    """The indicators of some runs.

    Args:
        measures: the runs, oldest first.
        before: runs that ended before them; only baselines are taken from these.
        rules: targets and alerts.
        agent: whose runs they are, where they are of one agent: its own rules come first then.
    """
    return [_judged(indicator, rules, agent) for indicator in _computed(measures, before)]


def _judged(indicator: Indicator, rules: Sequence[AlertRule], agent: str | None) -> Indicator:
    rule = rule_for(rules, indicator.name, agent)
    if rule is None:
        return indicator
    level = rule.level(indicator.value, indicator.samples)
    unit = indicator.unit
    return indicator._replace(level=level, target=rule.target(unit), alarm=rule.alarm(unit))


def _computed(measures: Sequence[Measure], before: Sequence[Measure]) -> list[Indicator]:
    finished = [m for m in measures if m.status == "finished"]
    tried = [m for m in measures if m.status in ("finished", "failed")]
    tool, model = all_tools(measures), all_models(measures)
    costs = [m.cost for m in finished if m.cost is not None]
    known = len(costs) == len(finished)
    ratio, compared = cost_ratio(measures, before)
    return [
        Indicator("completion_rate", _share(len(finished), len(tried)), "share", len(tried)),
        Indicator("steps_per_task", _mean([m.steps for m in finished]), "", len(finished)),
        Indicator("tool_error_rate", _share(tool.errors, tool.attempts), "share", tool.attempts),
        Indicator("cost_ratio", ratio, "", compared),
        Indicator("p95_seconds", percentile([m.seconds for m in tried], 0.95), "s", len(tried)),
        Indicator("cost_per_task", _dollars(_mean(costs)) if known else None, "USD", len(finished)),
        Indicator("tokens_per_task", _mean([m.tokens for m in finished]), "", len(finished)),
        Indicator("cache_hit_rate", _share(model.cache_read, model.input), "share", model.attempts),
        Indicator("runs", len(measures), "", len(measures)),
        Indicator("open_runs", sum(not m.ended for m in measures), "", len(measures)),
        Indicator("approvals_waiting", sum(len(m.approvals) for m in measures), "", len(measures)),
        Indicator("guard_stops", sum(m.guard_stops for m in measures), "", len(measures)),
        Indicator("retries", tool.retries + model.retries, "", tool.attempts + model.attempts),
    ]


def cost_ratio(
    measures: Sequence[Measure], before: Sequence[Measure] = ()
) -> tuple[float | None, int]:
    """What finished runs cost against their baselines, and how many have one.

    A run's baseline is the median of its agent's finished runs before it, at most BASELINE. Money
    where every price is known, else tokens.
    """
    past: dict[str, list[Measure]] = {}
    for measure in before:
        if measure.status == "finished":
            past.setdefault(measure.agent, []).append(measure)
    spent, expected, compared = 0.0, 0.0, 0
    for measure in sorted(measures, key=lambda m: m.last_at):
        if measure.status != "finished":
            continue
        earlier = past.setdefault(measure.agent, [])
        window = earlier[-BASELINE:]
        if len(window) >= FEWEST:
            money = all(m.cost for m in (measure, *window))
            costs = [(m.cost or 0) if money else m.tokens for m in (measure, *window)]
            base = median(costs[1:])
            if base > 0:
                spent, expected, compared = spent + costs[0] / base, expected + 1, compared + 1
        earlier.append(measure)
    return (spent / expected if expected else None), compared


def by_agent(measures: Iterable[Measure]) -> dict[str, list[Measure]]:
    """The runs of each agent, in the order of the agents' names."""
    found: dict[str, list[Measure]] = {}
    for measure in measures:
        found.setdefault(measure.agent, []).append(measure)
    return dict(sorted(found.items()))


def by_tool(measures: Iterable[Measure]) -> dict[str, ToolCallStats]:
    """What each tool did, by its name."""
    found: dict[str, ToolCallStats] = {}
    for measure in measures:
        for name, effects in measure.tools.items():
            found.setdefault(name, ToolCallStats()).merge(effects)
    return dict(sorted(found.items()))


def by_model(measures: Iterable[Measure]) -> dict[str, ModelCallStats]:
    """What each model did, by its name."""
    found: dict[str, ModelCallStats] = {}
    for measure in measures:
        for name, effects in measure.models.items():
            found.setdefault(name, ModelCallStats()).merge(effects)
    return dict(sorted(found.items()))


def all_tools(measures: Iterable[Measure]) -> ToolCallStats:
    """What all tools did together."""
    total = ToolCallStats()
    for measure in measures:
        for effects in measure.tools.values():
            total.merge(effects)
    return total


def all_models(measures: Iterable[Measure]) -> ModelCallStats:
    """What all models did together."""
    total = ModelCallStats()
    for measure in measures:
        for effects in measure.models.values():
            total.merge(effects)
    return total


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest rank: a value that was really measured. None without any."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _dollars(picodollars: float | None) -> float | None:
    return None if picodollars is None else picodollars / PICODOLLARS
