"""`backtest`: another guard, guardrail, other limits, prices or routes over the runs in the log."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from playhead.cli.commands.cost import bills
from playhead.cli.commands.guardrail_trial import Judge, guardrail_document, print_guardrail
from playhead.cli.shared import exit_codes
from playhead.cli.shared.agents import load_named
from playhead.cli.shared.log import reading, records, run_list
from playhead.cli.shared.options import JsonOption, LogFile, parse_time
from playhead.cli.shared.output import columns, count, out, plain, say_json
from playhead.definition.guardrails import Guardrail
from playhead.events.errors import UsageError
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.spec.agent import Threshold
from playhead.events.spec.prices import PICODOLLARS
from playhead.projections.cost.ledger import Bill
from playhead.projections.history.backtest import LIMITS, BacktestVerdict, Trial
from playhead.projections.history.backtest import backtest as try_on
from playhead.projections.state.calls.loop_guard import PATTERNS
from playhead.projections.stored.run_list import find_runs

SHOWN = 20


def backtest(
    guard: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN=WARN:STOP",
            help=f"Another loop guard ({', '.join(PATTERNS)}); 0 means never.",
        ),
    ] = None,
    limits: Annotated[
        list[str] | None,
        typer.Option(metavar="LIMIT=N", help=f"Another limit ({', '.join(LIMITS)})."),
    ] = None,
    prices: Annotated[
        str | None, typer.Option(metavar="FILE", help='Other prices: a JSON file, or "today".')
    ] = None,
    routing: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK=MODEL", help="Another model for a type of task (*: any other)."),
    ] = None,
    guardrail: Annotated[
        str | None,
        typer.Option(metavar="MODULE:NAME", help="Another guardrail: its function is called."),
    ] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only runs of this agent.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Runs started since: 12h, 3d, or a date.")
    ] = None,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Try guards, limits, prices or routes on recorded runs.

    Nothing is called but the guardrail. How often would it have stopped a run, what would that have
    saved, and which runs would it have stopped that then finished well? The exit code is 1 if there
    are such.
    """
    trial = Trial(dict(map(_threshold, guard or ())), dict(map(_limit, limits or ())))
    if not (trial.guard or trial.limits or prices or routing or guardrail):
        msg = "nothing to try: give --guard, --limits, --prices, --routing or --guardrail"
        raise UsageError(msg)
    judge = None if guardrail is None else Judge(load_named(guardrail, "--guardrail", Guardrail))
    with reading(log) as reader:
        runs = _runs(reader, agent, since)
        tried = [] if judge is None else [judge.on(records(reader, run)) for run in runs]
        verdicts = [try_on(records(reader, run), trial) for run in runs]
        bill = bills(reader, runs, prices, routing or ()) if prices or routing else None
    wrong = any(v.wrong for v in verdicts) or any(trial.wrong for trial in tried)
    if json:
        bills_ = {} if bill is None else _bill_document(*bill)
        guardrails = {} if judge is None else guardrail_document(tried)
        say_json(_document(verdicts) | bills_ | guardrails)
    else:
        if trial.guard or trial.limits:
            _print(verdicts)
        if bill is not None:
            _print_bill(*bill)
        if judge is not None:
            print_guardrail(judge.guardrail.name, tried)
    return exit_codes.NO if wrong else exit_codes.OK


def _threshold(text: str) -> tuple[str, Threshold]:
    pattern, _, numbers = text.partition("=")
    warn, _, stop = numbers.partition(":")
    if pattern not in PATTERNS or not (warn.isdecimal() and stop.isdecimal()):
        msg = f"--guard {text}: write PATTERN=WARN:STOP, PATTERN one of {', '.join(PATTERNS)}"
        raise UsageError(msg)
    return pattern, Threshold(warn=int(warn), stop=int(stop))


def _limit(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    if name not in LIMITS or not re.fullmatch(r"\d+(\.\d+)?", number):
        msg = f"--limits {text}: write LIMIT=N, LIMIT one of {', '.join(LIMITS)}"
        raise UsageError(msg)
    return name, float(number)


def _runs(reader: SqliteReader, agent: str | None, since: str | None) -> list[str]:
    from_ = None if since is None else parse_time(since, "--since")
    with run_list(reader) as views:
        rows = find_runs(views.connection, since=from_)
    return [row.run for row in reversed(rows) if agent in (None, row.agent) and not row.parent]


def _print(verdicts: Sequence[BacktestVerdict]) -> None:
    fired = [verdict for verdict in verdicts if verdict.fired is not None]
    warned = sum(verdict.warnings for verdict in verdicts)
    stops = f"would have stopped {count(len(fired), 'run')} of {len(verdicts)}"
    out.print(f"{stops}, and warned {count(warned, 'time')}")
    if not fired:
        return
    saved = [verdict.saved for verdict in fired if verdict.saved is not None]
    out.print(
        f"saved: {count(sum(s.steps for s in saved), 'step')}, "
        f"{count(sum(s.tool_calls for s in saved), 'tool call')}, "
        f"{sum(s.tokens for s in saved):,} tokens, "
        f"{_dollars([s.cost for s in saved])}, {sum(s.seconds for s in saved):.1f} s"
    )
    wrong = [verdict for verdict in fired if verdict.wrong]
    style = "red" if wrong else "green"
    out.print(f"{count(len(wrong), 'run')} of them finished well in truth", style=style)
    table = columns("run", "became", "stopped by", "after", "saved")
    for verdict in (*wrong, *(v for v in fired if not v.wrong)):
        table.add_row(*_cells(verdict))
        if table.row_count == SHOWN:
            break
    out.print(table)
    if len(fired) > SHOWN:
        out.print(f"... and {len(fired) - SHOWN} more (--json)", style="dim")


def _dollars(costs: Sequence[int | None]) -> str:
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        return "a cost that is not known"
    return f"${sum(known) / PICODOLLARS:.4f}"


def _cells(verdict: BacktestVerdict) -> Iterator[str]:
    assert verdict.fired is not None
    assert verdict.saved is not None
    saved = verdict.saved
    yield verdict.run
    yield verdict.status
    yield verdict.fired.by
    yield str(verdict.fired.seq)
    yield f"{count(saved.steps, 'step')}, {saved.tokens:,} tokens"


def _print_bill(before: Bill, after: Bill) -> None:
    table = columns("", "calls", "cost", "calls without a known price")
    for bill in (before, after):
        table.add_row(
            plain(bill.name), f"{bill.calls:,}", f"${bill.cost / PICODOLLARS:.4f}",
            f"{bill.unpriced:,}",
        )  # fmt: skip
    out.print(table)


def _document(verdicts: Sequence[BacktestVerdict]) -> dict[str, Any]:
    return {
        "runs": len(verdicts),
        "fired": sum(verdict.fired is not None for verdict in verdicts),
        "wrong": sum(verdict.wrong for verdict in verdicts),
        "warnings": sum(verdict.warnings for verdict in verdicts),
        "verdicts": [
            {
                "run": v.run, "status": v.status, "by": v.fired.by, "after": v.fired.seq,
                "wrong": v.wrong, "saved": v.saved and v.saved._asdict(),
            }
            for v in verdicts if v.fired is not None
        ],
    }  # fmt: skip


def _bill_document(before: Bill, after: Bill) -> dict[str, Any]:
    return {
        "bills": {
            bill.name: {"cost": bill.cost, "unpriced": bill.unpriced} for bill in (before, after)
        }
    }
