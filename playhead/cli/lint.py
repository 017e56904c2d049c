"""`lint-tools`: what of an agent's tools a model will find hard to use, and how to mend it."""

from typing import Annotated

import typer
from rich.text import Text

from playhead.cli import exits
from playhead.cli.agents import load
from playhead.cli.options import Json
from playhead.cli.output import count, out, plain, say_json
from playhead.tools.lint import lint


def lint_tools(
    agent: Annotated[
        str, typer.Argument(metavar="MODULE:NAME", help="The agent, as for run --agent.")
    ],
    json: Json = False,
) -> int:
    """Say which tools of an agent a model will find hard to use.

    Each finding says how to mend it. With any, the exit code is 1.
    """
    found = load(agent)
    findings = lint(found.all_tools)
    if json:
        say_json([finding._asdict() for finding in findings])
        return exits.NO if findings else exits.OK
    for finding in findings:
        out.print(
            Text(plain(f"{finding.tool}: {finding.problem} [{finding.rule}]")), style="yellow"
        )
        out.print(Text(plain(f"    {finding.mend}")))
    tools = count(len(found.all_tools), "tool")
    if findings:
        out.print(f"{tools}, {count(len(findings), 'finding')}")
    else:
        out.print(f"{tools}, nothing to mend", style="green")
    return exits.NO if findings else exits.OK
