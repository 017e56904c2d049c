"""Logs: one opened for reading, erasure, the two included backends, the parts of another backend.

    from playhead.logs import LogReader

    with LogReader("fx.db") as log:
        for run in log.runs():
            print(run, sum(1 for _ in log.records(run)), log.replay(run).matches)

Your own log backend implements `Log` and inherits the tests of `playhead.testing.log_contract`;
ARCHITECTURE.md has a complete one under "Extend".
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

from playhead.actors.replay import ReplayReport, replay
from playhead.erasure import days, erase, retain
from playhead.events.codec import decode
from playhead.events.log.contract import (
    ANY,
    Append,
    Head,
    Log,
    OnAppended,
    Reader,
    Stream,
    StreamKind,
    Tail,
    accept_append,
)
from playhead.events.log.find_run import find_run
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.maintenance.erase import Erasure, Mention
from playhead.events.record import Record, Stored
from playhead.runtime import default_log

__all__ = [
    "ANY",
    "Append",
    "Erasure",
    "Head",
    "Log",
    "LogReader",
    "MemoryLog",
    "Mention",
    "OnAppended",
    "Reader",
    "SqliteLog",
    "Stored",
    "Stream",
    "StreamKind",
    "Tail",
    "accept_append",
    "days",
    "erase",
    "retain",
]


class LogReader(SqliteReader):
    """A log file, read-only, while any process owns and writes it. Close it, or use `with`.

    None means $PLAYHEAD_LOG or playhead.db. Raises UsageError if the file does not exist, LogTooNew
    and LogError if it cannot be read.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        super().__init__(path or default_log())

    def runs(self) -> list[str]:
        """The ids of all runs, oldest first, including child runs and forks."""
        return [stream.id for stream in self.streams() if stream.kind == "run"]

    def find(self, given: str) -> str:
        """The id for an id, its beginning, or `last`. Raises UnknownRun."""
        return find_run(self, given)

    def records(self, run: str, after: int = 0, to: int | None = None) -> Iterator[Record]:
        """A run's records with after < seq <= to, including a fork's inherited past.

        Yields nothing for a run that does not exist. Raises LogDamaged.
        """
        return (decode(row, self.body) for row in self.read(run, after, to))

    def all_records(self, after: int = 0) -> Iterator[Record]:
        """The records of all streams after that position, in order, up to the current end."""
        return (decode(row, self.body) for row in self.follow(after))

    def replay(self, run: str, to: int | None = None) -> ReplayReport:
        """Decide a run's turns again and compare; uses no network, tools or user code."""
        return replay(self, run, to=to)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
