"""The reading half of a log in a SQL database; a backend says how a query is run.

The queries are written for SQLite's placeholders and hold no dialect: both databases run them.
A long read is split into many short ones, so it holds no snapshot and no lock between two of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, TypeAlias

from playhead.events.log.contract import Head, Stream
from playhead.events.record import Stored

Value: TypeAlias = str | int | bytes | None
"""What a query is given."""

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


class SqlReader(ABC):
    """A Reader over the tables `streams`, `records` and `bodies`."""

    @abstractmethod
    def _rows(self, query: str, *values: Value) -> list[Any]:
        """All rows of one short read; `?` stands for each value."""

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


def _stored(row: Any) -> Stored:
    """The row as a record; SQLite has no booleans."""
    return Stored._make((*row[:7], row[7] != 0, *row[8:10], row[10] != 0, *row[11:]))


def _stream(row: Any) -> Stream:
    _, name, kind, parent, parent_seq, seq, record_hash = row
    return Stream(name, kind, parent, parent_seq, Head(seq or 0, record_hash or b""))
