"""The writer thread: takes all waiting appends, commits them together, then reports.

    wait for appends -> admit each -> one transaction -> tell each -> now and then: the anchor

An invalid append fails alone. If the result of a commit is in doubt, the file is reopened and
checked, and only what is missing is written again: nothing twice, nothing lost.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from threading import Lock, Thread, current_thread
from typing import Literal, Protocol, TypeAlias

from playhead.events.errors import (
    HeadMoved,
    LogClosed,
    LogDamaged,
    LogError,
    LogLost,
    PlayheadError,
    StorageUnavailable,
)
from playhead.events.log.anchor import LogPosition
from playhead.events.log.contract import Append, OnAppended
from playhead.events.log.sql.admission import Batch, KnownStreams, admit_together
from playhead.events.logger import ProgramLogger

TOGETHER = 512
"""Maximum number of appends in one transaction."""

logger = ProgramLogger("playhead.log")

Durability: TypeAlias = Literal["full", "normal"]


class Store(KnownStreams, Protocol):
    """The one writing connection of a log, as the writer uses it."""

    @property
    def mark(self) -> LogPosition:
        """The end of the log as committed."""
        ...

    def batch(self) -> Batch:
        """An empty batch at the end of the log."""
        ...

    def commit(self, batch: Batch) -> None:
        """Write the batch. After an exception it may be in or not: disconnect, reopen, check."""
        ...

    def landed(self, append: Append) -> int | None:
        """The position of the append's last row if the log contains it, else None."""
        ...

    def reopen_if_needed(self) -> None:
        """After `disconnect`: connect again, and check that nothing acknowledged is lost."""
        ...

    def disconnect(self) -> None:
        """Close the connection; uncommitted changes are rolled back."""
        ...

    def passing(self, error: Exception) -> bool:
        """Whether the error may pass."""
        ...

    def damaged(self, error: Exception) -> bool:
        """Whether the error means that the log is no longer intact."""
        ...

    def check_files(self) -> None:
        """Raise LogLost if this is no longer the log that was opened."""
        ...

    def checkpoint(self, mode: Literal["PASSIVE", "TRUNCATE"]) -> bool:
        """Make what was committed durable; returns whether all of it is."""
        ...

    def anchor(self) -> bool:
        """Record the mark outside the log; returns False if it must not be."""
        ...


