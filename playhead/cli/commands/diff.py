"""`diff`: two runs side by side, as text, JSON, or a page of HTML."""

from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import find, reading, records
from playhead.cli.shared.options import JsonOption, LogFile, RunId
from playhead.cli.shared.output import columns, out, plain, say_json
from playhead.cli.shared.run_format import cut
from playhead.events.errors import UsageError
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.projections.history.diff import ComparedNumber, Difference, PairedEntries, difference
from playhead.projections.history.timeline import TimelineEntry


def diff(
    run: RunId,
    other: Annotated[
        str | None,
        typer.Argument(
            metavar="[OTHER]", help="Another run; by default the one that RUN was forked from."
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Show what is the same, too.")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write an HTML page to FILE.")
    ] = None,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Compare two runs side by side.

    Shows where they diverge, what each did from there, and how they ended. The exit code is 1 when
    they differ.
    """
    with reading(log) as reader:
        left, right = _pair_of(reader, find(reader, run), other)
        found = difference(records(reader, left), records(reader, right))
    code = exit_codes.OK if found.parting is None else exit_codes.NO
    if json:
        say_json({"left": left, "right": right} | _document(found))
        return code
    if html is not None:
        page = Console(record=True, width=160, file=StringIO(), highlight=False, markup=False)
        _print(page, left, right, found, full=True)
        html.write_text(page.export_html(inline_styles=True))
        out.print(f"written to {html}")
        return code
    _print(out, left, right, found, full=full)
    return code


def _pair_of(reader: SqliteReader, run: str, other: str | None) -> tuple[str, str]:
    if other is not None:
        return run, find(reader, other)
    stream = reader.stream(run)
    if stream is None or stream.parent is None or stream.parent_seq is None:
        msg = f"run {run} is not a fork: name the run to compare it with"
        raise UsageError(msg)
    return stream.parent, run


def _print(to: Console, left: str, right: str, found: Difference, *, full: bool) -> None:
    at = found.parting
    if at is None:
        to.print(f"{left} and {right} did the same")
    else:
        to.print(f"{left} and {right} part after {at} entries" if at else "they part at once")
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0), expand=True)
    table.add_column(left, ratio=1, overflow="fold")
    table.add_column(right, ratio=1, overflow="fold")
    begin = 0 if full else len(found.pairs) if at is None else max(0, at - 1)
    for pair in found.pairs[begin:]:
        style = "dim" if pair.same else "red"
        table.add_row(_cell(pair.left, style), _cell(pair.right, style))
    if table.row_count:
        to.print(table)
        to.line()
    figures = columns("", left, right, "difference")
    figures.add_row("outcome", *found.outcomes, "")
    for number in found.numbers:
        figures.add_row(*_figure(number))
    to.print(figures)


def _cell(entry: TimelineEntry | None, style: str) -> Text:
    if entry is None:
        return Text("")
    return Text(plain(f"{entry.seq} {entry.heading}: {cut(entry.text)}"), style)


def _figure(figure: ComparedNumber) -> tuple[str, str, str, str]:
    name, left, right = figure
    more = "" if left is None or right is None or left == right else f"{right - left:+,.4g}"
    return name, _number(left), _number(right), more


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.10g}"


def _document(found: Difference) -> dict[str, Any]:
    return {
        "parting": found.parting,
        "same": found.parting is None,
        "entries": [_pair(pair) for pair in found.pairs],
        "outcomes": found.outcomes,
        "numbers": [number._asdict() for number in found.numbers],
    }


def _pair(pair: PairedEntries) -> dict[str, Any]:
    return {
        "same": pair.same,
        "left": pair.left and pair.left._asdict(),
        "right": pair.right and pair.right._asdict(),
    }
