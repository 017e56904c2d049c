"""`replay` and `verify`: whether the log still says what the code would do, and is whole."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import to_json
from rich.table import Table
from rich.text import Text

from playhead.actors.replay import Divergence, ReplayReport
from playhead.actors.replay import replay as replay_run
from playhead.cli.commands.evaluate import judge_evaluation_again
from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import find_or_evaluation, log_path, reading
from playhead.cli.shared.options import JsonOption, LogFile, RunId
from playhead.cli.shared.output import count, err, out, plain, say_json
from playhead.events.errors import UsageError
from playhead.events.log.anchor import read_anchor
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.maintenance.verify import VerifyReport
from playhead.events.maintenance.verify import verify as verify_log
from playhead.events.record import Record

LOSSES = ("lost_tail", "other_history", "no_anchor")
"""What --accept-loss can accept; a record that was altered it cannot."""

SHOWN = 20


def replay(
    run: RunId,
    to: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Up to record N.", show_default="its end")
    ] = None,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Decide a run again and compare.

    Its recorded happenings are decided on again, without network, tools, keys or code of yours.
    The first difference is shown, and the exit code is 1. An evaluation, by its id, is judged again
    from the log: whatever needs neither a function of yours nor a model.
    """
    with reading(log) as reader:
        run, is_evaluation = find_or_evaluation(reader, run)
        if is_evaluation:
            return judge_evaluation_again(reader, run, json=json)
        last = reader.head(run).seq
        if to is not None and to > last:
            msg = f"run {run} has the records 1 to {last}: there is no record {to}"
            raise UsageError(msg)
        report = replay_run(reader, run, to)
    if json:
        say_json(_replayed(report))
    elif report.divergence is None:
        decided = f"{count(report.records, 'record')}, {count(report.turns, 'turn')}"
        out.print(f"run {run} matches: {decided} decided again as recorded", style="green")
    else:
        _print_divergence(run, report.divergence)
    return exit_codes.OK if report.matches else exit_codes.NO


def _print_divergence(run: str, at: Divergence) -> None:
    out.print(f"run {run} diverges at record {at.seq}: {at.field}", style="red")
    out.print(f"in the turn that record {at.trigger} opened", style="dim")
    if at.error is not None:
        out.print(Text(plain(f"a role raised {at.error}")))
        return
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("recorded", ratio=1, overflow="fold")
    table.add_column("decided now", ratio=1, overflow="fold")
    table.expand = True
    old, new = _fields(at.recorded), _fields(at.decided)
    for name in dict.fromkeys([*old, *new]):
        left, right = old.get(name, ""), new.get(name, "")
        style = "" if left == right else "red"
        table.add_row(name, Text(plain(left), style), Text(plain(right), style))
    out.print(table)


def _fields(record: Record | None) -> dict[str, str]:
    """A record as the comparison sees it, each field as text."""
    if record is None:
        return {"kind": "(no record)"}
    head = {"kind": record.event.kind, "actor": record.actor, "cause": str(record.cause)}
    fields = record.event.model_dump(mode="json", exclude={"kind"}, exclude_none=True)
    return head | {name: _short(value) for name, value in fields.items()}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else to_json(value).decode()
    return text if len(text) <= 600 else f"{text[:600]}..."


def _replayed(report: ReplayReport) -> dict[str, Any]:
    at = report.divergence
    document = {
        "run": report.run,
        "matches": report.matches,
        "records": report.records,
        "turns": report.turns,
    }
    return document | {
        "divergence": at
        and {
            "seq": at.seq,
            "opening": at.trigger,
            "field": at.field,
            "error": at.error,
            "recorded": at.recorded and at.recorded.event.model_dump(mode="json"),
            "decided": at.decided and at.decided.event.model_dump(mode="json"),
        }
    }


def verify(
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss",
            help="Accept that the last records are lost, and record that.",
        ),
    ] = False,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Check the log: hashes, bodies, anchor.

    Every record is checked against its hash, every body against its own, and the end of the log
    against its anchor. Runs that came from redacted exports are counted, and
    what was erased.
    """
    report = _verified(log)
    if accept_loss and not report.ok:
        _accept(log_path(log), report)
        report = _verified(log)
    if json:
        say_json(_verdict(report))
        return exit_codes.OK if report.ok else exit_codes.NO
    size = f"{count(report.records, 'record')} of {count(report.runs, 'run')}"
    if report.ok:
        anchored = "" if report.anchored is None else f", anchored up to {report.anchored}"
        out.print(f"{log_path(log)} is whole: {size}{anchored}", style="green")
        _say_what_is_gone(report)
        return exit_codes.OK
    out.print(f"{log_path(log)}: {count(len(report.problems), 'fault')} in {size}", style="red")
    for problem in report.problems[:SHOWN]:
        out.print(f"  - {plain(problem.message)}")
    if len(report.problems) > SHOWN:
        out.print(f"  ... and {len(report.problems) - SHOWN} more (--json)")
    if all(problem.fault in LOSSES for problem in report.problems):
        out.print("`playhead verify --accept-loss` records the loss and lets the log be written")
    return exit_codes.NO


def _say_what_is_gone(report: VerifyReport) -> None:
    if report.erased:
        out.print(f"{count(report.erased, 'stream')} erased, as recorded in the runtime stream")
    if report.redacted:
        out.print(f"{count(report.redacted, 'run')} of them redacted: the words are gone")


def _verified(log: Path | None) -> VerifyReport:
    # The anchor first: the log goes on meanwhile, and is never behind an anchor read before it.
    path = log_path(log)
    anchor = read_anchor(path)
    with reading(log) as reader:
        return verify_log(reader, anchor)


def _accept(path: Path, report: VerifyReport) -> None:
    worse = next((p for p in report.problems if p.fault not in LOSSES), None)
    if worse is not None:
        msg = f"only a lost end can be accepted, and there is more: {worse.message}"
        raise UsageError(msg)
    SqliteLog(path, accept_loss=True).close()
    err.print(f"{path}: the loss is recorded; the log can be written again")


def _verdict(report: VerifyReport) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "records": report.records,
        "runs": report.runs,
        "end": report.end,
        "anchored": report.anchored,
        "redacted": report.redacted,
        "erased": report.erased,
        "problems": [problem._asdict() for problem in report.problems],
    }
