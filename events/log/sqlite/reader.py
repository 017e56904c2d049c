"""Reads a log file, from any thread and any process, without writing or checkpointing.

A long read is split into many short ones, so it holds no snapshot and the owner's WAL can restart.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from playhead.events.errors import LogClosed, LogDamaged, LogError, LogLost, UsageError
from playhead.events.log.contract import Head, Stream
from playhead.events.log.sqlite.driver import (
    CORRUPT,
    NOT_A_DATABASE,
    Driver,
    DriverConnection,
    Value,
    driver_named,
)
from playhead.events.log.sqlite.schema import checked_path, found_format
from playhead.events.record import Stored

CHUNK = 500
"""Rows read at a time."""

RECORDS = (
    "SELECT position, {run}, seq, at, actor, origin, cause, held, command, traceparent,"
    " imported, key_id, records.kind, version, data, bodies, hash FROM records"
)
OF_STREAM = RECORDS.format(run="?") + " WHERE stream = ? AND seq > ? AND seq <= ?"
OF_LOG = (
    RECORDS.format(run="coalesce(name, '?')")
    + " LEFT JOIN streams ON streams.id = stream WHERE position > ? AND position <= ?"
    + " ORDER BY position LIMIT ?"
)
STREAMS = (
    "SELECT s.id, s.name, s.kind, p.name, s.parent_seq, r.seq, r.hash FROM streams s"
    " LEFT JOIN streams p ON p.id = s.parent LEFT JOIN records r ON r.stream = s.id"
    " AND r.seq = (SELECT max(seq) FROM records WHERE stream = s.id)"
)
NO_END = (1 << 63) - 1
LAST_CHARACTER = "\U0010ffff"
"""The last Unicode character: no id contains it."""


class SqliteReader:
    """A Reader of a log file; any number may exist, in any process, while the owner writes.

    Raises UsageError if the file does not exist, LogTooNew and LogError if it cannot be read.
    """

    def __init__(self, path: Path | str, driver: str | Driver = "sqlite3") -> None:
        self.path = checked_path(path)
        self.driver = driver_named(driver) if isinstance(driver, str) else driver
        if not self.path.exists():
            msg = f"there is no log at {self.path}: check --log or $PLAYHEAD_LOG"
            raise UsageError(msg)
        if found_format(self.driver, self.path) == 0:
            msg = f"{self.path} is not a Playhead log (it is empty)"
            raise LogError(msg)
        self._name = str(self.path)
        self._idle: list[tuple[int, DriverConnection]] = []
        """Connections, each with the inode number of the file when it was opened."""
        self._closed = False
        self._process = os.getpid()

    def _rows(self, query: str, *values: Value) -> list[Any]:
        """All rows of one short read, on a connection that no other thread uses meanwhile."""
        self._check_usable()
        number, connection = self._connection()
        try:
            rows = connection.execute(query, values).fetchall()
        except self.driver.error as error:
            with suppress(self.driver.error):
                connection.close()
            if self.driver.code(error) in (CORRUPT, NOT_A_DATABASE):
                msg = f"{self.path} is damaged: {error}"
                raise LogDamaged(msg) from error
            msg = f"{self.path} cannot be read: {error}"
            raise LogError(msg) from error
        self._idle.append((number, connection))
        if self._closed:
            self.close()
        return rows

    def _connection(self) -> tuple[int, DriverConnection]:
        """An idle connection to the file now at the path: archiving puts a new file there."""
        now = self._number()
        while self._idle:
            number, connection = self._idle.pop()
            if number == now:
                return number, connection
            with suppress(self.driver.error):
                connection.close()
        return now, self.driver.connect(self.path, "ro")

    def _number(self) -> int:
        """The inode number of the file. Raises LogLost if it no longer exists."""
        try:
            return os.stat(self._name).st_ino  # noqa: PTH116 - a Path is made anew for each look
        except FileNotFoundError as error:
            raise LogLost(str(self.path), "was deleted or moved") from error

    def _check_usable(self) -> None:
        if self._closed:
            msg = f"{self.path} is closed"
            raise LogClosed(msg)
        if os.getpid() != self._process:
            # SQLite's locks do not survive a fork; even closing is unsafe there.
            msg = (
                f"{self.path} was opened before this process was forked: open it after the "
                "fork, or spawn the process"
            )
            raise LogClosed(msg)

    def head(self, run: str) -> Head:
        """The end of the run's stream."""
        rows = self._rows(
            "SELECT seq, hash FROM records WHERE stream = (SELECT id FROM streams WHERE name = ?)"
            " ORDER BY seq DESC LIMIT 1",
            run,
        )
        return Head(*rows[0]) if rows else Head()

    def stream(self, run: str) -> Stream | None:
        """The stream; None if it has no records."""
        rows = self._rows(f"{STREAMS} WHERE s.name = ?", run)
        return _stream(rows[0]) if rows else None

    def streams(self, beginning: str = "") -> Iterator[Stream]:
        """The streams whose ids begin with `beginning`, oldest first."""
        where, names = "s.id > ? ORDER BY s.id", list[str]()
        if beginning:  # the + keeps SQLite from scanning all of them in id order
            where = "s.name >= ? AND s.name < ? AND +s.id > ? ORDER BY +s.id"
            names = [beginning, beginning + LAST_CHARACTER]
        after = 0
        while rows := self._rows(f"{STREAMS} WHERE {where} LIMIT {CHUNK}", *names, after):
            yield from map(_stream, rows)
            after = rows[-1][0]

    def read(self, run: str, after: int = 0, to: int | None = None) -> Iterator[Stored]:
        """The run's records with after < seq <= to, including a fork's inherited past."""
        for stream, name, low, high in self._segments(run, after, NO_END if to is None else to):
            last = low
            while rows := self._rows(
                f"{OF_STREAM} ORDER BY seq LIMIT {CHUNK}", name, stream, last, high
            ):
                yield from map(_stored, rows)
                if len(rows) < CHUNK:
                    break
                last = rows[-1][2]

    def _segments(self, run: str, low: int, high: int) -> list[tuple[int, str, int, int]]:
        """(stream, its name, after, to) for a run and the ancestors it was forked from."""
        segments: list[tuple[int, str, int, int]] = []
        query = "SELECT id, name, parent, parent_seq FROM streams WHERE "
        rows = self._rows(query + "name = ?", run)
        while rows:
            stream, name, parent, parent_seq = rows[0]
            begin = parent_seq or 0
            segments.append((stream, name, low, high))
            if parent_seq is None or low >= begin:
                break
            high = min(high, begin)
            rows = self._rows(query + "id = ?", parent)
        return segments[::-1]

    def follow(self, after: int = 0, limit: int | None = None) -> Iterator[Stored]:
        """Records after that position, in position order, up to the current end."""
        end = self.end()
        left = NO_END if limit is None else limit
        while left > 0 and (rows := self._rows(OF_LOG, after, end, min(left, CHUNK))):
            yield from map(_stored, rows)
            after = rows[-1][0]
            left -= len(rows)

    def end(self) -> int:
        """The last position, 0 in an empty log."""
        return int(self._rows("SELECT coalesce(max(position), 0) FROM records")[0][0])

    def body(self, digest: str) -> bytes:
        """A body by its SHA-256 (hex). Raises KeyError if it is missing."""
        try:
            key = bytes.fromhex(digest)
        except ValueError:
            raise KeyError(digest) from None
        rows = self._rows("SELECT content FROM bodies WHERE digest = ?", key)
        if not rows:
            raise KeyError(digest)
        content: bytes = rows[0][0]
        return content

    def has_command(self, command: str) -> bool:
        """Whether a record carries that command id."""
        return bool(self._rows("SELECT 1 FROM records WHERE command = ?", command))

    def close(self) -> None:
        """Close idle connections; one in use is closed when its read ends."""
        self._closed = True
        if os.getpid() == self._process:
            while self._idle:
                with suppress(self.driver.error):  # SQLite tries to clean up, which fails here
                    self._idle.pop()[1].close()


def _stored(row: Any) -> Stored:
    """The row as a record; SQLite has no booleans."""
    return Stored._make((*row[:7], row[7] != 0, *row[8:10], row[10] != 0, *row[11:]))


def _stream(row: Any) -> Stream:
    _, name, kind, parent, parent_seq, seq, record_hash = row
    return Stream(name, kind, parent, parent_seq, Head(seq or 0, record_hash or b""))
