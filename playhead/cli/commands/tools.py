"""`lint-tools` and `approve-tools`: check an agent's tools before it runs."""

from typing import Annotated, TypeAlias

import typer
from rich.text import Text

from playhead.assembly.mcp_pins import Pins
from playhead.assembly.tools import changed_tools, connected
from playhead.cli.shared import exit_codes
from playhead.cli.shared.agents import load
from playhead.cli.shared.log import log_path
from playhead.cli.shared.options import JsonOption, LogFile
from playhead.cli.shared.output import count, out, plain, say_json
from playhead.events.log.sqlite.log import SqliteLog
from playhead.tools.lint.lint import lint

AgentArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="MODULE:NAME", help="The agent, as for run --agent.")
]


def lint_tools(
    agent: AgentArgument,
    json: JsonOption = False,
) -> int:
    """Say which tools of an agent a model will find hard to use.

    Each finding says how to mend it. With any, the exit code is 1.
    """
    found = load(agent)
    close = connected(found)
    tools = found.all_tools
    close()
    findings = lint(tools)
    if json:
        say_json([finding._asdict() for finding in findings])
        return exit_codes.NO if findings else exit_codes.OK
    for finding in findings:
        out.print(
            Text(plain(f"{finding.tool}: {finding.problem} [{finding.rule}]")), style="yellow"
        )
        out.print(Text(plain(f"    {finding.mend}")))
    looked_at = count(len(tools), "tool")
    if findings:
        out.print(f"{looked_at}, {count(len(findings), 'finding')}")
    else:
        out.print(f"{looked_at}, nothing to mend", style="green")
    return exit_codes.NO if findings else exit_codes.OK


def approve_tools(
    agent: AgentArgument,
    accept: Annotated[
        bool, typer.Option("--accept", help="Accept the definitions that the servers give now.")
    ] = False,
    log: LogFile = None,
) -> int:
    """Show and accept MCP tools that wait for a person.

    A tool is pinned at its first use. One that says something else later is refused, and one that
    speaks of tools which are not its server's. With any that were not accepted the exit code is 1.
    """
    opened = SqliteLog(log_path(log))
    try:
        pins = Pins(opened)
        changed = changed_tools(load(agent), pins)
        for each in changed:
            out.print(Text(plain(f"{each.server}: {each.tool}: {each.why}")), style="yellow")
            out.print(Text(plain(f"    {each.description}")))
            if accept:
                pins.pin(each.server, each.tool, each.definition, approved=True)
    finally:
        opened.close()
    if not changed:
        out.print("no tool waits for a person", style="green")
        return exit_codes.OK
    if accept:
        out.print(f"{count(len(changed), 'tool')} accepted", style="green")
        return exit_codes.OK
    out.print(f"{count(len(changed), 'tool')} refused; --accept accepts what is shown")
    return exit_codes.NO
