"""Opens the log read-only, whichever process owns it, and finds runs in it."""

import os
import shlex
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from playhead.evals.evaluation_log import find_evaluation
from playhead.events.codec import decode
from playhead.events.errors import UnknownRun, UsageError
from playhead.events.log.contract import Reader
from playhead.events.log.find_run import find_run
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.record import Record
from playhead.projections.stored.run_list import RunList
from playhead.projections.stored.view import Views
from playhead.runtime import default_log

find = find_run
"""A command takes an id, its beginning, or `last`. Raises UnknownRun."""


def log_path(log: Path | None) -> Path:
    """The log that the command names; else $PLAYHEAD_LOG or the default.

    Raises UsageError for a name that is empty.
    """
    path = log or default_log()
    if not path.name:
        msg = "--log needs the name of a file"
        raise UsageError(msg)
    return path


def log_option(log: Path | None) -> str:
    """The option that a suggested command needs to use the same log."""
    named = log is not None and "PLAYHEAD_LOG" not in os.environ
    return f" --log {shlex.quote(str(log))}" if named else ""


@contextmanager
def reading(log: Path | None) -> Generator[SqliteReader]:
    """The log, read-only, until the end of the block."""
    reader = SqliteReader(log_path(log))
    try:
        yield reader
    finally:
        reader.close()


def find_or_evaluation(reader: Reader, given: str) -> tuple[str, bool]:
    """The id of a run, or else of an evaluation, and whether it is one. Raises UnknownRun."""
    try:
        return find_run(reader, given), False
    except UnknownRun:
        evaluation = find_evaluation(reader, given)
        if evaluation is None:
            raise
        return evaluation, True


def run_list(reader: SqliteReader) -> Views:
    """The stored list of runs, caught up."""
    return Views.of(reader, [RunList()])


def records(reader: Reader, run: str) -> Iterator[Record]:
    """The run's records, decoded."""
    return (decode(row, reader.body) for row in reader.read(run))
