"""The log in a SQLite file: how it is opened, owned and closed."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from playhead.events.codec import seal
from playhead.events.errors import LogBehindAnchor, LogDamaged, PlayheadError, UsageError
from playhead.events.kinds.logs import LossAccepted
from playhead.events.log.anchor import LogPosition, base_of, last_move, read_anchor, write_anchor
from playhead.events.log.contract import ANY, RUNTIME_STREAM, Append, OnAppended
from playhead.events.log.owner_lock import OwnerLock
from playhead.events.log.private_files import warn_of_others
from playhead.events.log.sql.admission import admit
from playhead.events.log.sql.writer import Durability, Writer
from playhead.events.log.sqlite.driver import Driver, driver_named
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.log.sqlite.schema import checked_path, found_format
from playhead.events.log.sqlite.store import Store
from playhead.events.record import GENESIS, Record

__all__ = ["SqliteLog", "SqliteReader"]


class SqliteLog(SqliteReader):
    """A Log in one file, owned by this process until `close`.

    `durability`: "full" loses no acknowledged record in a power cut, "normal" may lose the newest.
    `driver`: "sqlite3", "apsw", or a Driver. `accept_loss`: continue if the log ends before its
    anchor, and record that in the runtime stream.

    Raises LogOwned, LogTooNew, LogBehindAnchor, LogDamaged, LogError, UsageError.
    """

    def __init__(
        self,
        path: Path | str,
        durability: Durability = "full",
        driver: str | Driver = "sqlite3",
        *,
        accept_loss: bool = False,
        anchor_seconds: float = 1.0,
    ) -> None:
        path = checked_path(path)
        if durability not in ("full", "normal"):
            msg = f"no durability {durability!r}: choose 'full' or 'normal'"
            raise UsageError(msg)
        if not path.parent.is_dir():
            msg = f"cannot make a log at {path}: there is no folder {path.parent}"
            raise UsageError(msg)
        driver = driver_named(driver) if isinstance(driver, str) else driver
        # A newer format is refused before anything is written.
        found_format(driver, path, roll_back=True)
        owner = OwnerLock(path)
        try:
            warn_of_others(path.parent)
            store, anchored = _open_store(path, driver, durability, accept_loss)
            try:
                super().__init__(path, driver)
            except BaseException:
                store.disconnect()
                raise
        except BaseException:
            owner.release()
            raise
        self.durability: Durability = durability
        self._files = store.files
        self._writer = Writer(
            str(path), store, durability, anchor_seconds, anchored, super().close, owner.release
        )

    def _number(self) -> int:
        return self._files.check()

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
        """Write what was submitted, anchor, checkpoint, and release the file."""
        if os.getpid() == self._process:
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _open_store(
    path: Path, driver: Driver, durability: Durability, accept_loss: bool
) -> tuple[Store, int]:
    """The store, and the position in the anchor's file."""
    mark = read_anchor(path)
    base, fault = _examine(path, driver, mark or LogPosition())
    if fault is not None and not accept_loss:
        raise fault
    store = Store(path, driver, durability)
    try:
        if mark is not None and fault is not None:
            store.catch_up(base)
            mark = _record_loss(path, store, mark)
        else:
            store.catch_up(base if mark is None or mark.position < base.position else mark)
        if mark != store.mark:
            # A crash came before its anchor: sync the content of its WAL before anchoring it.
            store.checkpoint("PASSIVE")
    except BaseException:
        store.disconnect()
        raise
    return store, 0 if mark is None else mark.position


def _examine(
    path: Path, driver: Driver, mark: LogPosition
) -> tuple[LogPosition, LogDamaged | None]:
    """Where the contiguous part begins, and how the log contradicts its anchor.

    Reads only a few rows (`verify` reads all), and read-only, before anything opens the file for
    writing: a damaged WAL is evidence.
    """
    if found_format(driver, path) == 0:
        lost = LogBehindAnchor(str(path), mark.position, 0) if mark.position else None
        return LogPosition(), lost
    reader = SqliteReader(path, driver)
    try:
        base = base_of(last_move(reader))
        return base, _fault(reader, base, mark)
    finally:
        reader.close()


def _fault(reader: SqliteReader, base: LogPosition, mark: LogPosition) -> LogDamaged | None:
    if mark.position == 0 or mark == base:
        return None
    end = reader.end()
    if end < mark.position:
        return LogBehindAnchor(str(reader.path), mark.position, end)
    row = next(reader.follow(mark.position - 1, 1), None)
    if row is None or row.hash != mark.hash:
        return LogDamaged(
            f"{reader.path} has a different record at position {mark.position} than its anchor: an "
            "old copy was restored and written to; `playhead verify` says more, and with "
            "--accept-loss records the loss and allows writing again"
        )
    return None


def _record_loss(path: Path, store: Store, lost: LogPosition) -> LogPosition:
    event = LossAccepted(anchored=lost.position, found=store.end(), running=lost.running.hex())
    at = time.time_ns() // 1000
    row, bodies = seal(Record(RUNTIME_STREAM, 0, at, "user", "outside", None, event), GENESIS)
    batch = store.batch()
    admit(store, batch, Append(RUNTIME_STREAM, ANY, (row,), bodies, "runtime"))
    store.commit(batch)
    store.checkpoint("PASSIVE")
    write_anchor(path, store.mark)
    return store.mark
