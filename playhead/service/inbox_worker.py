"""Serves the inbox: commands left by other processes become records, or are answered."""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from playhead.events.errors import PlayheadError, StorageUnavailable
from playhead.events.log.contract import Log
from playhead.events.log.inbox import Command, Inbox, inbox_path
from playhead.events.logger import ProgramLogger

SECONDS = 0.2
"""How often to check whether the inbox has changed."""

TICK = 1_000_000_000
"""Nanoseconds; only FAT has a coarser clock."""

program_log = ProgramLogger("playhead.inbox")


class InboxWorker:
    """A thread that checks a log's inbox. A check costs one stat while nothing arrives."""

    def __init__(self, path: Path, log: Log, tell: Callable[[Command], None]) -> None:
        self._log = log
        self._tell = tell
        self._path = inbox_path(path)
        self._inbox = Inbox(path)
        self._seen: tuple[int, int] | None = None
        self._stop = threading.Event()
        self._failing = False
        self._look()
        self._thread = threading.Thread(target=self._work, name="playhead-inbox", daemon=True)
        self._thread.start()

    def serve(self) -> None:
        """Process all waiting commands, oldest first."""
        for command in self._inbox.waiting():
            if not self._log.has_command(command.id):
                try:
                    self._tell(command)
                except StorageUnavailable:  # it keeps waiting here
                    raise
                except PlayheadError as error:
                    self._inbox.answer(command.id, str(error))
                    continue
                except Exception as error:  # a command that fails here does not hold up the others
                    program_log.exception("inbox.command.failed", command=command.id)
                    self._inbox.answer(command.id, f"it could not be taken: {error!r}"[:500])
                    continue
            self._inbox.remove(command.id)

    def close(self) -> None:
        """Stop checking; later commands wait for the next owner."""
        self._stop.set()
        self._thread.join()
        self._inbox.close()

    def _work(self) -> None:
        while not self._stop.wait(SECONDS):
            try:
                self._look()
            except Exception:
                self._seen = None
                program_log.exception("inbox.failed", path=str(self._path))

    def _look(self) -> None:
        """Process new commands; if the storage fails, all of them are tried again next time."""
        try:
            if self._changed():
                self.serve()
            self._failing = False
        except (StorageUnavailable, sqlite3.OperationalError, OSError) as error:
            self._seen = None
            if not self._failing:
                program_log.warning("inbox.waits", path=str(self._path), why=str(error))
            self._failing = True

    def _changed(self) -> bool:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        now = (found.st_mtime_ns, found.st_size)
        changed = now != self._seen
        # Two writes may fall into one tick of the file system's clock: check until it is past.
        self._seen = now if time.time_ns() - found.st_mtime_ns > TICK else None
        return changed
