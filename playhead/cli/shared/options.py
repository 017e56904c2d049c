"""Options and arguments that several commands share, and their words."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

LogFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--log",
        envvar="PLAYHEAD_LOG",
        metavar="FILE",
        help="The log.",
        show_default="playhead.db",
    ),
]
Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="One JSON document on standard output, for machines.")
]
RunId: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run's id, the beginning of one, or: last."),
]
AgentRef: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--agent",
        metavar="WHERE:NAME",
        help="An Agent: package.module:name, or path/to/file.py:name.",
        show_default="an assistant that calculates, tells the time and reads files",
    ),
]
BaseUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        envvar="ANTHROPIC_BASE_URL",
        metavar="URL",
        help="An Anthropic-compatible endpoint.",
        show_default="the Anthropic API",
    ),
]
