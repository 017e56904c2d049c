"""A log file in place of another, in one step: whoever is killed on the way leaves one of the two.

The new file is whole, checked and on the disk before it gets its name. Side files of the old one
go first: SQLite would read an old WAL as the new file's. Readers look at the file's number, and
open the new one.
"""

import os
from pathlib import Path

from playhead.events.errors import LogDamaged, LogError
from playhead.events.log.anchor import Mark
from playhead.events.log.sqlite.driver import Driver
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.log.sqlite.store import Store
from playhead.events.maintenance.verify import Problem, Report, verify

SIDES = ("-wal", "-shm", "-journal")


def beside(log: Path, ending: str) -> Path:
    """A file of that log: its name and `ending`."""
    return log.with_name(log.name + ending)


def discard(log: Path) -> None:
    """Remove a log file that nobody has open, its side files first."""
    for ending in (*SIDES, ""):
        beside(log, ending).unlink(missing_ok=True)


def checked(log: Path, anchor: Mark | None, driver: Driver) -> Report:
    """Verify a whole log. Raises LogDamaged, naming the first fault; no anchor is no fault here."""
    reader = SqliteReader(log, driver)
    try:
        report = verify(reader, anchor)
    finally:
        reader.close()
    faults = [p for p in report.problems if anchor is not None or p.fault != "no_anchor"]
    if faults:
        raise _damaged(log, faults[0])
    return report


def _damaged(log: Path, problem: Problem) -> LogDamaged:
    return LogDamaged(f"{log} is not whole: {problem.message}")


def fold_wal(log: Path, driver: Driver) -> None:
    """Move everything into the database file. Raises LogError while a reader is in the way."""
    store = Store(log, driver, "full")
    try:
        if not store.checkpoint("TRUNCATE"):
            msg = f"{log} is being read by another program: try again"
            raise LogError(msg)
    finally:
        store.disconnect()


def sync(path: Path) -> None:
    """See a file, or a folder's list of names, onto the disk. SQLite must not have it open."""
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
