"""`fork`: go on from any record of a run's past, with something changed."""

import json as json_
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import from_json

from playhead.assembly.tools import ready
from playhead.cli.commands.run import attend
from playhead.cli.shared import exit_codes
from playhead.cli.shared.agents import again, demonstration
from playhead.cli.shared.live import Live
from playhead.cli.shared.log import find, log_option, log_path, reading, records
from playhead.cli.shared.options import AgentRef, BaseUrl, JsonOption, LogFile, RunId
from playhead.cli.shared.output import out, say_json
from playhead.cli.shared.run_summary import read_summary
from playhead.events.errors import UsageError
from playhead.events.event import Json as JsonValue
from playhead.events.log.sqlite.log import SqliteLog
from playhead.forking import Instead, begin_fork, place_of
from playhead.runtime import Runtime


def fork(
    run: RunId,
    at: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Keep the records up to N.", show_default="its end"),
    ] = None,
    agent: AgentRef = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use another model for everything.")
    ] = None,
    instructions: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Other instructions; @FILE reads a file.")
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Another maximum number of steps.")
    ] = None,
    tool_result: Annotated[
        list[str] | None,
        typer.Option(metavar="CALL=RESULT", help="Use this result for call CALL (JSON or text)."),
    ] = None,
    message: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Add a message from the user.")
    ] = None,
    live: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOOL", help="Call this tool again instead of using its recorded results."
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOOL", help="Let this tool have effects without asking for approval."
        ),
    ] = None,
    hold: Annotated[
        bool, typer.Option("--hold", help="Only create the fork; `playhead resume` continues it.")
    ] = False,
    log: LogFile = None,
    base_url: BaseUrl = None,
    json: JsonOption = False,
) -> int:
    """Fork a run: its past up to a record, then something else.

    Nothing is copied. What the run has recorded answers as long as what is asked stays the same;
    from the first difference on the fork is live. Tools with effects ask for approval first,
    unless --allow names them. With --agent the agent as it is now goes on, not as it was recorded.
    """
    with reading(log) as reader:
        run = find(reader, run)
        summary = read_summary(run, records(reader, run))
        known = again(summary, agent)
        limits = None
        if max_steps is not None:
            recorded = known.spec() if summary.imported else summary.agent
            limits = recorded.limits.model_copy(update={"max_steps": max_steps})
        instead = Instead(
            agent=known if agent is not None or summary.imported else None, model=model,
            instructions=_text(instructions), limits=limits, results=_results(tool_result or []),
            message=message, live=live or (), allow=allow or (),
        )  # fmt: skip
        cut = place_of(reader, run, at, instead)
    about = _where(run, cut.at, cut.undecided is not None, at)
    if hold:
        with SqliteLog(log_path(log)) as owned, closing(ready(owned, instead.agent)):
            made = begin_fork(owned, run, at, instead)
        if json:
            say_json({"run": made, "parent": run, "at": cut.at})
        else:
            out.print(f"{about}: {made}. Go on: playhead resume {made}{log_option(log)}")
        return exit_codes.OK
    if not summary.imported:
        base_url = base_url or summary.started.metadata.get("base_url")
    with Runtime(log_path(log), base_url=base_url, only_runs=()) as runtime:
        runtime.register(known)
        started = runtime.fork(run, at, instead)
        note = demonstration(known, base_url)
        shown = Live(started.id, cut.at, log=log, quiet=json)
        return attend(runtime, shown, log, f"run {started.id}: {about}", note)


def _where(run: str, at: int, anew: bool, asked: int | None) -> str:
    down = f" (rounded down from {asked})" if asked not in (None, at) else ""
    return f"forked from {run} at record {at}{down}" + (
        ", which is decided on anew" if anew else ""
    )


def _text(given: str | None) -> str | None:
    if given is None or not given.startswith("@"):
        return given
    path = Path(given[1:])
    if not path.is_file():
        msg = f"--instructions {given}: there is no file {path}"
        raise UsageError(msg)
    return path.read_text()


def _results(given: list[str]) -> dict[int, JsonValue]:
    results: dict[int, JsonValue] = {}
    for pair in given:
        call, equals, text = pair.partition("=")
        if not equals or not call.isdecimal():
            msg = f"--tool-result {pair}: write CALL=RESULT, CALL being the Action's record number"
            raise UsageError(msg)
        results[int(call)] = _json_or_text(text)
    return results


def _json_or_text(text: str) -> Any:
    try:
        json_.loads(text)
    except ValueError:
        return text
    return from_json(text)
