"""`erase`: what a log holds of a person is taken out of it, and of the files beside it."""

import time
from pathlib import Path
from typing import Annotated

import typer

from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import log_path
from playhead.cli.shared.options import JsonOption, LogFile, parse_time
from playhead.cli.shared.output import count, out, plain, say_json
from playhead.erasure import erase as erase_from
from playhead.erasure import retain
from playhead.events.errors import UsageError
from playhead.events.maintenance.erase import Erasure

SHOWN = 20


def erase(
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="A run, by its whole id.")
    ] = None,
    session: Annotated[
        str | None, typer.Option("--session", metavar="NAME", help="A session.")
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", metavar="NAME", help="A namespace: its runs and memories."),
    ] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="NAME", help="With --before: its runs.")
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(
            "--before", metavar="DATE", help="Retention: only runs that ended before: 90d, a date."
        ),
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option("--also", metavar="FILE", help="A backup or an archive, rewritten too."),
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Option("--words", metavar="TEXT", help="Tell where else these words stand."),
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Recorded: name nobody in it.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be erased; write nothing.")
    ] = False,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Erase a run, a session or a namespace from the log, for good.

    What belongs together goes together: a session, a run with its forks and children. The log and
    the files named with --also are rewritten; the record of it holds figures and hashes, no names.
    The log must have no owner. docs/erasure.md says what this cannot reach.
    """
    path = log_path(log)
    if before is not None:
        kept = time.time_ns() // 1000 - parse_time(before, "--before")
        if run is not None or session is not None or (agent is None) == (namespace is None):
            msg = "--before keeps a rule for one --agent or one --namespace"
            raise UsageError(msg)
        by_agent = {} if agent is None else {agent: kept}
        by_namespace = {} if namespace is None else {namespace: kept}
        (done,) = retain(
            path, agents=by_agent, namespaces=by_namespace, also=also or (), dry_run=dry_run
        )
    elif agent is not None:
        msg = "--agent needs --before: how long its runs are kept"
        raise UsageError(msg)
    elif [run, session, namespace].count(None) != 2:
        msg = "name one of --run, --session and --namespace"
        raise UsageError(msg)
    else:
        done = erase_from(
            path, run=run, session=session, namespace=namespace, reason=reason, also=also or (),
            words=words or (), dry_run=dry_run,
        )  # fmt: skip
    if json:
        say_json({
            "dry_run": dry_run, "streams": done.streams, "records": done.records,
            "open": done.open, "traces": done.traces, "others": done.others,
            "mentions": [{"place": each.place, "seq": each.seq} for each in done.mentions],
        })  # fmt: skip
    else:
        _say(path, done, dry_run=dry_run)
    return exit_codes.OK


def _say(path: Path, done: Erasure, *, dry_run: bool) -> None:
    if not done.streams:
        out.print(f"{path} holds nothing of it")
    else:
        size = f"{count(len(done.streams), 'stream')} ({count(done.records, 'record')})"
        out.print(f"{size} {'would be erased' if dry_run else 'erased'} from {path}")
    if done.open:
        out.print(f"{count(done.open, 'run')} of them had not ended")
    for file in done.others:
        out.print(f"{'would be rewritten' if dry_run else 'rewritten'} too: {plain(file)}")
    if done.traces:
        out.print(f"traces at your tracing backend: {', '.join(done.traces)}", soft_wrap=True)
    for each in done.mentions[:SHOWN]:
        where = each.place if each.seq is None else f"{each.place} record {each.seq}"
        out.print(f"the words also stand in {plain(where)}", soft_wrap=True)
    if len(done.mentions) > SHOWN:
        out.print(f"... and in {len(done.mentions) - SHOWN} more places (--json)")
