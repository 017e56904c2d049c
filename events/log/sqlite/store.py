"""The writing connection of a log file: one transaction for a group of appends.

It handles neither threads nor callbacks (writer.py); `admit` checks what may be appended. Its
cached state changes after COMMIT; after an error only `disconnect`, then `reopen_if_needed`, may
be called.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from playhead.events.errors import LogDamaged, LogError, LogLost
from playhead.events.log.anchor import LogPosition, write_anchor
from playhead.events.log.contract import Append, Head, Tail
from playhead.events.log.private_files import make_private
from playhead.events.log.sql.admission import Batch
from playhead.events.log.sql.writer import Durability
from playhead.events.log.sqlite.driver import (
    BUSY_MS,
    CORRUPT,
    NOT_A_DATABASE,
    PASSING,
    Driver,
    DriverConnection,
    OpenMode,
)
from playhead.events.log.sqlite.open_files import OpenFiles
from playhead.events.log.sqlite.schema import check_format, prepare

REMEMBERED = 10_000
"""How many stream ends are kept in memory."""

WAL_PAGES = 1000
"""Pages after which a commit also checkpoints, on this same connection."""

WAL_BYTES = 16 << 20
"""A WAL that grew beyond this under a long reader is truncated when it restarts."""

CHECKPOINT_MS = 1000
"""How long a checkpoint waits for another program's reader."""

PLACES = ", ".join("?" * 18)


