"""Stored projections: tables in `<log>.views` that follow the log and can be deleted at any time.

    follow the log from the view's position -> fold into its tables -> move the position: one
    transaction, so each record is applied exactly once, whatever happens in between

A view is rebuilt when its file was deleted, when its version changed, or when the log is not the
one it followed. Several processes may catch up on one file.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from playhead.events.codec import decode
from playhead.events.errors import LogError
from playhead.events.log.contract import Reader
from playhead.events.log.private_files import make_private
from playhead.events.record import GENESIS, Record

if TYPE_CHECKING:
    from sqlite_utils import Database

TOGETHER = 1000
"""Records folded in one transaction."""

BUSY_SECONDS = 30.0
"""How long one process waits while another catches up."""


class View(Protocol):
    """A fold of the log into tables of its own, all named `<name>` or `<name>_...`."""

    @property
    def name(self) -> str:
        """What its tables are called."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever the tables or the fold change: it is then rebuilt."""
        ...

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds it wants to see; the others are not even decoded."""
        ...

    def create(self, db: "Database") -> None:
        """Make the tables. Inside a transaction: no BEGIN, no COMMIT."""
        ...

    def apply(self, connection: sqlite3.Connection, record: Record) -> None:
        """Fold one record, in log order, pure but for the tables. Inside a transaction."""
        ...


@runtime_checkable
class BatchedView(View, Protocol):
    """A view that folds the records of a transaction together, because that costs it less."""

    def apply_all(self, connection: sqlite3.Connection, records: Iterable[Record]) -> None:
        """Fold the records, in log order, as `apply` would one by one. Inside a transaction."""
        ...


def views_path(log: Path | str) -> Path:
    """Where a log's views lie."""
    log = Path(log)
    return log.with_name(log.name + ".views")


def _unwritable(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    return code in (
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
    )


class Views:
    """The views of one log, on one connection of their own; for one thread at a time.

    `path`: the file (`views_path`), or ":memory:" where nothing can be written.
    """

    def __init__(self, reader: Reader, path: Path | str, views: Sequence[View]) -> None:
        self._reader = reader
        self._views = views
        if isinstance(path, Path):
            make_private(path)
        self.connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        """For queries, in autocommit; call `catch_up` first."""
        try:
            self.connection.execute("PRAGMA journal_mode = WAL")
            # What a power cut takes is folded again: only the file must stay whole.
            self.connection.execute("PRAGMA synchronous = normal")
            self.connection.execute(
                "CREATE TABLE IF NOT EXISTS views (name TEXT PRIMARY KEY, version INTEGER NOT NULL,"
                " position INTEGER NOT NULL, hash BLOB NOT NULL) STRICT"
            )
        except sqlite3.DatabaseError as error:
            self.connection.close()
            if _unwritable(error):
                raise
            msg = f"{path}: {error}: delete that file; it is rebuilt from the log"
            raise LogError(msg) from error

    @classmethod
    def of(cls, reader: Reader, views: Sequence[View]) -> Self:
        """The views of a log, caught up; `with` closes them.

        They are kept beside the log's file, so that only what was appended since the last look is
        read; in memory if the log has no file or its folder cannot be written.
        """
        path: Path | None = getattr(reader, "path", None)
        if path is not None:
            try:
                return cls(reader, views_path(path), views)._caught_up()
            except sqlite3.OperationalError as error:
                if not _unwritable(error):
                    raise
        return cls(reader, ":memory:", views)._caught_up()

    def _caught_up(self) -> Self:
        try:
            self.catch_up()
        except BaseException:
            self.close()
            raise
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def catch_up(self) -> int:
        """Fold what was appended since; the position that all views have reached."""
        return min((self._catch_up(view) for view in self._views), default=0)

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def _catch_up(self, view: View) -> int:
        while True:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                before = self._position(view)
                after = self._fold(view, before)
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:  # a full disk has rolled it back already
                    self.connection.execute("ROLLBACK")
                raise
            if after - before < TOGETHER:
                return after

    def _position(self, view: View) -> int:
        """The position of the view in this log; its tables are rebuilt when they do not fit."""
        found = self.connection.execute(
            "SELECT version, position, hash FROM views WHERE name = ?", [view.name]
        ).fetchone()
        if found is not None:
            version, position, record_hash = found
            if version == view.version and self._hash_at(position) == record_hash:
                return int(position)
        from sqlite_utils import Database  # slow to import, and only needed here

        db = Database(self.connection, execute_plugins=False)
        for table in db.table_names():
            if table == view.name or table.startswith(f"{view.name}_"):
                db.table(table).drop(ignore=True)  # a full-text table takes its own along
        view.create(db)
        self._move(view, 0, GENESIS)
        return 0

    def _hash_at(self, position: int) -> bytes | None:
        if position == 0:
            return GENESIS
        row = next(iter(self._reader.follow(position - 1, 1)), None)
        return row.hash if row is not None and row.position == position else None

    def _fold(self, view: View, position: int) -> int:
        rows = list(islice(self._reader.follow(position, TOGETHER), TOGETHER))
        records = (decode(r, self._reader.body) for r in rows if r.kind in view.kinds)
        if isinstance(view, BatchedView):
            view.apply_all(self.connection, records)
        else:
            for record in records:
                view.apply(self.connection, record)
        if not rows:
            return position
        self._move(view, rows[-1].position, rows[-1].hash)
        return rows[-1].position

    def _move(self, view: View, position: int, record_hash: bytes) -> None:
        self.connection.execute(
            "INSERT OR REPLACE INTO views VALUES (?, ?, ?, ?)",
            [view.name, view.version, position, record_hash],
        )
