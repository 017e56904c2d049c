"""Options and arguments that several commands share."""

import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from pydantic import TypeAdapter, ValidationError

from playhead.cli.shared.log import reading, run_list
from playhead.events.errors import PlayheadError, UsageError
from playhead.projections.metrics.alert_rules import ALERT_RULES, AlertRule
from playhead.projections.stored.run_list import find_runs

LogFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--log",
        envvar="PLAYHEAD_LOG",
        metavar="FILE",
        help="The log file.",
        show_default="playhead.db",
    ),
]
JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON document to standard output.")
]


def complete_run(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """For a shell: the newest runs whose ids begin so; none without a log.

    Never a goal: a shell evaluates what it is given.
    """
    try:
        with reading(context.params.get("log")) as reader, run_list(reader) as views:
            found = find_runs(views.connection, beginning=incomplete or None, limit=50)
    except (PlayheadError, OSError, sqlite3.Error):
        return []
    return [(row.run, row.status) for row in found]


RunId: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run's id, a prefix of it, or `last`.",
        autocompletion=complete_run,
    ),
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


RulesFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        envvar="PLAYHEAD_RULES",
        metavar="FILE",
        help="Your own targets and alerts: a JSON list of rules.",
        show_default="those above",
    ),
]

_RULES: TypeAdapter[tuple[AlertRule, ...]] = TypeAdapter(tuple[AlertRule, ...])


def alert_rules(path: Path | None) -> Sequence[AlertRule]:
    """The rules of a file, then the default rules for what it does not name.

    Raises UsageError for a file that cannot be read, or that holds an invalid rule.
    """
    if path is None:
        return ALERT_RULES
    try:
        return (*_RULES.validate_json(path.read_bytes()), *ALERT_RULES)
    except OSError as error:
        msg = f"--rules {path}: {error.strerror}; give a JSON list of rules"
        raise UsageError(msg) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        number, *field = first["loc"] or ("",)
        where = f"rule {int(number) + 1}{''.join(f', {name}' for name in field)}: " if field else ""
        msg = f"--rules {path}: {where}{first['msg'].removeprefix('Value error, ')}"
        raise UsageError(msg) from error


UNITS: Mapping[str, int] = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_time(text: str, option: str) -> int:
    """Microseconds since the epoch. Raises UsageError, naming the option."""
    age = re.fullmatch(r"(\d{1,9})([smhdw])", text.strip())
    if age:
        return time.time_ns() // 1000 - int(age[1]) * UNITS[age[2]] * 1_000_000
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1_000_000)
    except (ValueError, OverflowError) as error:
        msg = f"{option} {text}: write an age such as 90m, 12h or 3d, or a date such as 2030-01-31"
        raise UsageError(msg) from error
