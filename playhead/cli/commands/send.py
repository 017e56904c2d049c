"""`cancel`, `pause`, `send`: a command for a run, whichever process owns the log.

When another process owns it the word goes through the inbox, and this waits for the owner's
answer. When nobody does, this process becomes the owner for a moment; what it appends is held
until somebody takes the run up.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import find, log_path, reading, records
from playhead.cli.shared.options import LogFile, RunId
from playhead.cli.shared.output import out
from playhead.cli.shared.run_summary import RunSummary, read_summary
from playhead.events.errors import LogOwned, UsageError
from playhead.events.event import Event
from playhead.events.kinds.runs import CancelRequested, MessageReceived, RunPaused, RunResumed
from playhead.events.log.contract import Reader
from playhead.events.log.inbox import Inbox
from playhead.events.version import VERSION
from playhead.runtime import Runtime
from playhead.service.redaction import Redactor

PATIENCE = 30.0
"""Seconds to wait for the owner of the log."""

Word: TypeAlias = Callable[[Reader, str], Event]
"""The event for a run, given the log and the run's id."""

Reason: TypeAlias = Annotated[
    str, typer.Option(metavar="TEXT", help="The reason; it is recorded in the log.")
]


def cancel(run: RunId, reason: Reason = "", log: LogFile = None) -> int:
    """Cancel a run.

    Nothing new starts, what is under way is stopped, then the run ends.
    """
    return tell(log, run, lambda _, __: CancelRequested(reason=reason))


def pause(run: RunId, reason: Reason = "playhead pause", log: LogFile = None) -> int:
    """Pause a run until `playhead resume`."""
    return tell(log, run, lambda _, __: RunPaused(reason=reason))


def send(
    run: RunId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say.")],
    log: LogFile = None,
) -> int:
    """Send a message to a run.

    The model reads it with its next request.
    """
    return tell(log, run, lambda _, __: MessageReceived(text=text))


def resume_elsewhere(path: Path, summary: RunSummary, owner: str) -> int:
    """Resume a run of another process that is paused or waits for its model."""
    if summary.paused is None and all(w.about != "model" for w in summary.waits.values()):
        msg = (
            f"run {summary.run} is neither paused nor waits for its model, and {owner} owns {path}"
        )
        raise UsageError(msg)
    resumed = RunResumed(code=VERSION, reason="playhead resume")
    return through_inbox(path, summary.run, resumed, owner)


def tell(log: Path | None, given: str, word: Word) -> int:
    """Have an event appended to an open run by the log's owner; the exit code."""
    with reading(log) as reader:
        run = find(reader, given)
        summary = read_summary(run, records(reader, run))
        event = word(reader, run) if summary.ending is None else None
    if event is None:
        msg = f"run {run} is {summary.status} already: nothing was recorded"
        raise UsageError(msg)
    path = log_path(log)
    try:
        runtime = Runtime(path, only_runs=())
    except LogOwned as owned:
        return through_inbox(path, run, event, owned.owner)
    with runtime:
        runtime.runs.tell(run, event)
    out.print(
        f"{event.kind}: recorded for run {run}. No process has the run now: it takes effect "
        f"with `playhead resume {run}`"
    )
    return exit_codes.OPEN


def through_inbox(path: Path, run: str, event: Event, owner: str) -> int:
    """Leave an event for the owner of the log, and wait for its answer; the exit code."""
    inbox = Inbox(path)
    try:
        command = inbox.put(run, Redactor().event(event))
        answer = inbox.outcome(command.id, PATIENCE)
    finally:
        inbox.close()
    if answer is None:
        out.print(f"{event.kind}: recorded for run {run} by {owner}")
        return exit_codes.OK
    if answer:
        raise UsageError(answer)
    out.print(f"{event.kind}: left for {owner}, which has not taken it yet")
    return exit_codes.OPEN
