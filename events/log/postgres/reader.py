"""Reads a log in PostgreSQL, from any thread and any process."""

import os
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import psycopg

from playhead.events.errors import LogClosed, LogError, UsageError
from playhead.events.log.anchor import LogPosition
from playhead.events.log.postgres.schema import connect, found_format
from playhead.events.log.sql.reader import SqlReader, Value


def shown(url: str) -> str:
    """The URL without its password and its options, for messages. Raises UsageError."""
    if not url.startswith(("postgresql://", "postgres://")):
        msg = f"{url!r} is not the URL of a PostgreSQL log: postgresql://USER@HOST:PORT/DATABASE"
        raise UsageError(msg)
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class PostgresReader(SqlReader):
    """A Reader of a log in PostgreSQL; any number may exist.

    Raises UsageError without a log there, LogTooNew, and LogError if it cannot be read.
    """

    def __init__(self, url: str) -> None:
        self.name = shown(url)
        """The URL without its password."""
        self._url = url
        self._idle: list[psycopg.Connection[Any]] = []
        self._closed = False
        self._process = os.getpid()
        try:
            connection = connect(url)
            self._idle.append(connection)
            version = found_format(connection, self.name)
        except psycopg.Error as error:
            self.close()
            msg = f"{self.name} cannot be read: {str(error).strip()}"
            raise LogError(msg) from error
        if version == 0:
            self.close()
            msg = f"there is no log in {self.name}: check the URL"
            raise UsageError(msg)

    def _rows(self, query: str, *values: Value) -> list[Any]:
        self._check_usable()
        # An idle connection may have died with its server: then a new one is tried, once.
        tries = [self._idle.pop()] if self._idle else []
        while True:
            fresh = not tries
            try:
                connection = tries.pop() if tries else connect(self._url)
                # `coalesce(name, '?')` is the only question mark that stands for itself.
                marked = query.replace("'?'", "chr(63)").replace("?", "%s")
                rows = connection.execute(marked.encode(), values).fetchall()
            except psycopg.Error as error:
                if not fresh and isinstance(error, psycopg.OperationalError):
                    self._drop_idle()
                    continue
                msg = f"{self.name} cannot be read: {str(error).strip()}"
                raise LogError(msg) from error
            self._idle.append(connection)
            if self._closed:
                self._drop_idle()
            return rows

    def anchor(self) -> LogPosition | None:
        """The position that was anchored last; None before the first."""
        rows = self._rows("SELECT position, hash, running FROM anchors ORDER BY 1 DESC LIMIT 1")
        return LogPosition(*rows[0]) if rows else None

    def _check_usable(self) -> None:
        if self._closed:
            msg = f"{self.name} is closed"
            raise LogClosed(msg)
        if os.getpid() != self._process:
            msg = f"{self.name} was opened before this process was forked: open it after the fork"
            raise LogClosed(msg)

    def _drop_idle(self) -> None:
        while self._idle:
            with suppress(psycopg.Error):
                self._idle.pop().close()

    def close(self) -> None:
        """Close idle connections; one in use is closed when its read ends."""
        self._closed = True
        if os.getpid() == self._process:
            self._drop_idle()
