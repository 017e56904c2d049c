"""The log in a PostgreSQL database: how it is opened, owned and closed."""

import os
from collections.abc import Sequence
from typing import Self

import psycopg

from playhead.events.errors import LogBehindAnchor, LogDamaged, LogError, PlayheadError, UsageError
from playhead.events.log.anchor import LogPosition
from playhead.events.log.contract import Append, OnAppended
from playhead.events.log.postgres.reader import PostgresReader, shown
from playhead.events.log.postgres.store import PostgresStore
from playhead.events.log.sql.writer import Durability, Writer


class PostgresLog(PostgresReader):
    """A Log in one database, owned by this process until `close`.

    `durability`: "full" loses no acknowledged record when the server loses power, "normal" may
    lose the newest. Creates its tables if the database has none.

    Raises LogOwned, LogTooNew, LogBehindAnchor, LogDamaged, LogError, UsageError.
    """

    def __init__(
        self, url: str, durability: Durability = "full", *, anchor_seconds: float = 1.0
    ) -> None:
        if durability not in ("full", "normal"):
            msg = f"no durability {durability!r}: choose 'full' or 'normal'"
            raise UsageError(msg)
        name = shown(url)
        try:
            store = PostgresStore(url, name, durability)
        except psycopg.Error as error:
            msg = f"{name} cannot be opened: {str(error).strip()}"
            raise LogError(msg) from error
        try:
            mark = store.anchored() or LogPosition()
            store.catch_up(mark)
            _check_anchor(store, mark, name)
            super().__init__(url)
        except BaseException:
            store.disconnect()
            raise
        self.durability: Durability = durability
        self._writer = Writer(
            name, store, durability, anchor_seconds, mark.position, super().close, lambda: None
        )

    @property
    def commits(self) -> int:
        """Transactions so far: fewer than appends if many wait at once."""
        return self._writer.commits

    def submit(self, append: Append, done: OnAppended) -> None:
        """Queue an append; `done` is called on the log's thread."""
        self.submit_together((append,), done)

    def submit_together(self, appends: Sequence[Append], done: OnAppended) -> None:
        """Queue appends that are committed in one transaction, or not at all."""
        try:
            self._check_usable()
        except PlayheadError as error:
            done(error)
        else:
            self._writer.submit(appends, done)

    def close(self) -> None:
        """Write what was submitted, anchor, and release the log."""
        writer: Writer | None = getattr(self, "_writer", None)  # None while opening failed
        if writer is None:
            super().close()
        elif os.getpid() == self._process:
            writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_anchor(store: PostgresStore, mark: LogPosition, name: str) -> None:
    found = store.hash_at(mark.position)
    if mark.position and found is None:
        raise LogBehindAnchor(name, mark.position, store.end())
    if mark.position and found != mark.hash:
        msg = f"{name} has a different record at position {mark.position} than its anchor"
        raise LogDamaged(msg)
