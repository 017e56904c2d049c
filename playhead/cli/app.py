"""The commands put together; an error is one line and an exit code."""

import os
import sqlite3
import traceback
from collections.abc import Callable, Mapping, Sequence
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
    erase,
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
from playhead.cli.shared.help import Grouped
from playhead.cli.shared.output import err, out, plain, plain_streams
from playhead.events.errors import LogError, PlayheadError
from playhead.events.version import VERSION
from playhead.telemetry.call_log import log_to_stderr

LOG_LEVEL = "error"
"""Level of the program's log unless PLAYHEAD_LOG_LEVEL sets one: the CLI shows the run itself."""

app = typer.Typer(
    name="playhead",
    cls=Grouped,
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


GROUPS: Mapping[str, Mapping[str, Callable[..., int]]] = {
    "Run an agent": {
        "run": run.run, "resume": run.resume, "cancel": send.cancel, "pause": send.pause,
        "send": send.send, "fork": fork.fork, "schedules": schedules.schedules,
        "unschedule": schedules.unschedule,
    },
    "See what happened": {
        "runs": show.runs, "show": show.show, "context": context.context, "causes": causes.causes,
        "diff": diff.diff, "tail": tail.tail, "serve": serve.serve,
        "mcp-serve": mcp_serve.mcp_serve, "export-trace": export_trace.export_trace,
    },
    "Find out why": {"why": why.why, "replay": replay_verify.replay, "doctor": doctor.doctor},
    "See what waits for you, and answer": {
        "waits": waits.waits, "approvals": approvals.approvals, "approve": approvals.approve,
        "deny": approvals.deny, "resolve": approvals.resolve, "complete": complete.complete,
        "fail": complete.fail,
    },
    "See what it costs, and how well it works": {
        "cost": cost.cost, "metrics": metrics.metrics, "backtest": backtest.backtest,
        "eval": evaluate.eval_, "evals": evaluate.evals, "eval-tests": evaluate.eval_tests,
    },
    "Use what was learned": {"facts": facts.facts},
    "Check tools": {"lint-tools": tools.lint_tools, "approve-tools": tools.approve_tools},
    "Look after the log": {
        "verify": replay_verify.verify, "backup": backup_archive.backup,
        "restore": backup_archive.restore, "archive": backup_archive.archive,
        "erase": erase.erase,
        "export": export_import.export, "import": export_import.import_,
        "check-compat": check_compat.check_compat,
    },
}  # fmt: skip
"""The commands, under what people want of them."""

for group, commands in GROUPS.items():
    for called, command in commands.items():
        app.command(called, rich_help_panel=group)(command)
memories = typer.Typer(cls=Grouped, help="Memory that lasts across runs.", rich_markup_mode=None)
memories.command("list")(memory.list_)
for about_memories in (memory.add, memory.search, memory.export, memory.promote, facts.forget):
    memories.command()(about_memories)
app.add_typer(memories, name="memory", rich_help_panel="Use what was learned")
app.add_typer(plan.plan, name="plan", rich_help_panel="See what happened")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. Ctrl-C is 130, wherever it comes."""
    with plain_streams():
        try:
            return _run(arguments)
        except KeyboardInterrupt:
            return exit_codes.INTERRUPTED
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