class Writer:
    """Owns the store from its start to `close`; everything but `submit` runs on its thread."""

    def __init__(
        self,
        name: str,
        store: Store,
        durability: Durability,
        anchor_seconds: float,
        anchored: int,
        before_release: Callable[[], None],
        release: Callable[[], None],
    ) -> None:
        """`name`: as errors and the thread say it. `anchored`: the anchor's position, or 0."""
        self._name = name
        self._store = store
        self._durability = durability
        self._anchor_seconds = anchor_seconds
        self._before_release = before_release
        self._release = release
        self._queue: SimpleQueue[tuple[Sequence[Append], OnAppended] | None] = SimpleQueue()
        self._lock = Lock()
        self._closed = False
        self._anchored = anchored
        self._anchor_due = 0.0
        self._in_doubt = False
        self.commits = 0
        """Transactions so far, for measurements."""
        short = name.rpartition("/")[2]
        self._thread = Thread(target=self._work, name=f"playhead-log-{short}", daemon=True)
        self._thread.start()

    def submit(self, appends: Sequence[Append], done: OnAppended) -> None:
        """Queue appends that belong together; once closed, `done` gets LogClosed at once."""
        with self._lock:
            if not self._closed:
                self._queue.put((appends, done))
                return
        done(LogClosed(f"{self._name} is closed"))

    def close(self) -> None:
        """Write what was submitted, then release the file. Returns when that has happened."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if current_thread() is not self._thread:
            self._thread.join()

    def _work(self) -> None:
        try:
            while (waiting := self._next()) is not None:
                if waiting:
                    self._write(waiting)
                self._drop_anchor()
        finally:
            self._finish()

    def _next(self) -> list[tuple[Sequence[Append], OnAppended]] | None:
        """All waiting appends, at least one; none when the anchor is due; None after the last."""
        try:
            first = self._queue.get(timeout=self._until_anchor())
        except Empty:
            return []
        if first is None:
            return None
        waiting = [first]
        while len(waiting) < TOGETHER and not self._queue.empty():
            following = self._queue.get()
            if following is None:
                self._queue.put(None)  # nothing comes after it: `submit` refuses since `close`
                break
            waiting.append(following)
        return waiting

    def _write(self, waiting: list[tuple[Sequence[Append], OnAppended]]) -> None:
        tell: list[tuple[OnAppended, int | Exception]] = []
        tried: dict[int, Append] = {}
        """By place in `waiting`: each submission's last append, as it was put into the batch."""
        try:
            self._store.reopen_if_needed()
            batch = self._store.batch()
            for number, (appends, done) in enumerate(waiting):
                try:
                    tried[number] = admit_together(self._store, batch, appends)[-1]
                    tell.append((done, batch.mark.position))
                except HeadMoved as error:  # unless it is one that seemed to fail
                    tell.append((done, self._store.landed(appends[-1]) or error))
                except (PlayheadError, ValueError) as error:
                    tell.append((done, error))
            if batch.rows:
                self._store.commit(batch)
                self.commits += 1
                self._in_doubt = False
        except Exception as error:
            if not self._in_doubt:  # once for each fault, however often it is tried
                logger.warning("log.doubt", path=self._name, error=repr(error))
            self._in_doubt = True
            tell = []
            self._store.disconnect()
            self._settle_all(waiting, tried)
        for done, outcome in tell:
            self._tell(done, outcome)

    def _settle_all(
        self, waiting: list[tuple[Sequence[Append], OnAppended]], tried: Mapping[int, Append]
    ) -> None:
        """Once one of them cannot be written at present, the others are only looked for."""
        tries: tuple[bool, ...] = (True, True, False)
        for number, (appends, done) in enumerate(waiting):
            outcome = self._settle(appends, tried.get(number), tries)
            if isinstance(outcome, StorageUnavailable):
                tries = (False,)
            self._tell(done, outcome)

    def _settle(
        self, appends: Sequence[Append], tried: Append | None, tries: tuple[bool, ...]
    ) -> int | Exception:
        """One submission of a batch in doubt: found in the file, written now, or refused.

        `tried`: its last append, as it was added to the batch. `tries`: for each look at the file,
        whether it may be written if it is missing.
        """
        trouble: Exception | None = None
        for may_write in tries:
            try:
                self._store.reopen_if_needed()
                position = None if tried is None else self._store.landed(tried)
                if position is not None:
                    return position
                if may_write:
                    batch = self._store.batch()
                    try:
                        tried = admit_together(self._store, batch, appends)[-1]
                    except (PlayheadError, ValueError) as refused:
                        return refused
                    self._store.commit(batch)
                    self.commits += 1
                    return batch.mark.position
            except LogLost as lost:
                self._store.disconnect()
                return lost
            except Exception as error:
                trouble = error
                self._store.disconnect()
        return self._refusal(appends[-1].run, trouble)

    def _refusal(self, run: str, trouble: Exception | None) -> LogError:
        """The error for an append that was not written: it says whether to try again."""
        if isinstance(trouble, LogError):
            return trouble
        if trouble is None or isinstance(trouble, OSError) or self._store.passing(trouble):
            return StorageUnavailable(self._name, str(trouble) or type(trouble).__name__)
        msg = f"{self._name}: run {run} was not written: {trouble}"
        return LogDamaged(msg) if self._store.damaged(trouble) else LogError(msg)

    def _tell(self, done: OnAppended, outcome: int | Exception) -> None:
        try:
            done(outcome)
        except BaseException:  # a listener's error harms neither the others nor the log
            logger.exception("log.listener.failed", path=self._name)

    # The anchor

    def _until_anchor(self) -> float | None:
        if self._store.mark.position == self._anchored:
            return None
        return max(0.0, self._anchor_due - time.monotonic())

    def _drop_anchor(self) -> None:
        """Anchor what is on disk, at most once per `anchor_seconds`."""
        until = self._until_anchor()
        if until is None or until > 0:
            return
        self._anchor_due = time.monotonic() + self._anchor_seconds
        try:
            if self._durability == "full" or self._store.checkpoint("PASSIVE"):
                self._anchor()
        except Exception as error:
            logger.warning("log.anchor.failed", path=self._name, error=repr(error))

    def _anchor(self) -> None:
        if self._store.anchor():
            self._anchored = self._store.mark.position

    def _finish(self) -> None:
        # Readers first: SQLite cleans up behind the last connection, and only a writing one can.
        self._before_release()
        moved = False
        try:
            self._store.reopen_if_needed()
            self._store.check_files()
            moved = self._store.checkpoint("TRUNCATE")
        except Exception as error:
            logger.warning("log.close.failed", path=self._name, error=repr(error))
        try:
            if self._until_anchor() is not None and (moved or self._durability == "full"):
                self._anchor()
        except Exception as error:
            logger.warning("log.anchor.failed", path=self._name, error=repr(error))
        finally:
            self._store.disconnect()
            self._release()
