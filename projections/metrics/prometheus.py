"""Run metrics in Prometheus's text format: counters, and the indicators' current values.

Prometheus computes rates itself, so every count is a total since the beginning of the log.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from playhead.events.spec.prices import PICODOLLARS
from playhead.projections.metrics.alert_rules import ALERT_RULES, AlertRule
from playhead.projections.metrics.call_stats import BOUNDS, CallStats, Durations
from playhead.projections.metrics.indicators import by_agent, by_model, by_tool, indicators
from playhead.projections.metrics.run_metrics import RunMetrics

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]
"""Suffix of the name, labels, value."""


def prometheus(runs: Sequence[RunMetrics], rules: Sequence[AlertRule] = ALERT_RULES) -> str:
    """The whole page."""
    families = [
        *_runs(runs),
        *_effects(runs),
        (
            "playhead_indicator",
            "gauge",
            "An indicator of `playhead metrics`.",
            _indicators(runs, rules),
        ),
        (
            "playhead_alert",
            "gauge",
            "1 while the indicator's alert fires.",
            _alerts(runs, rules),
        ),
    ]
    return "".join(_family(*family) for family in families)


Family = tuple[str, str, str, Iterable[Sample]]


def _runs(runs: Sequence[RunMetrics]) -> Iterator[Family]:
    agents = by_agent(runs)

    def status() -> Iterator[Sample]:
        for agent, own in agents.items():
            for word in sorted({m.status for m in own}):
                yield "", {"agent": agent, "status": word}, sum(m.status == word for m in own)

    def total(name: str) -> list[Sample]:
        return [
            ("", {"agent": agent}, sum(getattr(m, name) for m in own))
            for agent, own in agents.items()
        ]

    waiting: list[Sample] = [
        ("", {"agent": agent}, sum(len(m.approvals) for m in own)) for agent, own in agents.items()
    ]
    seconds = [s for agent, own in agents.items() for s in _seconds(agent, own)]
    yield "playhead_runs", "gauge", "Runs by what became of them.", status()
    yield "playhead_steps_total", "counter", "Rounds: model calls and their tools.", total("steps")
    yield "playhead_guard_stops_total", "counter", "Limits and loops.", total("guard_stops")
    about = "Verdicts of guardrails."
    yield "playhead_guardrail_verdicts_total", "counter", about, _verdicts(agents)
    yield "playhead_approvals_waiting", "gauge", "Calls that wait for a person.", waiting
    about = "Length of ended runs, without waiting for people."
    yield "playhead_run_seconds", "histogram", about, seconds


def _verdicts(agents: Mapping[str, Sequence[RunMetrics]]) -> Iterator[Sample]:
    for agent, own in agents.items():
        for verdict in sorted({word for m in own for word in m.verdicts}):
            total = sum(m.verdicts.get(verdict, 0) for m in own)
            yield "", {"agent": agent, "verdict": verdict}, total


def _seconds(agent: str, runs: Iterable[RunMetrics]) -> Iterator[Sample]:
    durations = Durations()
    for run in runs:
        if run.ended:
            durations.add(run.seconds)
    return _histogram({"agent": agent}, durations)


def _effects(runs: Sequence[RunMetrics]) -> Iterator[Family]:
    tools, models = by_tool(runs), by_model(runs)
    for what, found in (("tool", tools), ("model", models)):
        effects: Mapping[str, CallStats] = found
        for word in ("attempts", "errors", "retries"):
            samples: list[Sample] = [
                ("", {what: name}, getattr(each, word)) for name, each in effects.items()
            ]
            yield f"playhead_{what}_{word}_total", "counter", f"{what}: {word} of calls.", samples
        histogram = [
            sample
            for name, each in effects.items()
            for sample in _histogram({what: name}, each.durations)
        ]
        yield f"playhead_{what}_seconds", "histogram", f"{what}: length of calls.", histogram
    tokens: list[Sample] = [
        ("", {"model": name, "type": word}, count)
        for name, each in models.items()
        for word, count in each.tokens.items()
    ]
    about = "Tokens; input holds those read from and written to the cache."
    yield "playhead_tokens_total", "counter", about, tokens
    costs: list[Sample] = [
        ("", {"model": name}, each.cost / PICODOLLARS) for name, each in models.items()
    ]
    yield "playhead_cost_dollars_total", "counter", "Of calls whose price is known.", costs
    unpriced: list[Sample] = [("", {"model": n}, each.unpriced) for n, each in models.items()]
    yield "playhead_unpriced_calls_total", "counter", "Calls without a known price.", unpriced


def _histogram(labels: Labels, durations: Durations) -> Iterator[Sample]:
    seen = 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), durations.counts, strict=True):
        seen += count
        yield "_bucket", {**labels, "le": bound}, seen
    yield "_sum", labels, durations.total
    yield "_count", labels, seen


def _indicators(runs: Sequence[RunMetrics], rules: Sequence[AlertRule]) -> Iterator[Sample]:
    for agent, own in by_agent(runs).items():
        for indicator in indicators(own, rules=rules, agent=agent):
            if indicator.value is not None:
                yield "", {"agent": agent, "indicator": indicator.name}, indicator.value


def _alerts(runs: Sequence[RunMetrics], rules: Sequence[AlertRule]) -> Iterator[Sample]:
    for agent, own in by_agent(runs).items():
        for indicator in indicators(own, rules=rules, agent=agent):
            if indicator.alarm:
                yield "", {"agent": agent, "indicator": indicator.name}, float(indicator.firing)


def _family(name: str, kind: str, about: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
    for suffix, labels, value in samples:
        said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"{name}{suffix}{{{said}}} {value:.15g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
