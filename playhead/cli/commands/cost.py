"""`cost`: what runs cost, from the log alone, and what they would have cost otherwise."""

import json as json_
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from playhead.cli.commands.cost_quota import show_quota
from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import find, reading, run_list
from playhead.cli.shared.options import JsonOption, LogFile, parse_time
from playhead.cli.shared.output import columns, count, out, plain, say_json
from playhead.definition.prices import prices_for
from playhead.events.codec import decode
from playhead.events.errors import UsageError
from playhead.events.kinds.child_runs import ChildStarted
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.registry import ENDINGS
from playhead.events.spec.prices import PICODOLLARS, Price
from playhead.projections.cost.ledger import Bill, By, Ledger, Line, bill, grouped, repriced
from playhead.projections.metrics.formatting import cost_text
from playhead.projections.stored.run_list import find_runs

KINDS = frozenset({
    "run_started", "run_forked", "model_requested", "summary_requested",
    "extraction_requested", "model_answered", "model_failed", *ENDINGS,
})  # fmt: skip
"""What the ledger looks at; nothing else is even decoded."""

TODAY = "today"


def cost(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A run and its children; by default all runs."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Runs started since: 90m, 12h, 3d, or a date."),
    ] = None,
    by: Annotated[
        By | None, typer.Option("--by", help="Print one line per group.", show_default="model")
    ] = None,
    routing: Annotated[
        list[str] | None,
        typer.Option(
            "--route", metavar="TASK=MODEL", help="What if TASK (*: any other) had gone to MODEL?"
        ),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="What if the prompt cache had not been used?")
    ] = False,
    prices: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help='What if these were the prices? A JSON file, or "today".'
        ),
    ] = None,
    quota: Annotated[
        str | None,
        typer.Option(
            metavar="BY",
            help="What counts towards quotas: by tenant (or other metadata), session or agent.",
        ),
    ] = None,
    per: Annotated[str, typer.Option(help="With --quota: hour, day or month, up to now.")] = "day",
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Show what runs cost, and what they could have cost.

    Each attempt is priced as it was when its run started. One that broke off counts for the most
    that it can have cost. Calls of models with an unknown price are excluded from totals and
    listed.
    """
    if quota is not None:
        return show_quota(quota, per, log, json=json)
    if run is not None and since is not None:
        msg = "RUN and --since: a run is one run; give one of them"
        raise UsageError(msg)
    routes = dict(_pair(text, "--route") for text in routing or ())
    with reading(log) as reader:
        runs = _family(reader, find(reader, run)) if run is not None else _runs(reader, since)
        recorded: dict[str, Price] = {}
        lines = [line for each in runs for line in _lines(reader, each, recorded)]
    otherwise = None
    if routes or no_cache or prices is not None:
        asked = sorted({*routes.values(), *(line.model for line in lines)})
        table = _table(prices, asked, recorded)
        otherwise = list(repriced(lines, table, routes, cached=not no_cache))
    if json:
        say_json(_document(runs, lines, otherwise, by or "model"))
    else:
        _print(lines, otherwise, by or "model", len(runs))
    return exit_codes.OK


def bills(
    reader: SqliteReader, runs: Sequence[str], prices: str | None, routing: Sequence[str]
) -> tuple[Bill, Bill]:
    """What runs cost, and would have cost. Raises UsageError for what cannot be read."""
    routes = dict(_pair(text, "--routing") for text in routing)
    recorded: dict[str, Price] = {}
    lines = [line for run in runs for line in _lines(reader, run, recorded)]
    asked = sorted({*routes.values(), *(line.model for line in lines)})
    otherwise = repriced(lines, _table(prices, asked, recorded), routes)
    return bill("as it was", lines), bill("otherwise", otherwise)


def _runs(reader: SqliteReader, since: str | None) -> list[str]:
    from_ = None if since is None else parse_time(since, "--since")
    with run_list(reader) as views:
        return [row.run for row in reversed(find_runs(views.connection, since=from_))]


def _family(reader: SqliteReader, run: str) -> list[str]:
    """The run and the runs of the agents that it called, theirs too."""
    started = [
        decode(row, reader.body).event
        for row in reader.read(run)
        if row.kind == "child_started" and row.run == run
    ]
    children = [event.run for event in started if isinstance(event, ChildStarted)]
    begun = [child for child in children if reader.stream(child) is not None]
    return [run, *(each for child in begun for each in _family(reader, child))]


def _lines(reader: SqliteReader, run: str, prices: dict[str, Price]) -> Iterator[Line]:
    """What the run itself asked: what a fork took from its parent is the parent's.

    The prices that it recorded go into `prices`.
    """
    ledger = Ledger()
    for row in reader.read(run):
        if row.kind in KINDS:
            lines = ledger.fold(decode(row, reader.body))
            if row.run == run:
                yield from lines
    prices.update(ledger.prices)


def _pair(text: str, option: str) -> tuple[str, str]:
    task, found, model = text.partition("=")
    if not (task and found and model):
        msg = f"{option} {text}: write TASK=MODEL, such as reasoning=claude-haiku-4-5-20251001"
        raise UsageError(msg)
    return task, model


def _table(
    given: str | None, models: Sequence[str], recorded: Mapping[str, Price]
) -> Callable[[str], Price | None]:
    """Model -> price: the given table, or what was recorded, and today's for models not in it."""
    if given is not None and given != TODAY:
        return _read_prices(Path(given)).get
    known = {} if given == TODAY else {m: recorded[m] for m in models if m in recorded}
    return prices_for(models, known)[0].get


