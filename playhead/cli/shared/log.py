"""Opens the log read-only, whichever process owns it, and finds runs in it."""

import os
import shlex
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from playhead.events.errors import UnknownRun
from playhead.events.kinds.codec import decode
from playhead.events.log.contract import Reader
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.record import Record
from playhead.projections.stored.run_list import RunList, RunRow, find_runs
from playhead.projections.stored.view import Views
from playhead.runtime import default_log

LAST = "last"


def log_path(log: Path | None) -> Path:
    """The log that the command names; else $PLAYHEAD_LOG or the default."""
    return log or default_log()


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


def run_list(reader: SqliteReader) -> Views:
    """The stored list of runs, caught up."""
    return Views.of(reader, [RunList()])


def find(reader: SqliteReader, given: str) -> str:
    """The run with that id, that prefix of one, or `last`. Raises UnknownRun."""
    stream = reader.stream(given)
    if stream is not None and stream.kind == "run":
        return given
    with run_list(reader) as views:
        if given == LAST:
            found = [row for row in find_runs(views.connection) if not row.child][:1]
        else:
            found = find_runs(views.connection, beginning=given, limit=50) if given else []
            found = [row for row in found if not row.child] or found
    if len(found) == 1:
        return found[0].run
    raise UnknownRun(_which(reader.path, given, found))


def _which(path: Path, given: str, found: list[RunRow]) -> str:
    if found:
        ids = ", ".join(row.run for row in found[:3])
        return f"{given!r} is the beginning of several runs ({ids}, ...): give more of the id"
    if given == LAST:
        return f'there is no run in {path} yet: playhead run "GOAL" starts one'
    return f"there is no run {given!r} in {path}: `playhead runs` lists them"


def records(reader: Reader, run: str) -> Iterator[Record]:
    """The run's records, decoded."""
    return (decode(row, reader.body) for row in reader.read(run))
