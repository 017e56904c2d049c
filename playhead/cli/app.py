"""The commands put together, and how mistakes are told: one line, and an exit code."""

import os
import sqlite3
from collections.abc import Sequence
from typing import Annotated

import typer

from playhead.cli import (
    backtest,
    carry,
    causes,
    check,
    compat,
    cost,
    diff,
    doctor,
    exits,
    facts,
    fork,
    housekeeping,
    lint,
    look,
    memory,
    metrics,
    people,
    plan,
    recall,
    run,
    serve,
    tail,
    tell,
    trace,
    why,
)  # fmt: skip
from playhead.cli.output import err, out, plain
from playhead.events.errors import LogError, PlayheadError
from playhead.events.version import VERSION
from playhead.program_log import log_to_stderr

LOG_LEVEL = "error"
"""Of the program's log, unless PLAYHEAD_LOG_LEVEL says another: what a run does is shown anyway."""

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


@app.callback(epilog=exits.TABLE)
def playhead(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Run LLM agents whose every step is an event in a log; read, replay and check that log."""
    log_to_stderr(os.environ.get("PLAYHEAD_LOG_LEVEL") or LOG_LEVEL)


for command in (
    run.run, run.resume, tell.cancel, tell.pause, tell.send,
    look.runs, look.show, memory.context, why.why, cost.cost, check.replay, check.verify,
    doctor.doctor,
    facts.facts, people.approvals, people.approve, people.deny, people.resolve, trace.export_trace,
    fork.fork, backtest.backtest, diff.diff, causes.causes, tail.tail, carry.export,
    metrics.metrics, serve.serve, housekeeping.backup, housekeeping.restore, housekeeping.archive,
):  # fmt: skip
    app.command()(command)
memories = typer.Typer(help="What is remembered across runs.", rich_markup_mode=None)
for about_memories in (recall.add, recall.search, recall.promote, facts.forget):
    memories.command()(about_memories)
app.add_typer(memories, name="memory")
app.command("lint-tools")(lint.lint_tools)
app.command("approve-tools")(lint.approve_tools)
app.command("import")(carry.import_)
app.command("check-compat")(compat.check_compat)

app.add_typer(plan.plan, name="plan")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    try:
        return app(arguments, prog_name="playhead", standalone_mode=False) or exits.OK
    except typer.TyperException as mistake:
        context = getattr(mistake, "ctx", None)
        return _tell(mistake.format_message(), exits.MISTAKE, getattr(context, "command_path", ""))
    except LogError as error:
        return _tell(str(error), exits.LOG)
    except PlayheadError as error:
        return _tell(str(error), exits.MISTAKE)
    except (sqlite3.Error, OSError) as error:
        return _tell(f"{type(error).__name__}: {error}", exits.LOG)


def _tell(message: str, code: int, command: str = "") -> int:
    hint = f" ({command} --help)" if command else ""
    line = " ".join(plain(message).split())
    err.print(f"{command or 'playhead'}: {line}{hint}", soft_wrap=True)
    return code
