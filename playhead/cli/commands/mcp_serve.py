"""`mcp-serve`: the log, and if you say so its agents, for MCP clients."""

import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from playhead.cli.commands.serve import token_of
from playhead.cli.shared import exit_codes
from playhead.cli.shared.agents import load
from playhead.cli.shared.log import log_path, reading
from playhead.cli.shared.options import BaseUrl, LogFile
from playhead.cli.shared.output import err
from playhead.events.errors import UsageError
from playhead.runtime import Runtime

MISSING = "MCP needs the extra `mcp`: pip install 'playhead[mcp]'"


def mcp_serve(
    act: Annotated[
        bool, typer.Option("--act", help="Offer the agents too: a call starts a run.")
    ] = False,
    agent: Annotated[
        list[str] | None,
        typer.Option("--agent", metavar="WHERE:NAME", help="With --act: an agent to offer."),
    ] = None,
    http: Annotated[
        bool, typer.Option("--http", help="Over HTTP, not standard input and output.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="With --http: the port.")] = 4381,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="With --http: the address to listen on.")
    ] = "127.0.0.1",
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            exists=True,
            help="With --http: a file with the bearer token; or $PLAYHEAD_TOKEN.",
            show_default="a new one each time",
        ),
    ] = None,
    base_url: BaseUrl = None,
    log: LogFile = None,
) -> int:
    """Serve a log to MCP clients, such as a coding assistant that debugs a run.

    They can list runs and look into them: show, why, causes, context, cost, diff, verify, replay.
    With --act each --agent is a tool too. What waits for a person is shown and never granted here.
    """
    if act != bool(agent):
        msg = "--act and --agent belong together: --act --agent file.py:name"
        raise UsageError(msg)
    try:
        from playhead.mcp_server.http import serve_http
        from playhead.mcp_server.server import make_server
    except ImportError as error:
        raise UsageError(MISSING) from error
    chosen = [load(each) for each in agent or ()]
    token = (token_of(token_file) or secrets.token_urlsafe(24)) if http else ""
    with ExitStack() as stack:
        if act:
            runtime = Runtime(log_path(log), base_url=base_url, only_runs=())
            server = stack.enter_context(runtime).mcp_server(chosen)
        else:
            stack.enter_context(reading(log))  # a log that is not there is told at once
            server = make_server(log_path(log).resolve())
        if http:
            err.print(f"http://{host}:{port}/mcp, header Authorization: Bearer {token}")
            serve_http(server, host, port, token)
        else:
            server.run("stdio")
    return exit_codes.OK
