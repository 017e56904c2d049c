"""`serve`: the inspector over a log, in the browser."""

import os
from pathlib import Path
from typing import Annotated

import typer

from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import reading
from playhead.cli.shared.options import LogFile, RulesFile, alert_rules
from playhead.cli.shared.output import err, out
from playhead.events.errors import UsageError

MISSING = "the inspector is not installed: pip install 'playhead[inspector]'"


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = 4380,
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Address to listen on; by default only this machine."),
    ] = "127.0.0.1",
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Another host name that browsers use to reach it."),
    ] = None,
    allow_approvals: Annotated[
        bool,
        typer.Option(
            "--allow-approvals",
            help="Allow whoever has the approver's link to approve, answer, cancel and fork.",
        ),
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            exists=True,
            help="A file with the token in the link, at least 16 characters; or $PLAYHEAD_TOKEN.",
            show_default="a new one each time",
        ),
    ] = None,
    reader_token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            exists=True,
            help="With --allow-approvals: a file with the token of those who may only look; or "
            "$PLAYHEAD_READER_TOKEN.",
            show_default="a new one each time",
        ),
    ] = None,
    rules: RulesFile = None,
    log: LogFile = None,
) -> int:
    """Look at a log in the browser.

    Runs, their records, what the model was told at each of them, metrics; live while another
    process works. It only reads, unless --allow-approvals is given. Ctrl-C ends it.
    """
    token = token_of(token_file)
    reader_token = token_of(reader_token_file, "PLAYHEAD_READER_TOKEN")
    if token is not None and token == reader_token:
        msg = "the reader's token is the approver's: give two different ones"
        raise UsageError(msg)
    try:
        from playhead.inspector.control import OverInbox
        from playhead.inspector.server import Inspector, is_loopback
    except ImportError as error:
        raise UsageError(MISSING) from error
    judged_by = alert_rules(rules)
    with reading(log) as reader:
        control = OverInbox(reader.path) if allow_approvals else None
        inspector = Inspector(
            reader,
            control=control,
            host=host,
            port=port,
            token=token,
            reader_token=reader_token,
            names=name or (),
            rules=judged_by,
        )
        with inspector:
            if not is_loopback(host):
                warning = f"{host} can be reached from other machines, and nothing is encrypted"
                err.print(f"careful: {warning}", style="yellow")
            out.print(f"{reader.path}: {inspector.url}", soft_wrap=True)
            if allow_approvals:
                out.print(f"to look only: {inspector.reader_url}", soft_wrap=True)
            out.file.flush()
            inspector.serve()
    return exit_codes.OK


def token_of(file: Path | None, variable: str = "PLAYHEAD_TOKEN") -> str | None:
    """From a file or the environment: a command line can be read by every user of the machine."""
    if file is not None:
        where, token = str(file), file.read_text(errors="replace").strip()
    else:
        where, token = f"${variable}", os.environ.get(variable, "")
        if not token:
            return None
    if len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token:
        msg = f"{where}: a token is 16 or more printable ASCII characters without spaces"
        raise UsageError(msg)
    return token
