"""Playhead's log messages to the host program: never on stdout.

If the program has configured structlog, its configuration applies. Otherwise structlog's default
would print to stdout, so the standard library's logger of the same name is used instead; it shows
warnings and errors on stderr unless the program configures it differently.

structlog is not imported here, because it is slow to import: a program that configured it has
already imported it.
"""

import logging
import sys
import traceback
from typing import Any

from playhead.events.key_formats import hide_keys


class ProgramLogger:
    """`info`, `warning`, `error` and `exception`, each with an event's name and its fields."""

    def __init__(self, name: str) -> None:
        self._name = name

    def info(self, event: str, **fields: Any) -> None:
        """For information."""
        self._say(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Something needs attention; the run continues."""
        self._say(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Something failed; `exc_info` may contain the exception."""
        self._say(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Something raised; includes the traceback of the exception being handled."""
        self._say(logging.ERROR, event, {**fields, "exc_info": True})

    def _say(self, level: int, event: str, fields: dict[str, Any]) -> None:
        raised = fields.pop("exc_info", None)
        if raised:
            fields["exception"] = _traceback(raised)
        said = {name: hide_keys(v) if isinstance(v, str) else v for name, v in fields.items()}
        try:
            self._write(level, event, said)
        except BaseException as error:  # the program's processors and handlers may raise anything
            print(f"playhead: the program log failed: {error!r}", file=sys.stderr)  # noqa: T201

    def _write(self, level: int, event: str, said: dict[str, Any]) -> None:
        structlog = configured_structlog()
        if structlog is not None:
            structlog.get_logger(self._name).log(level, event, **said)
            return
        words = " ".join(f"{name}={value}" for name, value in said.items())
        logging.getLogger(self._name).log(level, "%s %s", event, words)


def configured_structlog() -> Any | None:
    """The module structlog, if the program has configured it."""
    structlog: Any = sys.modules.get("structlog")
    return structlog if structlog is not None and structlog.is_configured() else None


def _traceback(raised: object) -> str:
    """The traceback as text, so that keys in it can be masked: exceptions quote their arguments."""
    error = raised if isinstance(raised, BaseException) else sys.exc_info()[1]
    try:
        return "".join(traceback.format_exception(error))
    except BaseException:  # a hostile __str__ may raise anything
        return f"({type(error).__name__} that cannot be shown)"
