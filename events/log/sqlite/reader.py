"""Reads a log file, from any thread and any process, without writing or checkpointing.

Its reads are short (sql/reader.py), so the owner's WAL can restart.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from playhead.events.errors import LogClosed, LogDamaged, LogError, LogLost, UsageError
from playhead.events.log.sql.reader import SqlReader
from playhead.events.log.sqlite.driver import (
    CORRUPT,
    NOT_A_DATABASE,
    Driver,
    DriverConnection,
    Value,
    driver_named,
)
from playhead.events.log.sqlite.schema import checked_path, found_format


class SqliteReader(SqlReader):
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

    def close(self) -> None:
        """Close idle connections; one in use is closed when its read ends."""
        self._closed = True
        if os.getpid() == self._process:
            while self._idle:
                with suppress(self.driver.error):  # SQLite tries to clean up, which fails here
                    self._idle.pop()[1].close()
