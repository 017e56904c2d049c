"""Indicators over many runs: what `playhead metrics`, the inspector and alerts show.

They are computed from the metrics of runs alone, so live and rebuilt ones are the same. An
indicator with nothing to compute it from is None, never 0.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from playhead.events.spec.prices import PICODOLLARS
from playhead.projections.metrics.alert_rules import ALERT_RULES, AlertRule, Level, rule_for
from playhead.projections.metrics.call_stats import ModelCallStats, ToolCallStats
from playhead.projections.metrics.formatting import CALLED, value_text
from playhead.projections.metrics.run_metrics import RunMetrics

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
    runs: Sequence[RunMetrics],
    before: Sequence[RunMetrics] = (),
    rules: Sequence[AlertRule] = ALERT_RULES,
    agent: str | None = None,
) -> list[Indicator]:
    """The indicators of some runs.

    Args:
        runs: the runs, oldest first.
        before: runs that ended before them; only baselines are taken from these.
        rules: targets and alerts.
        agent: whose runs they are, where they are of one agent: its own rules come first then.
    """
    return [_judged(indicator, rules, agent) for indicator in _computed(runs, before)]


def _judged(indicator: Indicator, rules: Sequence[AlertRule], agent: str | None) -> Indicator:
    rule = rule_for(rules, indicator.name, agent)
    if rule is None:
        return indicator
    level = rule.level(indicator.value, indicator.samples)
    unit = indicator.unit
    return indicator._replace(level=level, target=rule.target(unit), alarm=rule.alarm(unit))


def _computed(runs: Sequence[RunMetrics], before: Sequence[RunMetrics]) -> list[Indicator]:
    finished = [m for m in runs if m.status == "finished"]
    tried = [m for m in runs if m.status in ("finished", "failed")]
    tool, model = all_tools(runs), all_models(runs)
    usage = model.usage
    costs = [m.cost for m in finished if not m.unpriced]
    known = len(costs) == len(finished)
    ratio, compared = cost_ratio(runs, before)
    judged = [m.judged for m in runs if m.judged is not None]
    return [
        Indicator("completion_rate", _share(len(finished), len(tried)), "share", len(tried)),
        Indicator("steps_per_task", _mean([m.steps for m in finished]), "", len(finished)),
        Indicator("tool_error_rate", _share(tool.errors, tool.attempts), "share", tool.attempts),
        Indicator("cost_ratio", ratio, "", compared),
        Indicator("p95_seconds", percentile([m.seconds for m in tried], 0.95), "s", len(tried)),
        Indicator("judged_pass_rate", _share(sum(judged), len(judged)), "share", len(judged)),
        Indicator("cost_per_task", _dollars(_mean(costs)) if known else None, "USD", len(finished)),
        Indicator("tokens_per_task", _mean([m.tokens for m in finished]), "", len(finished)),
        Indicator(
            "cache_hit_rate",
            _share(usage.cache_read_input_tokens, usage.input_total),
            "share",
            model.attempts,
        ),
        Indicator("runs", len(runs), "", len(runs)),
        Indicator("open_runs", sum(not m.ended for m in runs), "", len(runs)),
        Indicator("approvals_waiting", sum(len(m.approvals) for m in runs), "", len(runs)),
        Indicator("guard_stops", sum(m.guard_stops for m in runs), "", len(runs)),
        Indicator("retries", tool.retries + model.retries, "", tool.attempts + model.attempts),
    ]


def cost_ratio(
    runs: Sequence[RunMetrics], before: Sequence[RunMetrics] = ()
) -> tuple[float | None, int]:
    """What finished runs cost against their baselines, and how many have one.

    A run's baseline is the median of its agent's finished runs before it, at most BASELINE. Money
    where every price is known, else tokens.
    """
    past: dict[str, list[RunMetrics]] = {}
    for run in before:
        if run.status == "finished":
            past.setdefault(run.agent, []).append(run)
    spent, expected, compared = 0.0, 0.0, 0
    for run in sorted(runs, key=lambda m: m.last_at):
        if run.status != "finished":
            continue
        earlier = past.setdefault(run.agent, [])
        window = earlier[-BASELINE:]
        if len(window) >= FEWEST:
            money = all(m.known_cost for m in (run, *window))
            costs = [m.cost if money else m.tokens for m in (run, *window)]
            base = median(costs[1:])
            if base > 0:
                spent, expected, compared = spent + costs[0] / base, expected + 1, compared + 1
        earlier.append(run)
    return (spent / expected if expected else None), compared


def by_agent(runs: Iterable[RunMetrics]) -> dict[str, list[RunMetrics]]:
    """The runs of each agent, in the order of the agents' names."""
    found: dict[str, list[RunMetrics]] = {}
    for run in runs:
        found.setdefault(run.agent, []).append(run)
    return dict(sorted(found.items()))


def by_tool(runs: Iterable[RunMetrics]) -> dict[str, ToolCallStats]:
    """What each tool did, by its name."""
    found: dict[str, ToolCallStats] = {}
    for run in runs:
        for name, effects in run.tools.items():
            found.setdefault(name, ToolCallStats()).merge(effects)
    return dict(sorted(found.items()))


def by_model(runs: Iterable[RunMetrics]) -> dict[str, ModelCallStats]:
    """What each model did, by its name."""
    found: dict[str, ModelCallStats] = {}
    for run in runs:
        for name, effects in run.models.items():
            found.setdefault(name, ModelCallStats()).merge(effects)
    return dict(sorted(found.items()))


def all_tools(runs: Iterable[RunMetrics]) -> ToolCallStats:
    """What all tools did together."""
    total = ToolCallStats()
    for run in runs:
        for effects in run.tools.values():
            total.merge(effects)
    return total


def all_models(runs: Iterable[RunMetrics]) -> ModelCallStats:
    """What all models did together."""
    total = ModelCallStats()
    for run in runs:
        for effects in run.models.values():
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
