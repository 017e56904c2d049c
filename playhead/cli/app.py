"""The commands put together; an error is one line and an exit code."""

import os
import sqlite3
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from playhead.cli.commands import (
    approvals,
    backtest,
    backup_archive,
    causes,
    check_compat,
    complete,
    context,
    cost,
    diff,
    doctor,
    evaluate,
    export_import,
    export_trace,
    facts,
    fork,
    mcp_serve,
    memory,
    metrics,
    plan,
    replay_verify,
    run,
    schedules,
    send,
    serve,
    show,
    tail,
    tools,
    waits,
    why,
)
from playhead.cli.shared import exit_codes
from playhead.cli.shared.output import err, out, plain, plain_streams
from playhead.events.errors import LogError, PlayheadError
from playhead.events.version import VERSION
from playhead.telemetry.call_log import log_to_stderr

LOG_LEVEL = "error"
"""Level of the program's log unless PLAYHEAD_LOG_LEVEL sets one: the CLI shows the run itself."""

app = typer.Typer(
    name="playhead",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"playhead {VERSION}")
        raise typer.Exit


@app.callback(epilog=exit_codes.TABLE)
def playhead(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Run LLM agents whose every step is an event in a log; read, replay and check that log."""
    log_to_stderr(os.environ.get("PLAYHEAD_LOG_LEVEL") or LOG_LEVEL)


for command in (
    run.run, run.resume, send.cancel, send.pause, send.send, show.runs, show.show, context.context,
    why.why, cost.cost, replay_verify.replay, replay_verify.verify, doctor.doctor, facts.facts,
    waits.waits, approvals.approvals, approvals.approve, approvals.deny, approvals.resolve,
    complete.complete, complete.fail, schedules.schedules, schedules.unschedule,
    export_trace.export_trace, fork.fork, backtest.backtest, diff.diff, causes.causes, tail.tail,
    export_import.export, metrics.metrics, serve.serve, backup_archive.backup,
    backup_archive.restore, backup_archive.archive,
):  # fmt: skip
    app.command()(command)
memories = typer.Typer(help="Memory that lasts across runs.", rich_markup_mode=None)
memories.command("list")(memory.list_)
for about_memories in (memory.add, memory.search, memory.export, memory.promote, facts.forget):
    memories.command()(about_memories)
app.add_typer(memories, name="memory")
app.command("eval")(evaluate.eval_)
app.command()(evaluate.evals)
app.command("eval-tests")(evaluate.eval_tests)
app.command("mcp-serve")(mcp_serve.mcp_serve)
app.command("lint-tools")(tools.lint_tools)
app.command("approve-tools")(tools.approve_tools)
app.command("import")(export_import.import_)
app.command("check-compat")(check_compat.check_compat)

app.add_typer(plan.plan, name="plan")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    with plain_streams():
        try:
            return _run(arguments)
        except Exception:  # a fault of ours: the traceback, told while the streams are harmless
            traceback.print_exc()
            return exit_codes.NO


def _run(arguments: Sequence[str] | None) -> int:
    try:
        return app(arguments, prog_name="playhead", standalone_mode=False) or exit_codes.OK
    except typer.TyperException as mistake:
        context = getattr(mistake, "ctx", None)
        return _tell(
            mistake.format_message(), exit_codes.MISTAKE, getattr(context, "command_path", "")
        )
    except LogError as error:
        return _tell(str(error), exit_codes.LOG)
    except PlayheadError as error:
        return _tell(str(error), exit_codes.MISTAKE)
    except (sqlite3.Error, OSError) as error:
        return _tell(f"{type(error).__name__}: {error}", exit_codes.LOG)


def _tell(message: str, code: int, command: str = "") -> int:
    hint = f" ({command} --help)" if command else ""
    line = " ".join(plain(message).split())
    err.print(f"{command or 'playhead'}: {line}{hint}", soft_wrap=True)
    return code
