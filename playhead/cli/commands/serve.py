"""`serve`: the inspector over a log, in the browser."""

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
        bool, typer.Option("--allow-approvals", help="Allow approvals from the page.")
    ] = False,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="PLAYHEAD_TOKEN",
            metavar="TEXT",
            help="The token in the link, at least 16 characters.",
            show_default="a new one each time",
        ),
    ] = None,
    rules: RulesFile = None,
    log: LogFile = None,
) -> int:
    """Look at a log in the browser.

    Runs, their records, what the model was told at each of them, metrics; live while another
    process works. It only reads. Ctrl-C ends it.
    """
    if token is not None and len(token) < 16:
        msg = "--token: give 16 characters or more, or leave it out"
        raise UsageError(msg)
    try:
        from playhead.inspector.pages import through_inbox
        from playhead.inspector.server import Inspector, is_loopback
    except ImportError as error:
        raise UsageError(MISSING) from error
    judged_by = alert_rules(rules)
    with reading(log) as reader:
        tell = through_inbox(reader.path) if allow_approvals else None
        inspector = Inspector(
            reader,
            tell=tell,
            host=host,
            port=port,
            token=token,
            names=name or (),
            rules=judged_by,
        )
        with inspector:
            if not is_loopback(host):
                warning = f"{host} can be reached from other machines, and nothing is encrypted"
                err.print(f"careful: {warning}", style="yellow")
            out.print(f"{reader.path}: {inspector.url}", soft_wrap=True)
            out.file.flush()
            inspector.serve()
    return exit_codes.OK
