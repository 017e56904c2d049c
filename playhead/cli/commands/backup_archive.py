"""`backup`, `restore`, `archive`: keeping a log safe, and small."""

from pathlib import Path
from typing import Annotated

import typer

from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import log_path
from playhead.cli.shared.options import JsonOption, LogFile, parse_time
from playhead.cli.shared.output import count, out, say_json
from playhead.events.maintenance.archive import archive as archive_log
from playhead.events.maintenance.backup import back_up
from playhead.events.maintenance.restore import drill
from playhead.events.maintenance.restore import restore as restore_log
from playhead.events.maintenance.verify import VerifyReport


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new backup.")],
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Copy the log to a file, and verify the copy.

    A process may go on writing to the log meanwhile. Keep FILE and FILE.anchor together.
    """
    report = back_up(log_path(log), file)
    return _say("backed up", log_path(log), file, report, json)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    log: LogFile = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Replace the existing log, which is kept under another name."
        ),
    ] = False,
    practice: Annotated[
        bool, typer.Option("--drill", help="Only test it: restore, verify, and delete the copy.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Put a backup in the log's place, verified to its anchor.

    The log must have no owner. A log that was replaced is kept as LOG.replaced.
    """
    path = log_path(log)
    if practice:
        return _say("could be restored", file, path, drill(file, path), json)
    return _say("restored", file, path, restore_log(file, path, replace=replace), json)


def archive(
    before: Annotated[
        str,
        typer.Option(metavar="DATE", help="Runs that ended before: 2030-01-31[T12:00], 90d, 12h."),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The new archive.", show_default="LOG-before-DATE, beside it"
        ),
    ] = None,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Move what ended long ago to a file of its own.

    Runs that belong together (a session, a run and its forks and children) move together, once the
    last of them has ended. A later run of a session that was moved begins without its past. The
    log must have no owner. Read an archive with --log FILE.
    """
    path, until = log_path(log), parse_time(before, "--before")
    target = to or path.with_name(f"{path.stem}-before-{before.replace(':', '')}{path.suffix}")
    done = archive_log(path, target, until)
    if json:
        say_json(done and {
            "archive": str(done.archive), "runs": done.runs, "records": done.records,
            "freed": done.freed,
        })  # fmt: skip
    elif done is None:
        out.print(f"nothing in {path} had ended by then: nothing was moved")
    else:
        moved = f"{count(done.runs, 'run')} ({count(done.records, 'record')})"
        out.print(f"{moved} moved to {done.archive}; {path} is {done.freed / 1e6:.1f} MB smaller")
    return exit_codes.OK


def _say(what: str, source: Path, target: Path, report: VerifyReport, json: bool) -> int:
    if json:
        say_json({
            "from": str(source), "to": str(target), "records": report.records,
            "runs": report.runs, "end": report.end,
        })  # fmt: skip
    else:
        size = f"{count(report.records, 'record')} of {count(report.runs, 'run')}"
        out.print(f"{source} {what} as {target}: {size}, verified", style="green")
    return exit_codes.OK
