"""The writing connection of a log in PostgreSQL: one short transaction for a group of appends.

It holds the owner's advisory lock, so stream ends may be cached as in SQLite: nobody else appends.
The lock dies with the connection. After one is lost, the lock is taken again before anything is
looked for or written; if somebody else has it, or has appended meanwhile, the log is lost to us.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import psycopg

from playhead.events.errors import LogDamaged, LogError, LogLost, LogOwned
from playhead.events.log.anchor import LogPosition
from playhead.events.log.contract import Append, Head, Tail
from playhead.events.log.postgres.schema import OWNER_LOCK, connect, prepare
from playhead.events.log.sql.admission import Batch
from playhead.events.log.sql.writer import Durability

if TYPE_CHECKING:
    from datetime import datetime

REMEMBERED = 10_000
"""How many stream ends are kept in memory."""

COLUMNS = (
    "position, stream, seq, at, actor, origin, cause, held, command, traceparent, imported,"
    " key_id, kind, version, data, bodies, hash, epoch"
)
TYPES = (
    "int8", "int8", "int8", "int8", "text", "text", "int8", "bool", "text",
    "text", "bool", "text", "text", "int4", "bytea", "text", "bytea", "int8",
)  # fmt: skip

END_SESSION = (
    "SELECT pg_terminate_backend(l.pid, 5000) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
    " WHERE l.locktype = 'advisory' AND l.objid = %s AND l.granted"
    " AND a.pid = %s AND a.backend_start = %s"
)


class PostgresStore:
    """The only connection that writes."""

    def __init__(self, url: str, name: str, durability: Durability) -> None:
        self._url, self._name, self._durability = url, name, durability
        self._tails: dict[str, tuple[int, Tail]] = {}
        self._streams = 0
        self.mark = LogPosition()
        """The end of the log as committed; set by `catch_up`."""
        self._session: tuple[int, datetime] | None = None
        """Pid and start of the session that holds the lock, or held it last."""
        self._connection: psycopg.Connection[Any] | None = self._connect()

    def _connect(self) -> "psycopg.Connection[Any]":
        connection = connect(self._url)
        try:
            self._own(connection)
            prepare(connection, self._name)
            mode = "on" if self._durability == "full" else "off"
            connection.execute(f"SET synchronous_commit = {mode}")
            found = connection.execute("SELECT coalesce(max(id), 0) FROM streams").fetchone()
            self._streams = int(found[0]) if found else 0
        except BaseException:
            connection.close()
            raise
        return connection

    def _own(self, connection: "psycopg.Connection[Any]") -> None:
        """Take the lock, from the server's end of our own lost connection if that still has it."""
        if not self._locked(connection):
            if self._session is not None:
                connection.execute(END_SESSION, (OWNER_LOCK, *self._session))
            if self._session is None or not self._locked(connection):
                raise LogOwned(self._name, self._owner(connection))
        found = connection.execute(
            "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        ).fetchone()
        assert found is not None
        self._session = found[0], found[1]

    def _locked(self, connection: "psycopg.Connection[Any]") -> bool:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (OWNER_LOCK,)).fetchone()
        return row == (True,)

    def _owner(self, connection: "psycopg.Connection[Any]") -> str:
        row = connection.execute(
            "SELECT l.pid, host(a.client_addr) FROM pg_locks l JOIN pg_stat_activity a"
            " ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.objid = %s AND l.granted"
            " AND a.datname = current_database()",
            (OWNER_LOCK,),
        ).fetchone()
        return "another session" if row is None else f"session {row[0]} from {row[1] or 'here'}"

    @property
    def _open(self) -> "psycopg.Connection[Any]":
        if self._connection is None:
            msg = f"{self._name} could not be reached; the next append tries again"
            raise LogError(msg)
        return self._connection

    def _row(self, query: str, *values: str | int | bytes) -> Any:
        return self._open.execute(query.encode(), values).fetchone()

    def damaged(self, error: Exception) -> bool:
        """Whether the server says that its files are damaged."""
        return isinstance(error, psycopg.errors.DataCorrupted | psycopg.errors.IndexCorrupted)

    def passing(self, error: Exception) -> bool:
        """Whether the error is one of the connection or the server's resources."""
        return isinstance(error, psycopg.OperationalError)

    # Reading

    def known(self, run: str) -> tuple[int, Tail] | None:
        """A stream's number and end; None if it has no records. Cached after the first lookup."""
        found = self._tails.get(run)
        if found is not None:
            return found
        row = self._row(
            "SELECT s.id, s.kind, p.name, s.parent_seq, r.seq, r.hash, r.epoch FROM streams s "
            "JOIN records r ON r.stream = s.id LEFT JOIN streams p ON p.id = s.parent "
            "WHERE s.name = %s ORDER BY r.seq DESC LIMIT 1",
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
                "SELECT parent, parent_seq FROM streams WHERE id = %s", stream
            )
            if parent_seq is None or seq > parent_seq:
                break
            stream = parent
        row = self._row("SELECT hash FROM records WHERE stream = %s AND seq = %s", stream, seq)
        return row[0] if row else None

    def has_command(self, command: str) -> bool:
        """Whether a record with that command id was committed."""
        return self._row("SELECT 1 FROM records WHERE command = %s", command) is not None

    def has_body(self, digest: str) -> bool:
        """Whether the log has the body."""
        key = bytes.fromhex(digest)
        return self._row("SELECT 1 FROM bodies WHERE digest = %s", key) is not None

    def landed(self, append: Append) -> int | None:
        """The position of the append's last row if the log contains it, else None."""
        if not append.rows:
            return None
        last = append.rows[-1]
        row = self._row(
            "SELECT position, hash FROM records WHERE seq = %s AND stream ="
            " (SELECT id FROM streams WHERE name = %s)",
            last.seq,
            append.run,
        )
        return row[0] if row is not None and row[1] == last.hash else None

    def end(self) -> int:
        """The last position in the log."""
        return int(self._row("SELECT coalesce(max(position), 0) FROM records")[0])

    def hash_at(self, position: int) -> bytes | None:
        """The hash of the record at a position."""
        row = self._row("SELECT hash FROM records WHERE position = %s", position)
        return row[0] if row else None

    def anchored(self) -> LogPosition | None:
        """The position that was anchored last."""
        row = self._row(
            "SELECT position, hash, running FROM anchors ORDER BY position DESC LIMIT 1"
        )
        return None if row is None else LogPosition(*row)

    # Writing

    def batch(self) -> Batch:
        """An empty batch at the end of the log."""
        return Batch(self.mark, self._streams + 1)

    def commit(self, batch: Batch) -> None:
        """Write the batch. After an exception it may be in or not: disconnect, reopen, check."""
        connection = self._open
        with connection.transaction(), connection.cursor() as cursor:
            if batch.streams:
                cursor.executemany("INSERT INTO streams VALUES (%s, %s, %s, %s, %s)", batch.streams)
            if batch.bodies:
                cursor.executemany(
                    "INSERT INTO bodies VALUES (%s, %s) ON CONFLICT DO NOTHING",
                    [(bytes.fromhex(digest), body) for digest, body in batch.bodies.items()],
                )
            with cursor.copy(f"COPY records ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(TYPES)
                for row in batch.rows:
                    copy.write_row(row)
        self.mark = batch.mark
        self._streams += len(batch.streams)
        self._tails.update(batch.tails)
        while len(self._tails) > REMEMBERED:
            del self._tails[next(iter(self._tails))]

    def catch_up(self, mark: LogPosition) -> None:
        """Trust `mark`, and compute the state from there to the end of the log."""
        query = (
            "SELECT position, hash FROM records WHERE position > %s ORDER BY position LIMIT 9999"
        )
        while rows := self._open.execute(query, (mark.position,)).fetchall():
            for position, record_hash in rows:
                mark = mark.after(position, record_hash)
        self.mark = mark

    def check_files(self) -> None:
        """The server guards its files."""

    def checkpoint(self, mode: Literal["PASSIVE", "TRUNCATE"]) -> bool:
        """The anchor's own commit makes what came before it durable."""
        del mode
        return True

    def anchor(self) -> bool:
        """Record the mark; the commit waits for the disk, and so for all commits before it."""
        with self._open.transaction():
            self._open.execute("SET LOCAL synchronous_commit = on")
            self._open.execute(
                "INSERT INTO anchors VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", self.mark
            )
        return True

    def reopen_if_needed(self) -> None:
        """After `disconnect`: connect, take the lock again, and look at the end of the log.

        Raises LogLost if another process owns the log now, LogDamaged if records are missing.
        """
        if self._connection is not None:
            return
        try:
            self._connection = self._connect()
        except LogOwned as error:
            raise LogLost(self._name, f"was taken over: {error}") from error
        if self.hash_at(self.mark.position) != (self.mark.hash or None):
            msg = f"{self._name} has lost records acknowledged up to position {self.mark.position}"
            raise LogDamaged(msg)
        self.catch_up(self.mark)

    def disconnect(self) -> None:
        """Close the connection; uncommitted changes are rolled back."""
        self._tails.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()
