"""One process owns a log: an OS lock on `<log>.owner`, which also identifies the owner.

The system releases the lock whenever the process dies. The file stays: removing it would allow two
owners to lock two files of the same name.
"""

import json
import os
import socket
import sys
import time
import weakref
from datetime import UTC, datetime
from pathlib import Path

from playhead.events.errors import LogOwned, UsageError
from playhead.events.log.private_files import is_owned, is_released, open_private

if sys.platform == "win32":
    import msvcrt

    FAR = 1 << 20
    """A byte beyond the text, so that others can read the text while it is locked."""

    def _lock(fd: int, *, shared: bool) -> None:
        os.lseek(fd, FAR, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(fd: int, *, shared: bool) -> None:
        # flock, not lockf: it also excludes a second log in this same process.
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


LOOKED_AT = 0.25
"""Seconds for which a lock is tried again that may only be looked at (`owner_of`)."""


def _lock_soon(fd: int) -> None:
    until = time.monotonic() + LOOKED_AT
    while True:
        try:
            return _lock(fd, shared=False)
        except OSError:
            if time.monotonic() > until:
                raise
        time.sleep(0.01)


class OwnerLock:
    """Held from construction to `release`.

    Raises LogOwned, naming the owner, and UsageError if the file cannot be created.
    `claim=False` only tries the lock, beside others that do, and does not name this process as the
    owner. Such a try is over in a moment, so a process that wants to own the log tries again for
    `LOOKED_AT`.
    """

    def __init__(self, log: Path, *, claim: bool = True) -> None:
        path = log.with_name(log.name + ".owner")
        self._claimed: Path | None = None
        self._fd: int | None = None
        try:
            self._fd = open_private(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            msg = f"cannot write {path}: {error.strerror}: choose another place for the log"
            raise UsageError(msg) from error
        try:
            _lock_soon(self._fd) if claim else _lock(self._fd, shared=True)
        except OSError as error:
            owner = _who(os.pread(self._fd, 4096, 0) if hasattr(os, "pread") else path.read_bytes())
            self.release()
            raise LogOwned(str(log), owner) from error
        if not claim:
            return
        self._claimed = log
        is_owned(log)
        os.truncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        os.write(self._fd, _me())
        if hasattr(os, "register_at_fork"):
            # A forked child must not keep the log owned after its parent has died.
            this = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _release(this()))

    def release(self) -> None:
        """Release the lock. Safe to call twice."""
        if self._fd is not None:
            if self._claimed is not None:
                is_released(self._claimed)
            os.close(self._fd)
            self._fd = None


def owner_of(log: Path) -> str | None:
    """The owner of a log; None without one. Creates no file.

    Raises OSError or UsageError if that cannot be told.
    """
    if not log.with_name(log.name + ".owner").exists():
        return None
    try:
        lock = OwnerLock(log, claim=False)
    except LogOwned as owned:
        return owned.owner
    lock.release()
    return None


def status_now(status: str, log: Path) -> str:
    """A run's status: `open` for one that is not ended while no process has the log.

    Where that cannot be told, the run counts as running.
    """
    if status != "running":
        return status
    try:
        return "open" if owner_of(log) is None else status
    except (OSError, UsageError):
        return status


def _release(lock: OwnerLock | None) -> None:
    if lock is not None:
        lock.release()


def _me() -> bytes:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode()


def _who(text: bytes) -> str:
    try:
        owner = json.loads(text)
        return f"process {owner['pid']} on {owner['host']} (since {owner['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
