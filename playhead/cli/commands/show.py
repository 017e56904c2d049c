"""`runs` and `show`: what is in the log. Both only read, also while another process writes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import to_json
from rich.padding import Padding
from rich.text import Text

from playhead.cli.commands.evaluate import show_evaluation
from playhead.cli.commands.show_at import show_at
from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import (
    find_or_evaluation,
    log_option,
    log_path,
    reading,
    records,
)
from playhead.cli.shared.options import JsonOption, LogFile, RunId, parse_time
from playhead.cli.shared.output import (
    columns,
    count,
    local_time,
    one_line,
    out,
    plain,
    say_json,
    styled,
)  # fmt: skip
from playhead.cli.shared.run_format import entry_row, totals, who_and_why
from playhead.cli.shared.run_summary import RunSummary, read_summary
from playhead.events.errors import UsageError
from playhead.events.log.owner_lock import status_now
from playhead.events.record import Record
from playhead.projections.metrics.formatting import duration_text
from playhead.projections.state.waits import shown_status, wait_text
from playhead.projections.stored.run_list import RunList, RunRow, find_runs
from playhead.projections.stored.view import Views
from playhead.projections.stored.wait_list import WaitList, find_waits

NOBODY = (
    "open: no process has this log; `playhead resume RUN{log}` takes such a run up, and so does a "
    "Runtime that has its agent"
)

GOAL = 160
"""Characters of a goal in the list; `show` has all of it."""


def labels(given: Iterable[str]) -> dict[str, str]:
    """Labels from KEY=VALUE. Raises UsageError."""
    pairs = [each.partition("=") for each in given]
    wrong = next((key for key, equals, _ in pairs if not (key and equals)), None)
    if wrong is not None:
        msg = f"--metadata {wrong}: write KEY=VALUE"
        raise UsageError(msg)
    return {key: value for key, _, value in pairs}


def runs(
    failed: Annotated[bool, typer.Option("--failed", help="Only failed runs.")] = False,
    is_open: Annotated[bool, typer.Option("--open", help="Only open runs.")] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="Runs started since: 90m, 12h, 3d, or 2030-01-31[T12:00]."
        ),
    ] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only runs of this agent.")
    ] = None,
    session: Annotated[
        str | None, typer.Option(metavar="ID", help="Only runs of this session.")
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Only runs with this label; may be repeated."),
    ] = None,
    children: Annotated[
        bool, typer.Option("--children", help="Include child runs, started by calls of agents.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Show at most N.")] = 20,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """List the runs, the newest first."""
    if failed and is_open:
        msg = "--failed and --open: a run that failed is not open; give one of them"
        raise UsageError(msg)
    from_ = None if since is None else parse_time(since, "--since")
    with reading(log) as reader, Views.of(reader, [RunList(), WaitList(reader)]) as views:
        waits = find_waits(views.connection)
        found = find_runs(
            views.connection, status="failed" if failed else "open" if is_open else None,
            since=from_, agent=agent, session=session, metadata=labels(metadata or ()),
            children=children or agent is not None,
        )  # fmt: skip
    if any(row.status == "running" for row in found):
        now = status_now("running", log_path(log))
        found = [row._replace(status=now) if row.status == "running" else row for row in found]
    if json:
        say_json([row._asdict() for row in found[:limit]])
        return exit_codes.OK
    table = columns("run", "status", "started", "took", "agent", "goal")
    for row in found[:limit]:
        status = shown_status(row.status, [w.wait.about for w in waits if w.run == row.run])
        table.add_row(*_cells(row, status))
    if found:
        out.print(table)
    else:
        out.print(
            "no such run in the log"
            if failed or is_open or since or agent or session or metadata
            else "no runs yet"
        )
    if any(row.status == "open" for row in found[:limit]):
        out.print(NOBODY.format(log=log_option(log)), style="dim")
    if len(found) > limit:
        out.print(f"{count(len(found) - limit, 'older run')} not shown (--limit N)", style="dim")
    return exit_codes.OK


def _cells(row: RunRow, status: str) -> list[str | Text]:
    took = duration_text((row.ended_at - row.started_at) / 1_000_000) if row.ended_at else ""
    goal = plain(one_line(row.goal))
    goal = goal if len(goal) <= GOAL else f"{goal[: GOAL - 3]}..."
    return [
        row.run, styled(status), local_time(row.started_at)[5:16], took, plain(row.agent), goal,
    ]  # fmt: skip


def show(
    run: RunId,
    thoughts: Annotated[
        bool, typer.Option("--thoughts", help="Include the model's thoughts.")
    ] = False,
    all_records: Annotated[
        bool, typer.Option("--records", help="Print every record as it is in the log.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Do not shorten long texts.")] = False,
    at: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="The state after record N, and what N changed."),
    ] = None,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Tell a run, step by step.

    What was thought, done and seen, who decided it, because of which record, how long it took and
    how many tokens it used.
    """
    with reading(log) as reader:
        run, is_evaluation = find_or_evaluation(reader, run)
        if is_evaluation:
            return show_evaluation(reader, run, log, json=json)
        if at is not None:
            return show_at(reader, run, at, json=json, full=full)
        summary = read_summary(run, records(reader, run))
    status = status_now(summary.status, log_path(log))
    if json:
        say_json(_document(summary, thoughts, all_records) | {"status": status})
        return exit_codes.OK
    _head(summary, shown_status(status, [wait.about for wait in summary.waits.values()]))
    if all_records:
        _print_records(summary, full)
    else:
        for entry, cost in summary.told(thoughts):
            out.print(entry_row(entry, who_and_why(entry, cost), full=full))
    out.print(f"\n{totals(summary)}", style="dim")
    _hints(summary, thoughts or all_records, log)
    return exit_codes.OK


