"""`plan show` and `plan edit`: the graph of a run's plan, and other steps for one under review."""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import to_json

from playhead.actors.engine.load_state import load_state
from playhead.actors.planning.validate import edited_plan
from playhead.cli.commands.send import tell
from playhead.cli.shared import exit_codes
from playhead.cli.shared.help import Grouped
from playhead.cli.shared.log import find, log_option, reading, records
from playhead.cli.shared.options import JsonOption, LogFile, RunId
from playhead.cli.shared.output import err, out, plain, say_json
from playhead.events.errors import UsageError
from playhead.events.event import Event
from playhead.events.kinds.approvals import ApprovalDecided
from playhead.events.log.contract import Reader
from playhead.projections.plan.drawing import as_mermaid, as_text
from playhead.projections.plan.plan import plan_of
from playhead.projections.state.calls.approvals import OpenApproval, open_approvals
from playhead.service.decider import this_process

plan = typer.Typer(cls=Grouped, help="Show a run's plan, or change it before it runs.")


@plan.command()
def show(
    run: RunId,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid flowchart.")] = False,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Draw the plan of a run and its progress."""
    with reading(log) as reader:
        run = find(reader, run)
        found = plan_of(records(reader, run))
        waiting = _reviews(reader, run)
    if found is None:
        msg = f"run {run} has no plan: playhead show {run}"
        raise UsageError(msg)
    if json:
        steps = [node.step.model_dump(mode="json") for node in found.whole]
        status = {name: found.status(node) for name, node in found.nodes.items()}
        say_json({"run": run, "steps": steps, "status": status})
    elif mermaid:
        out.out(as_mermaid(found))
    else:
        out.print(plain(as_text(found)), soft_wrap=True)
        for each in waiting:
            _offer(each, log)
    return exit_codes.OK


@plan.command()
def edit(
    run: RunId,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The plan as JSON; - reads standard input."),
    ] = None,
    log: LogFile = None,
) -> int:
    """Change a plan that waits for review, and approve the changed plan.

    Without --file it opens in $EDITOR. A plan that cannot run is refused, and nothing is recorded.
    """
    with reading(log) as reader:
        run = find(reader, run)
        waiting = _reviews(reader, run)
    if not waiting:
        msg = f"run {run} has no plan that waits for a person (playhead approvals)"
        raise UsageError(msg)
    text = _edited(waiting[0]) if file is None else _read(file)

    def word(reader: Reader, run: str) -> Event:
        steps = edited_plan(text, load_state(reader, run))
        asked = waiting[0]
        return ApprovalDecided(
            call=asked.call, binding=asked.binding, approved=True, plan=steps, by=this_process()
        )

    return tell(log, run, word)


def _reviews(reader: Reader, run: str) -> list[OpenApproval]:
    return [each for each in open_approvals(load_state(reader, run)) if each.about == "plan"]


def _offer(each: OpenApproval, log: Path | None) -> None:
    run, option = f"{each.run} {each.call}", log_option(log)
    out.print("\nit waits for a person:", style="dim")
    for command in (f"approve {run}", f"deny {run} --reason TEXT", f"plan edit {each.run}"):
        out.print(f"  playhead {command}{option}", style="dim", soft_wrap=True)


def _read(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text()
    except OSError as error:
        msg = f"--file {file}: {error.strerror or error}"
        raise UsageError(msg) from error


def _edited(each: OpenApproval) -> str:
    steps = [step.model_dump(mode="json", exclude_none=True) for step in each.plan]
    before = to_json({"steps": steps}, indent=2).decode() + "\n"
    after = _in_editor(before)
    if after == before:
        err.print("nothing was changed or recorded (playhead approve takes the plan as it is)")
        raise typer.Exit(exit_codes.NO)
    return after


def _in_editor(text: str) -> str:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="playhead-plan-") as folder:
        file = Path(folder) / "plan.json"
        file.write_text(text)
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            msg = f"the editor {editor!r} (VISUAL, EDITOR) failed: {error}; or give --file"
            raise UsageError(msg) from error
        return file.read_text()
