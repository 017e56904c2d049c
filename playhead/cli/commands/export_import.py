"""`export` and `import`: a run as a file, to be mailed, or kept beside tests."""

from pathlib import Path
from typing import Annotated

import typer

from playhead.actors.engine.load_state import load_state
from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import find, log_option, log_path, reading
from playhead.cli.shared.options import JsonOption, LogFile, RunId
from playhead.cli.shared.output import count, err, out, say_json
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.maintenance.erase import noted
from playhead.events.maintenance.export import export as export_lines
from playhead.events.maintenance.import_file import bounded_lines
from playhead.events.maintenance.import_run import import_run
from playhead.events.maintenance.redacted_export import export_redacted


def export(
    run: RunId,
    to: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Output file; - is standard output.",
            show_default="standard output",
        ),
    ] = None,
    redact: Annotated[bool, typer.Option("--redact", help="Remove all text.")] = False,
    log: LogFile = None,
) -> int:
    """Write a run as lines of JSON, with all it rests on.

    A redacted export says so, verifies, and cannot be replayed.
    """
    with reading(log) as reader:
        run = find(reader, run)
        lines = export_redacted(reader, run) if redact else export_lines(reader, run)
        if to is None or str(to) == "-":
            for line in lines:
                out.out(line.decode().rstrip("\n"))
            return exit_codes.OK
        part = to.with_name(f"{to.name}.part")
        try:
            with part.open("wb") as file:
                size = sum(map(file.write, lines))
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)
    err.print(f"run {run}{', redacted,' if redact else ''} written to {to}: {size:,} bytes")
    return exit_codes.OK


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, exists=True)],
    with_memory: Annotated[
        bool,
        typer.Option("--with-memory", help="Memories and the runtime's records too, untrusted."),
    ] = False,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Put an exported run into a log, marked as imported.

    All of the file goes in, or nothing. A run that is open waits until `playhead resume RUN --agent
    MODULE:NAME` takes it up, with that agent's tools and limits. What was approved elsewhere
    needs approval here.
    """
    with file.open("rb") as opened, SqliteLog(log_path(log)) as owned:
        lines = bounded_lines(opened)
        erased = noted(log_path(log))
        done = import_run(owned, lines, with_memory=with_memory, check=load_state, erased=erased)
    if json:
        say_json(done._asdict())
        return exit_codes.OK
    redacted = " (redacted)" if done.redacted else ""
    runs = f"{count(len(done.runs), 'run')}, {count(done.records, 'new record')}"
    out.print(f"run {done.run}{redacted} is in {log_path(log)}: {runs}")
    for run in done.parked:
        again = f"playhead resume {run} --agent MODULE:NAME{log_option(log)}"
        out.print(f"run {run} is open and parked; to take it up: {again}", soft_wrap=True)
    return exit_codes.OK