class Store:
    """The only connection that writes and checkpoints."""

    def __init__(self, path: Path, driver: Driver, durability: Durability) -> None:
        self._path = path
        self._driver = driver
        self._durability = durability
        self._tails: dict[str, tuple[int, Tail]] = {}
        self._streams = 0
        self.mark = LogPosition()
        """The end of the log as committed; set by `catch_up`."""
        self.files = OpenFiles(path)
        self._connection: DriverConnection | None = self._connect("rwc")

    def _connect(self, mode: OpenMode) -> DriverConnection:
        self.files.check()
        if mode == "rwc":
            make_private(self._path)
        connection = self._driver.connect(self._path, mode)
        try:
            self._configure(connection)
            prepare(connection, self._path)
            (self._streams,) = connection.execute("SELECT max(id) FROM streams").fetchone()
            self.files.connected()
        except BaseException:
            connection.close()
            raise
        self._streams = self._streams or 0
        return connection

    def _configure(self, connection: DriverConnection) -> None:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            msg = f"{self._path}: SQLite cannot keep a WAL there (a network disk?)"
            raise LogError(msg)
        connection.execute(f"PRAGMA synchronous = {self._durability}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}").fetchall()
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}").fetchall()

    @property
    def _open(self) -> DriverConnection:
        if self._connection is None:
            msg = f"{self._path} could not be reopened; the next append tries again"
            raise LogError(msg)
        return self._connection

    def _row(self, query: str, *values: str | int | bytes) -> Any:
        return self._open.execute(query, values).fetchone()

    def damaged(self, error: Exception) -> bool:
        """Whether the error means that the file is no longer an intact database."""
        return self._driver.code(error) in (CORRUPT, NOT_A_DATABASE)

    def passing(self, error: Exception) -> bool:
        """Whether the error is one of the storage, and may pass."""
        return isinstance(error, self._driver.error) and self._driver.code(error) in PASSING

    # Reading

    def end(self) -> int:
        """The last position in the file."""
        return int(self._row("SELECT max(position) FROM records")[0] or 0)

    def hash_at(self, position: int) -> bytes | None:
        """The hash of the record at a position."""
        row = self._row("SELECT hash FROM records WHERE position = ?", position)
        return row[0] if row else None

    def known(self, run: str) -> tuple[int, Tail] | None:
        """A stream's number and end; None if it has no records. Cached after the first lookup."""
        found = self._tails.get(run)
        return found if found is not None else self._look_up(run)

    def _look_up(self, run: str) -> tuple[int, Tail] | None:
        row = self._row(
            "SELECT s.id, s.kind, p.name, s.parent_seq, r.seq, r.hash, r.epoch FROM streams s "
            "JOIN records r ON r.stream = s.id LEFT JOIN streams p ON p.id = s.parent "
            "WHERE s.name = ? ORDER BY r.seq DESC LIMIT 1",
            run,
        )
        if row is None:
            return None
        stream, kind, parent, parent_seq, seq, record_hash, epoch = row
        self._tails[run] = stream, Tail(kind, parent, parent_seq, Head(seq, record_hash), epoch)
        return self._tails[run]

    def hash_in_line(self, stream: int, seq: int) -> bytes | None:
        """The hash at `seq` of a stream or, before its first own record, of its ancestors."""
        while True:
            parent, parent_seq = self._row(
                "SELECT parent, parent_seq FROM streams WHERE id = ?", stream
            )
            if parent_seq is None or seq > parent_seq:
                break
            stream = parent
        row = self._row("SELECT hash FROM records WHERE stream = ? AND seq = ?", stream, seq)
        return row[0] if row else None

    def has_command(self, command: str) -> bool:
        """Whether a record with that command id was committed."""
        return self._row("SELECT 1 FROM records WHERE command = ?", command) is not None

    def has_body(self, digest: str) -> bool:
        """Whether the log has the body."""
        return self._row("SELECT 1 FROM bodies WHERE digest = ?", bytes.fromhex(digest)) is not None

    def landed(self, append: Append) -> int | None:
        """The position of the append's last row if the file contains it, else None."""
        if not append.rows:
            return None
        last = append.rows[-1]
        row = self._row(
            "SELECT position, hash FROM records WHERE seq = ? AND stream ="
            " (SELECT id FROM streams WHERE name = ?)",
            last.seq,
            append.run,
        )
        return row[0] if row is not None and row[1] == last.hash else None

    # Writing

    def batch(self) -> Batch:
        """An empty batch at the end of the log."""
        return Batch(self.mark, self._streams + 1)

    def commit(self, batch: Batch) -> None:
        """Write the batch. After an exception it may or may not be in: disconnect, reopen, check.

        Raises LogLost if the log's files are not those that were opened; it is not in then.
        """
        connection = self._open
        self.check_files()
        connection.execute("BEGIN IMMEDIATE")
        if batch.streams:
            connection.executemany("INSERT INTO streams VALUES (?, ?, ?, ?, ?)", batch.streams)
        if batch.bodies:
            connection.executemany(
                "INSERT INTO bodies (digest, content) VALUES (?, ?) ON CONFLICT DO NOTHING",
                [(bytes.fromhex(digest), content) for digest, content in batch.bodies.items()],
            )
        connection.executemany(f"INSERT INTO records VALUES ({PLACES})", batch.rows)
        connection.execute("COMMIT")
        self.files.check()
        self.files.written()
        self.mark = batch.mark
        self._streams += len(batch.streams)
        self._tails.update(batch.tails)
        while len(self._tails) > REMEMBERED:
            del self._tails[next(iter(self._tails))]

    def check_files(self) -> None:
        """Raise LogLost if the files are no longer this log's; checked before each write."""
        if self.files.touched():
            self.files.check()
            self._check_content()
            self.files.written()

    def _check_content(self) -> None:
        """The file was modified or only touched: check with SQLite, on another connection."""
        try:
            other = self._driver.connect(self._path, "ro")
            try:
                check_format(other, self._path)
                (health,) = other.execute("PRAGMA quick_check(1)").fetchone()
                row = other.execute(
                    "SELECT hash FROM records WHERE position = ?", (self.mark.position,)
                ).fetchone()
            finally:
                other.close()
            whole = health == "ok" and (row[0] if row else b"") == self.mark.hash
        except (self._driver.error, LogError):
            whole = False
        if not whole:
            self.files.lose(self._path, "was overwritten")

    def catch_up(self, mark: LogPosition) -> None:
        """Trust `mark`, and compute the state from there to the end of the file."""
        query = "SELECT position, hash FROM records WHERE position > ? ORDER BY position LIMIT 9999"
        while rows := self._open.execute(query, (mark.position,)).fetchall():
            for position, record_hash in rows:
                mark = mark.after(position, record_hash)
        self.mark = mark

    def checkpoint(self, mode: Literal["PASSIVE", "TRUNCATE"]) -> bool:
        """Move the WAL into the database file; returns whether all of it was moved."""
        self._row(f"PRAGMA busy_timeout = {CHECKPOINT_MS}")
        busy, frames, moved = self._row(f"PRAGMA wal_checkpoint({mode})")
        self._row(f"PRAGMA busy_timeout = {BUSY_MS}")
        self.files.written()
        return bool(not busy and frames == moved)

    def anchor(self) -> bool:
        """Also if the file is gone, for the next opening to detect; not if it was replaced."""
        try:
            self.files.check()
        except LogLost:
            if self._path.exists():
                return False
        write_anchor(self._path, self.mark)
        return True

    def reopen_if_needed(self) -> None:
        """After `disconnect`: open the file again; its content then becomes durable."""
        if self._connection is not None:
            return
        self._connection = self._connect("rw")
        # After a failed sync the WAL's pages may not be on disk, although they can be read.
        self.checkpoint("PASSIVE")
        if self.hash_at(self.mark.position) != (self.mark.hash or None):
            where = f"position {self.mark.position}"
            msg = f"{self._path} has lost records acknowledged up to {where}"
            raise LogDamaged(msg)
        self.catch_up(self.mark)

    def disconnect(self) -> None:
        """Close the connection; uncommitted changes are rolled back."""
        self._tails.clear()
        self.files.disconnected()
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(self._driver.error):  # it is abandoned, whatever the error
                connection.close()