def _read_prices(path: Path) -> Mapping[str, Price]:
    try:
        return TypeAdapter(dict[str, Price]).validate_json(path.read_bytes())
    except OSError as error:
        msg = f'--prices {path}: {error.strerror}; give a JSON file, or "today"'
        raise UsageError(msg) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        example = json_.dumps({"MODEL": {"input": 3, "output": 15}})
        msg = f"--prices {path}: {where}: {first['msg']}; write {example}, dollars a million tokens"
        raise UsageError(msg) from error


def _print(lines: Sequence[Line], otherwise: Sequence[Line] | None, by: By, runs: int) -> None:
    if not lines:
        out.print("no model calls in these runs" if runs else "no runs in this time")
        return
    table = columns(by, "calls", "input", "cached", "output", "cost")
    for column in table.columns[1:]:
        column.justify = "right"
    total = bill("total", lines)
    for each in [*grouped(lines, by), total]:
        table.add_row(plain(each.name), *_cells(each))
    out.print(table)
    for note in _notes(total):
        out.print(note, style="dim")
    if otherwise is not None:
        _compare(total, bill("otherwise", otherwise))


def _cells(each: Bill) -> tuple[str, ...]:
    usage = each.usage
    return (
        f"{each.calls:,}", f"{usage.input_total:,}", f"{each.cached_share:.0%}",
        f"{usage.output_tokens:,}", _cost(each),
    )  # fmt: skip


def _cost(each: Bill) -> str:
    """The cost; an unknown cost is never shown as zero."""
    if each.unpriced == each.calls:
        return "unknown"
    return cost_text(each.cost) + (" + unknown" if each.unpriced else "")


def _notes(total: Bill) -> Iterator[str]:
    if total.unpriced:
        yield f"{count(total.unpriced, 'call')} of a model whose price is not known"
    if total.estimated:
        yield f"{count(total.estimated, 'call')} broke off: counted at the most it can have cost"
    saved = total.uncached - total.cost
    if total.usage.cache_read_input_tokens and total.uncached:
        yield f"the prompt cache saved {cost_text(saved)} ({saved / total.uncached:.0%})"
    if total.usage.thinking_tokens:
        yield f"{total.usage.thinking_tokens:,} of the output tokens were thinking"


def _compare(total: Bill, other: Bill) -> None:
    out.print(f"\notherwise  {_cost(other)}")
    if total.cost and not total.unpriced and not other.unpriced:
        change = other.cost / total.cost - 1
        out.print(f"           {change:+.0%} for the same tokens", style="dim")


def _document(
    runs: Sequence[str], lines: Sequence[Line], otherwise: Sequence[Line] | None, by: By
) -> dict[str, Any]:
    document = {
        "runs": list(runs),
        "by": by,
        "groups": [_as_json(each) for each in grouped(lines, by)],
        "total": _as_json(bill("total", lines)),
    }
    if otherwise is not None:
        document["otherwise"] = _as_json(bill("otherwise", otherwise))
    return document


def _as_json(each: Bill) -> dict[str, Any]:
    return {
        "name": each.name,
        "calls": each.calls,
        "unpriced_calls": each.unpriced,
        "estimated_calls": each.estimated,
        "dollars": None if each.unpriced else each.cost / PICODOLLARS,
        "priced_dollars": each.cost / PICODOLLARS,
        "dollars_without_cache": None if each.unpriced else each.uncached / PICODOLLARS,
        "cached_share": each.cached_share,
        "usage": each.usage.model_dump(),
    }
