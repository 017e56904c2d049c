"""A minimal connection protocol, implemented by the standard library's sqlite3 and by apsw.

apsw has its own, newer SQLite, and tests can put a failing file system under it. A file is opened
through ONE driver in a process: two copies of SQLite would drop each other's POSIX locks.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from playhead.events.errors import UsageError

Value: TypeAlias = int | float | str | bytes | None
OpenMode: TypeAlias = Literal["ro", "rw", "rwc"]
"""As in SQLite's URIs: read only, read and write, the same and created if missing."""

BUSY_MS = 5_000
"""How long a connection waits for another program that locks the file."""

PASSING = frozenset({5, 6, 7, 8, 10, 13, 14, 15})
"""SQLite's result codes for errors that may pass: BUSY, LOCKED, NOMEM, READONLY, IOERR,
FULL, CANTOPEN, PROTOCOL."""

CORRUPT, NOT_A_DATABASE = 11, 26
"""SQLite's result codes for a damaged file, and for a file that is not a SQLite database."""


class Cursor(Protocol):
    """The rows of one statement."""

    def fetchone(self) -> Any:
        """The next row, None after the last."""
        ...

    def fetchall(self) -> list[Any]:
        """The remaining rows."""
        ...


class DriverConnection(Protocol):
    """The operations that the log needs: autocommit, statements, close."""

    def execute(self, sql: str, parameters: Sequence[Value] = (), /) -> Cursor:
        """Run one statement."""
        ...

    def executemany(self, sql: str, rows: Iterable[Sequence[Value]], /) -> object:
        """Run one statement for each row of values."""
        ...

    def close(self) -> None:
        """Close; uncommitted changes are rolled back."""
        ...


class Driver(Protocol):
    """A copy of SQLite, and how to open a file with it."""

    @property
    def name(self) -> str:
        """The name by which users choose it."""
        ...

    @property
    def sqlite_version(self) -> str:
        """The version of its SQLite."""
        ...

    @property
    def error(self) -> type[Exception]:
        """The base class of its exceptions."""
        ...

    def connect(self, path: Path, mode: OpenMode, *, immutable: bool = False) -> DriverConnection:
        """Open in autocommit. `immutable` promises that nobody writes: no side file is touched."""
        ...

    def code(self, error: Exception) -> int:
        """SQLite's primary result code, 0 if the error has none."""
        ...


class Sqlite3Driver:
    """The standard library's sqlite3."""

    name = "sqlite3"
    sqlite_version = sqlite3.sqlite_version
    error = sqlite3.Error

    def connect(self, path: Path, mode: OpenMode, *, immutable: bool = False) -> DriverConnection:
        """Open in autocommit, for one thread at a time."""
        return sqlite3.connect(
            _uri(path, mode, immutable, None),
            timeout=BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,  # one thread at a time; the reader's pool ensures that
            uri=True,
        )

    def code(self, error: Exception) -> int:
        """SQLite's primary result code, 0 if the error has none."""
        return getattr(error, "sqlite_errorcode", 0) & 0xFF


class ApswDriver:
    """apsw (the extra `playhead[apsw]`), on the named VFS, by default SQLite's own."""

    name = "apsw"

    def __init__(self, vfs: str | None = None) -> None:
        try:
            import apsw
        except ImportError as error:
            msg = "driver 'apsw' is not installed: pip install playhead[apsw]"
            raise UsageError(msg) from error
        self._apsw = apsw
        self._vfs = vfs
        self.error: type[Exception] = apsw.Error
        self._codes = {type(apsw.exception_for(code)): code for code in PASSING}
        """For errors raised by a file system written in Python: they have no code."""
        self.sqlite_version = apsw.sqlite_lib_version()

    def connect(self, path: Path, mode: OpenMode, *, immutable: bool = False) -> DriverConnection:
        """Open in autocommit, for one thread at a time."""
        flags = (
            self._apsw.SQLITE_OPEN_URI
            | {
                "ro": self._apsw.SQLITE_OPEN_READONLY,
                "rw": self._apsw.SQLITE_OPEN_READWRITE,
                "rwc": self._apsw.SQLITE_OPEN_READWRITE | self._apsw.SQLITE_OPEN_CREATE,
            }[mode]
        )
        connection = self._apsw.Connection(_uri(path, mode, immutable, self._vfs), flags=flags)
        connection.set_busy_timeout(BUSY_MS)
        return connection

    def code(self, error: Exception) -> int:
        """SQLite's primary result code, 0 if the error has none."""
        return (getattr(error, "result", 0) & 0xFF) or self._codes.get(type(error), 0)


def driver_named(name: str) -> Driver:
    """The driver "sqlite3" or "apsw". Raises UsageError for another name or a missing extra."""
    if name == "sqlite3":
        return Sqlite3Driver()
    if name == "apsw":
        return ApswDriver()
    msg = f"no SQLite driver {name!r}: choose 'sqlite3' or 'apsw'"
    raise UsageError(msg)


def _uri(path: Path, mode: OpenMode, immutable: bool, vfs: str | None) -> str:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    if immutable:
        uri += "&immutable=1"
    return f"{uri}&vfs={vfs}" if vfs else uri
