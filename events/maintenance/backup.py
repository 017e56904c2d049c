"""Backups: a snapshot of a log, taken while its owner keeps writing.

A backup is a log like any other, with its own anchor; it is verified when it is made, and again
before it replaces a log (restore.py).
"""

import os
from pathlib import Path

from playhead.events.errors import LogDamaged, LogError, UsageError
from playhead.events.log.anchor import LogPosition, read_anchor, write_anchor
from playhead.events.log.private_files import make_private
from playhead.events.log.sqlite.driver import Driver, driver_named
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.log.sqlite.store import Store
from playhead.events.maintenance.verify import LogProblem, VerifyReport, verify


def back_up(log: Path, to: Path, driver: str | Driver = "sqlite3") -> VerifyReport:
    """Copy a log, verify the copy, and anchor it; the log may be written to meanwhile.

    `to` and its anchor appear only once everything is on disk. Raises UsageError if `to` already
    exists, LogDamaged if the log is damaged, LogError.
    """
    driver = driver_named(driver) if isinstance(driver, str) else driver
    if to.exists():
        msg = f"{to} already exists: a backup does not overwrite files, choose another name"
        raise UsageError(msg)
    if not to.parent.is_dir():
        msg = f"cannot make a backup at {to}: there is no folder {to.parent}"
        raise UsageError(msg)
    anchor = read_anchor(log)  # before the copy, so that the copy is never behind it
    copy = beside(to, ".partial")
    try:
        report = copied(log, copy, anchor, driver)
        write_anchor(to, report.mark)
        put_in_place(copy, to)
    finally:
        discard(copy)
    return report


def copied(log: Path, copy: Path, anchor: LogPosition | None, driver: Driver) -> VerifyReport:
    """A snapshot of the log as a new file, verified."""
    SqliteReader(log, driver).close()  # gives a clear error if it is not a log
    discard(copy)
    connection = driver.connect(log, "ro")
    try:
        make_private(copy)
        connection.execute("VACUUM INTO ?", (str(copy.absolute()),)).fetchall()
    except driver.error as error:
        msg = f"{log} cannot be copied to {copy}: {error}"
        raise LogError(msg) from error
    finally:
        connection.close()
    return checked(copy, anchor, driver)


SIDES = ("-wal", "-shm", "-journal")


def beside(log: Path, ending: str) -> Path:
    """The path of the log with `ending` appended."""
    return log.with_name(log.name + ending)


def discard(log: Path) -> None:
    """Remove a log file that no process has open, its side files first."""
    for ending in (*SIDES, ""):
        beside(log, ending).unlink(missing_ok=True)


def checked(log: Path, anchor: LogPosition | None, driver: Driver) -> VerifyReport:
    """Verify a whole log. Raises LogDamaged, naming the first fault; the anchor may be missing."""
    reader = SqliteReader(log, driver)
    try:
        report = verify(reader, anchor)
    finally:
        reader.close()
    faults = [p for p in report.problems if anchor is not None or p.fault != "no_anchor"]
    if faults:
        raise _damaged(log, faults[0])
    return report


def _damaged(log: Path, problem: LogProblem) -> LogDamaged:
    return LogDamaged(f"{log} is damaged: {problem.message}")


def fold_wal(log: Path, driver: Driver) -> None:
    """Move everything into the database file. Raises LogError while a reader prevents it."""
    store = Store(log, driver, "full")
    try:
        if not store.checkpoint("TRUNCATE"):
            msg = f"{log} is being read by another program: try again"
            raise LogError(msg)
    finally:
        store.disconnect()


def sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to disk. SQLite must not have it open."""
    if path.is_dir() and os.name != "posix":
        return
    fd = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def put_in_place(new: Path, log: Path) -> None:
    """Give the finished file `new` the name `log`. The old one's WAL must be empty."""
    sync(new)
    for ending in SIDES:
        beside(log, ending).unlink(missing_ok=True)
    new.replace(log)
    sync(log.parent)
