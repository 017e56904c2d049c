"""`metrics`: how the runs in a log go, against targets, with alerts."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from playhead.cli import exits
from playhead.cli.find import reading
from playhead.cli.options import Json, LogFile
from playhead.cli.output import columns, out, plain, say_json, span
from playhead.cli.times import parse_time
from playhead.events.errors import UsageError
from playhead.events.prices import PICODOLLARS
from playhead.measures import Measures, read_measures
from playhead.projections.effects import Effects, ModelEffects
from playhead.projections.figures import Figure, by_agent, by_model, by_tool, figures
from playhead.projections.prometheus import prometheus

By = Literal["agent", "tool", "model"]

STYLES = {"ok": "green", "warn": "yellow", "alert": "bold red", "unknown": "dim"}
SECONDS = 2.0
"""Between two looks with --watch."""


def metrics(
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Ended since: 90m, 12h, 3d, or 2030-01-31[T12:00]."),
    ] = None,
    by: Annotated[By | None, typer.Option(metavar="WHAT", help="agent, tool or model.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again until Ctrl-C.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 1 while an alert fires.")
    ] = False,
    as_prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Prometheus's text format, over the whole log.")
    ] = False,
    log: LogFile = None,
    json: Json = False,
) -> int:
    """Say how the runs go: figures, targets, alerts.

    Targets: over 90 % of the tasks completed (alert below 80 %), 3 to 7 steps (above 10), under 5 %
    tool errors (above 10 %), no more than 1.5 times the cost of the runs before (above 2), and
    95 % done within 30 s (above 60 s), waiting for people left out.
    """
    if watch and (json or as_prometheus or check):
        msg = "--watch is for people: leave out --json, --prometheus and --check"
        raise UsageError(msg)
    if watch:
        return _watch(log, since, by)
    found = _look(log, since)
    if as_prometheus:
        out.out(prometheus([*found.before, *found.runs]), end="", highlight=False)
    elif json:
        say_json(_document(found))
    else:
        out.print(_shown(found, by))
    return exits.NO if check and _firing(found) else exits.OK


def _look(log: Path | None, since: str | None) -> Measures:
    with reading(log) as reader:
        return read_measures(reader, None if since is None else parse_time(since, "--since"))


def _watch(log: Path | None, since: str | None, by: By | None) -> int:
    try:
        with Live(console=out, auto_refresh=False) as live:
            while True:
                live.update(_shown(_look(log, since), by), refresh=True)
                time.sleep(SECONDS)
    except KeyboardInterrupt:
        return exits.OK


def _firing(found: Measures) -> list[tuple[str, Figure]]:
    """Alerts of all runs together, and of each agent."""
    groups = {"": found.runs, **by_agent(found.runs)}
    judged = ((name, f) for name in groups for f in _of(found, name))
    return [(name, figure) for name, figure in judged if figure.firing]


def _of(found: Measures, agent: str) -> list[Figure]:
    if not agent:
        return figures(found.runs, found.before)
    own, before = ([m for m in each if m.agent == agent] for each in found)
    return figures(own, before, agent=agent)


def _document(found: Measures) -> dict[str, Any]:
    groups = {name: [f._asdict() for f in _of(found, name)] for name in by_agent(found.runs)}
    return {
        "figures": [figure._asdict() for figure in _of(found, "")],
        "agents": groups,
        "tools": {name: each.model_dump() for name, each in by_tool(found.runs).items()},
        "models": {name: each.model_dump() for name, each in by_model(found.runs).items()},
        "alerts": [{"agent": name or None, **f._asdict()} for name, f in _firing(found)],
    }


def _shown(found: Measures, by: By | None) -> RenderableType:
    if not found.runs:
        return Text('no runs in this time: playhead run "GOAL" starts one', style="dim")
    match by:
        case "tool":
            return _effects("tool", by_tool(found.runs))
        case "model":
            return _effects("model", by_model(found.runs))
        case "agent":
            return Group(*(_figures(name, _of(found, name)) for name in by_agent(found.runs)))
        case None:
            return Group(_figures("all runs", _of(found, "")), *_told(found))


def _told(found: Measures) -> Sequence[Text]:
    alerts = [(name, figure) for name, figure in _firing(found) if name]
    return [
        Text(f"alert: {plain(name)}: {f.called} {f.text}, {f.alarm}", style="red")
        for name, f in alerts
    ]


def _figures(title: str, found: Sequence[Figure]) -> Table:
    table = columns(plain(title), "now", "target", "alert")
    for figure in found:
        style = STYLES[figure.level] if figure.target else ""
        row = (figure.called, Text(figure.text, style=style), figure.target, figure.alarm)
        table.add_row(*row)
    table.add_row("")
    return table


def _effects(what: str, found: Mapping[str, Effects]) -> Table:
    more = ["tokens in", "out", "cost"] if what == "model" else []
    table = columns(what, "calls", "errors", "retries", "p95", *more)
    for name, each in found.items():
        p95 = each.durations.quantile(0.95)
        row = [plain(name), f"{each.attempts:,}", f"{each.errors:,}", f"{each.retries:,}"]
        row.append("" if p95 is None else f"< {span(p95 * 1000)}")
        if isinstance(each, ModelEffects):
            row += [f"{each.input:,}", f"{each.output:,}", _cost(each)]
        table.add_row(*row)
    return table


def _cost(each: ModelEffects) -> str:
    unknown = f" + {each.unpriced} unpriced" if each.unpriced else ""
    return f"${each.cost / PICODOLLARS:,.4f}{unknown}" if each.cost or not unknown else "unknown"
