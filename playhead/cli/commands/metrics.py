"""`metrics`: indicators of the runs in a log, with targets and alerts."""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import reading
from playhead.cli.shared.options import JsonOption, LogFile, RulesFile, alert_rules, parse_time
from playhead.cli.shared.output import columns, out, plain, say_json
from playhead.events.errors import UsageError
from playhead.projections.metrics.alert_rules import AlertRule
from playhead.projections.metrics.call_stats import CallStats, ModelCallStats, ToolCallStats
from playhead.projections.metrics.formatting import cost_text, duration_text
from playhead.projections.metrics.indicators import (
    Indicator,
    by_agent,
    by_model,
    by_tool,
    indicators,
)
from playhead.projections.metrics.prometheus import prometheus
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.telemetry.live_metrics import read_run_metrics

By = Literal["agent", "tool", "model"]

STYLES = {"ok": "green", "warn": "yellow", "alert": "bold red", "unknown": "dim"}
SECONDS = 2.0
"""Seconds between two refreshes with --watch."""


def metrics(
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="Runs that ended since: 90m, 12h, 3d, or 2030-01-31[T12:00]."
        ),
    ] = None,
    by: Annotated[
        By | None, typer.Option(metavar="WHAT", help="Group by agent, tool or model.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with code 1 while an alert fires.")
    ] = False,
    as_prometheus: Annotated[
        bool,
        typer.Option(
            "--prometheus", help="Print the whole log's metrics in Prometheus's text format."
        ),
    ] = False,
    rules_file: RulesFile = None,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Show indicators of the runs, with targets and alerts.

    Targets: over 90 % of the tasks completed (alert below 80 %), 3 to 7 steps (above 10), under 5 %
    tool errors (above 10 %), no more than 1.5 times the cost of the runs before (above 2), and
    a p95 duration of 30 s (above 60 s), excluding time spent waiting for people. --rules
    overrides them.
    """
    rules = alert_rules(rules_file)
    if watch and (json or as_prometheus or check):
        msg = "--watch is for people: leave out --json, --prometheus and --check"
        raise UsageError(msg)
    if watch:
        return _watch(log, since, by, rules)
    found = _read(log, since, rules)
    if as_prometheus:
        out.out(prometheus([*found.before, *found.runs], rules), end="", highlight=False)
    elif json:
        say_json(_document(found))
    else:
        out.print(_shown(found, by))
    return exit_codes.NO if check and found.firing() else exit_codes.OK


class _Found(NamedTuple):
    """The metrics read from the log, and the rules that judge them."""

    runs: list[RunMetrics]
    before: list[RunMetrics]
    rules: Sequence[AlertRule]

    def of(self, agent: str | None) -> list[Indicator]:
        """The indicators of one agent's runs; of all taken together for None."""
        if agent is None:
            return indicators(self.runs, self.before, self.rules)
        own, before = ([m for m in each if m.agent == agent] for each in (self.runs, self.before))
        return indicators(own, before, self.rules, agent)

    def firing(self) -> list[tuple[str | None, Indicator]]:
        """Alerts of all runs together, and of each agent."""
        judged = ((name, f) for name in (None, *by_agent(self.runs)) for f in self.of(name))
        return [(name, indicator) for name, indicator in judged if indicator.firing]


def _read(log: Path | None, since: str | None, rules: Sequence[AlertRule]) -> _Found:
    with reading(log) as reader:
        found = read_run_metrics(reader, None if since is None else parse_time(since, "--since"))
    return _Found(*found, rules)


def _watch(log: Path | None, since: str | None, by: By | None, rules: Sequence[AlertRule]) -> int:
    """Refresh: in place on a terminal, one after the other elsewhere."""
    with Live(console=out, auto_refresh=False) if out.is_terminal else nullcontext() as live:
        while True:
            shown = _shown(_read(log, since, rules), by)
            if live is None:
                out.print(shown)
                out.file.flush()
            else:
                live.update(shown, refresh=True)
            time.sleep(SECONDS)


def _document(found: _Found) -> dict[str, Any]:
    groups = {name: [f._asdict() for f in found.of(name)] for name in by_agent(found.runs)}
    return {
        "indicators": [indicator._asdict() for indicator in found.of(None)],
        "agents": groups,
        "tools": {name: each.model_dump() for name, each in by_tool(found.runs).items()},
        "models": {name: _model(each) for name, each in by_model(found.runs).items()},
        "alerts": [{"agent": name, **f._asdict()} for name, f in found.firing()],
    }


def _model(each: ModelCallStats) -> dict[str, Any]:
    return each.model_dump(exclude={"usage", "uncached"}) | each.tokens


def _shown(found: _Found, by: By | None) -> RenderableType:
    if not found.runs:
        return Text('no runs in this time: playhead run "GOAL" starts one', style="dim")
    match by:
        case "tool":
            return _effects("tool", by_tool(found.runs))
        case "model":
            return _effects("model", by_model(found.runs))
        case "agent":
            return Group(*(_indicators(name, found.of(name)) for name in by_agent(found.runs)))
        case None:
            return Group(_indicators("all runs", found.of(None)), *_told(found))


def _told(found: _Found) -> Sequence[Text]:
    alerts = [(name, indicator) for name, indicator in found.firing() if name]
    return [
        Text(f"alert: {plain(name)}: {f.called} {f.text}, {f.alarm}", style="red")
        for name, f in alerts
    ]


def _indicators(title: str, found: Sequence[Indicator]) -> Table:
    table = columns(plain(title), "now", "target", "alert")
    for indicator in found:
        style = STYLES[indicator.level] if indicator.target else ""
        row = (
            indicator.called,
            Text(indicator.text, style=style),
            indicator.target,
            indicator.alarm,
        )
        table.add_row(*row)
    table.add_row("")
    return table


def _effects(what: str, found: Mapping[str, CallStats]) -> Table:
    more = ["in", "cached", "out", "cost"] if what == "model" else ["cached"]
    table = columns(what, "calls", "errors", "retries", "p95", *more)
    for name, each in found.items():
        p95 = each.durations.quantile(0.95)
        row = [plain(name), f"{each.attempts:,}", f"{each.errors:,}", f"{each.retries:,}"]
        row.append("" if p95 is None else f"< {duration_text(p95)}")
        if isinstance(each, ModelCallStats):
            usage, sent = each.usage, each.usage.input_total
            cached = f"{usage.cache_read_input_tokens / sent:.0%}" if sent else ""
            row += [f"{sent:,}", cached, f"{usage.output_tokens:,}", _cost(each)]
        elif isinstance(each, ToolCallStats):
            row.append(f"{each.cached:,}")
        table.add_row(*row)
    return table


def _cost(each: ModelCallStats) -> str:
    unknown = f" + {each.unpriced} unpriced" if each.unpriced else ""
    return f"{cost_text(each.cost)}{unknown}" if each.cost or not unknown else "unknown"
