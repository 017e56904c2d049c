"""`playhead run` and `playhead resume`: an agent at work, shown live."""

import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from playhead.cli.commands.send import resume_elsewhere
from playhead.cli.shared import exit_codes
from playhead.cli.shared.agents import ASSISTANT, ChosenAgent, again, choose, demonstration
from playhead.cli.shared.live import Live
from playhead.cli.shared.log import find, log_option, log_path, reading, records
from playhead.cli.shared.options import AgentRef, BaseUrl, JsonOption, LogFile, RunId
from playhead.cli.shared.output import err, out, plain, say_json, styled
from playhead.cli.shared.run_format import totals
from playhead.cli.shared.run_summary import RunSummary, read_summary
from playhead.events.errors import LogOwned, UsageError
from playhead.events.kinds.runs import CancelRequested, RunFinished
from playhead.events.log.contract import Reader
from playhead.events.record import Record
from playhead.events.spec.agent import Status
from playhead.runtime import Runtime
from playhead.service.subscriptions import TextChunk, ToolProgress
from playhead.tools.models.local.model import NAME as LOCAL_MODEL

CODES: dict[Status, int] = {
    "finished": exit_codes.OK,
    "failed": exit_codes.NO,
    "cancelled": exit_codes.NO,
    "paused": exit_codes.OPEN,
    "running": exit_codes.OPEN,
}


def run(
    goal: Annotated[str, typer.Argument(metavar="GOAL", help="The goal.")],
    agent: AgentRef = None,
    workspace: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            exists=True,
            help="The folder whose files the assistant may list and read.",
            show_default="the current folder",
        ),
    ] = None,
    log: LogFile = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The model.", show_default="the agent's own"),
    ] = None,
    base_url: BaseUrl = None,
    session: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Continue from what this session has said so far."),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            metavar="NAME",
            help="Whose memory it reads and writes.",
            show_default="the agent's own",
        ),
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Maximum number of steps.",
            show_default="the agent's own",
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Run an agent on a goal.

    Progress goes to standard error, the answer to standard output.

    Ctrl-C cancels the run, and records that; a second Ctrl-C leaves at once.
    """
    chosen = choose(agent, workspace, model, max_steps)
    note = demonstration(chosen.agent, base_url)
    if note is not None and model is None:  # the log says who answers
        chosen = replace(chosen, agent=replace(chosen.agent, model=LOCAL_MODEL))
    with Runtime(log_path(log), base_url=base_url, only_runs=()) as runtime:
        metadata = {**chosen.metadata, **_endpoint(base_url)}
        started = runtime.start(
            chosen.agent, goal, session=session, metadata=metadata, namespace=namespace
        )
        live = Live(started.id, log=log, quiet=json)
        return attend(runtime, live, log, _about(started.id, chosen, log), note)


def resume(
    run: RunId,
    agent: AgentRef = None,
    log: LogFile = None,
    base_url: BaseUrl = None,
    json: JsonOption = False,
) -> int:
    """Go on with a run from its last record.

    After a crash, a second Ctrl-C or a pause; one that waits for its model asks at once. No tool
    call that has its outcome in the log runs again. A run that another one started goes on
    together with that one.
    """
    with reading(log) as reader:
        run = find(reader, run)
        family = _with_callers(reader, run)
        summary, first = (read_summary(each, records(reader, each)) for each in (run, family[-1]))
    if summary.ending is not None:
        msg = f"run {run} is {summary.status} already: playhead show {run}"
        raise UsageError(msg)
    if first.ending is not None:
        msg = f"run {run} cannot go on: run {first.run}, which wanted it, is {first.status} already"
        raise UsageError(msg)
    if not first.imported:
        base_url = base_url or first.started.metadata.get("base_url")
    try:
        runtime = Runtime(log_path(log), base_url=base_url, only_runs=(first.run,))
    except LogOwned as owned:
        return resume_elsewhere(log_path(log), summary, owned.owner)
    with runtime:
        known = again(first, agent)
        note = demonstration(known, base_url)
        runtime.register(known)
        for each in family:
            stands = runtime.runs.status(each) == "paused" or runtime.runs.waits(each, "model")
            if stands:
                with suppress(UsageError):  # a cancel that was held may have ended it meanwhile
                    runtime.runs.resume(each)
        after = len(first.records)
        about = f"run {first.run}: going on after record {after}"
        live = Live(first.run, after, log=log, quiet=json)
        return attend(runtime, live, log, about, note)


def _with_callers(log: Reader, run: str) -> list[str]:
    """The run, the one that a call of which started it, and so on up to the first."""
    found = [run]
    while (stream := log.stream(found[-1])) and stream.parent and stream.parent_seq is None:
        found.append(stream.parent)
    return found


def _endpoint(url: str | None) -> dict[str, str]:
    """The base URL for the log, so that `resume` asks no other endpoint; no password goes there."""
    return {} if url is None or "@" in url else {"base_url": url}


def _about(run: str, chosen: ChosenAgent, log: Path | None) -> str:
    agent = chosen.agent
    tools = ", ".join(tool.name for tool in agent.spec().tools) or "no tools"
    about = f"run {run}, in {log_path(log)}: {agent.name} with {tools}"
    if agent.name == ASSISTANT and "workspace" in chosen.metadata:
        about += f"; it may read the files below {chosen.metadata['workspace']} (--workspace)"
    return about


def attend(runtime: Runtime, live: Live, log: Path | None, about: str, note: str | None) -> int:
    """Show a run until it ends or is paused; the exit code."""
    try:
        interrupted = _watch(runtime, live, about, note)
    except KeyboardInterrupt:
        again = f"playhead resume {live.summary.run}{log_option(log)}"
        err.print(f"left. The run is open; to go on: {again}", soft_wrap=True)
        sys.stdout.flush()
        os._exit(exit_codes.INTERRUPTED)  # not even a tool that hangs may keep us
    if live.quiet:
        say_json(live.summary.summary())
    else:
        _conclude(live.summary, log)
    return exit_codes.INTERRUPTED if interrupted else CODES[live.summary.status]


def _watch(runtime: Runtime, live: Live, *about: str | None) -> bool:
    """Follow the run; the first Ctrl-C cancels it. Whether there was one."""
    run = live.summary.run
    try:
        for line in filter(None, about if not live.quiet else ()):
            err.print(plain(line), style="dim")
        with live:
            live.follow(runtime.runs.listen(run, Record, TextChunk, ToolProgress))
            return False
    except KeyboardInterrupt:
        err.print("cancelling the run (Ctrl-C again leaves at once)", style="yellow")
    with suppress(UsageError):  # it may have ended meanwhile
        runtime.runs.tell(run, CancelRequested(reason="Ctrl-C"))
    live.follow(runtime.runs.listen(run, Record, TextChunk, ToolProgress))
    return True


def _conclude(summary: RunSummary, log: Path | None) -> None:
    word, message = summary.reason
    if isinstance(summary.ending, RunFinished):
        out.print(styled(summary.ending.answer, "Answer"))
        out.file.flush()
    else:
        about = f"{summary.status}: {word}: {message}" if word != message else message
        err.print(styled(plain(about), summary.status))
    err.print(f"\n{summary.status}: {totals(summary)}", style="dim")
    first = {"finished": "show", "paused": "resume"}.get(summary.status, "why")
    for command in (first, *(("replay",) if summary.ending is not None else ())):
        err.print(
            f"  playhead {command} {summary.run}{log_option(log)}", style="dim", soft_wrap=True
        )