def _head(summary: RunSummary, status: str) -> None:
    started = summary.started
    about = Text.assemble(f"run {summary.run}  ", styled(status))
    word, message = summary.reason
    if message:
        about.append(plain(f": {message if word in ('paused', message) else f'{word}: {message}'}"))
    out.print(about)
    parts = [summary.agent.name, f"model {summary.agent.model.model}"]
    if summary.forked is not None:
        parts.append(f"forked from {summary.forked.parent} at {summary.forked.at}")
    elif started.session:
        parts.append(f"session {started.session}")
    out.print(plain(", ".join([*parts, local_time(summary.metrics.started_at)])), style="dim")
    for wait in summary.waits.values():
        out.print(plain(wait_text(wait, local_time)))
    out.line()


def _print_records(summary: RunSummary, full: bool) -> None:
    for record in summary.records.values():
        fields = to_json(record.event, exclude={"kind"}, exclude_none=True).decode()
        if not full and len(fields) > 200:
            fields = f"{fields[:200]}..."
        why = "" if record.cause is None else f", because of {record.cause}"
        held = ", held" if record.held else ""
        about = Text(f"{record.seq:4}  {record.event.kind}")
        about.append(f"  {record.actor}, {record.origin}{why}{held}", style="dim")
        out.print(about)
        out.print(Padding(Text(plain(fields), overflow="fold"), (0, 0, 0, 6)))


def _hints(summary: RunSummary, all_shown: bool, log: Path | None) -> None:
    run = f"{summary.run}{log_option(log)}"
    hints = [] if all_shown else [f"show {run} --thoughts"]
    if summary.status in ("failed", "cancelled"):
        hints.append(f"why {run}")
    if summary.ending is None:
        hints.append(f"resume {run}")
    for hint in hints:
        out.print(f"  playhead {hint}", style="dim", soft_wrap=True)


def _document(summary: RunSummary, thoughts: bool, all_records: bool) -> dict[str, Any]:
    document = summary.summary()
    if all_records:
        return document | {"log": [_record(record) for record in summary.records.values()]}
    entries = [
        {
            "seq": entry.seq,
            "at": entry.at,
            "actor": entry.actor,
            "heading": entry.heading,
            "text": entry.text,
            "cause": entry.cause,
            "duration_ms": cost.duration_ms,
            "confined": cost.confined,
            "tokens": cost.usage and cost.usage.total,
        }
        for entry, cost in summary.told(thoughts)
    ]
    return document | {"entries": entries}


def _record(record: Record) -> dict[str, Any]:
    fields = record._asdict()
    return fields | {"hash": record.hash.hex(), "event": record.event.model_dump(mode="json")}
