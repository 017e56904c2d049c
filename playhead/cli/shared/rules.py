"""Alert rules from a file: `--rules FILE`, a JSON list; they come before those of Playhead."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from pydantic import TypeAdapter, ValidationError

from playhead.events.errors import UsageError
from playhead.projections.metrics.alert_rules import ALERT_RULES, AlertRule

RulesFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        envvar="PLAYHEAD_RULES",
        metavar="FILE",
        help="Targets and alerts of yours: a JSON list of rules.",
        show_default="those above",
    ),
]

_RULES: TypeAdapter[tuple[AlertRule, ...]] = TypeAdapter(tuple[AlertRule, ...])


def alert_rules(path: Path | None) -> Sequence[AlertRule]:
    """The rules of a file, which come first, and those for what it does not name.

    Raises UsageError for a file that cannot be read, or that says what is no rule.
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
