"""Backups: a snapshot of a log, taken while its owner goes on, and the way back.

A backup is a log like any other, with an anchor of its own; it is verified when it is made, and
again before it takes a log's place.
"""

import os
from contextlib import suppress
from pathlib import Path

from playhead.events.errors import LogError, UsageError
from playhead.events.log.anchor import Mark, anchor_path, read_anchor, write_anchor
from playhead.events.log.owner_lock import OwnerLock
from playhead.events.log.sqlite.driver import Driver, driver_named
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.maintenance.swap import beside, checked, discard, fold_wal, put_in_place
from playhead.events.maintenance.verify import Report


def back_up(log: Path, to: Path, driver: str | Driver = "sqlite3") -> Report:
    """Copy a log, verify the copy, and anchor it; the log may be written to meanwhile.

    `to` and its anchor appear only when everything is on the disk. Raises UsageError when `to` is
    there already, LogDamaged when the log is not whole, LogError.
    """
    driver = driver_named(driver) if isinstance(driver, str) else driver
    if to.exists():
        msg = f"{to} is there already: a backup replaces nothing, choose another name"
        raise UsageError(msg)
    if not to.parent.is_dir():
        msg = f"cannot make a backup at {to}: there is no folder {to.parent}"
        raise UsageError(msg)
    anchor = read_anchor(log)  # before the copy: the copy is never behind it
    copy = beside(to, ".partial")
    try:
        report = _copied(log, copy, anchor, driver)
        write_anchor(to, report.mark)
        put_in_place(copy, to)
    finally:
        discard(copy)
    return report


def restore(
    backup: Path, log: Path, driver: str | Driver = "sqlite3", *, replace: bool = False
) -> Report:
    """Put a backup in a log's place, once a copy of it is verified to the backup's anchor.

    With `replace` a log that is there is kept as `<log>.replaced`. Whenever this is cut off, the
    old log or the new one is there, whole. Raises UsageError, LogOwned, LogDamaged, LogError.
    """
    driver = driver_named(driver) if isinstance(driver, str) else driver
    if log.exists() and not replace:
        msg = f"{log} is there already: --replace puts the backup in its place and keeps it aside"
        raise UsageError(msg)
    anchor = _anchor_of(backup)
    owner = OwnerLock(log)
    copy = beside(log, ".restoring")
    try:
        report = _copied(backup, copy, anchor, driver)
        if log.exists():
            _set_aside(log, driver)
        # Without an anchor both the old log and the new one can be opened.
        anchor_path(log).unlink(missing_ok=True)
        put_in_place(copy, log)
        beside(log, ".views").unlink(missing_ok=True)
        write_anchor(log, report.mark)
    finally:
        discard(copy)
        owner.release()
    return report


def drill(backup: Path, beside_log: Path, driver: str | Driver = "sqlite3") -> Report:
    """Restore a backup for practice: beside the log, verified to its anchor, and removed again."""
    driver = driver_named(driver) if isinstance(driver, str) else driver
    copy = beside(beside_log, f".drill-{os.getpid()}")
    try:
        return _copied(backup, copy, _anchor_of(backup), driver)
    finally:
        discard(copy)


def _anchor_of(backup: Path) -> Mark:
    if not backup.exists():
        msg = f"there is no backup at {backup}"
        raise UsageError(msg)
    anchor = read_anchor(backup)
    if anchor is None:
        msg = (
            f"{anchor_path(backup)} is missing: without it nobody can say whether the backup is "
            "whole; copy it along with the backup"
        )
        raise UsageError(msg)
    return anchor


def _copied(log: Path, copy: Path, anchor: Mark | None, driver: Driver) -> Report:
    """A snapshot of the log as a new file, verified."""
    SqliteReader(log, driver).close()  # a clear error when it is none
    discard(copy)
    connection = driver.connect(log, "ro")
    try:
        connection.execute("VACUUM INTO ?", (str(copy.absolute()),)).fetchall()
    except driver.error as error:
        msg = f"{log} cannot be copied to {copy}: {error}"
        raise LogError(msg) from error
    finally:
        connection.close()
    return checked(copy, anchor, driver)


def _set_aside(log: Path, driver: Driver) -> None:
    """Give the old log a second name, which stays; a damaged one keeps its WAL beside it."""
    with suppress(LogError, driver.error):
        fold_wal(log, driver)
    aside = _free_name(beside(log, ".replaced"))
    for ending in ("", "-wal"):
        if beside(log, ending).exists():
            os.link(beside(log, ending), beside(aside, ending))
    if anchor_path(log).exists():
        os.link(anchor_path(log), anchor_path(aside))


def _free_name(path: Path) -> Path:
    names = (path, *(path.with_name(f"{path.name}-{n}") for n in range(2, 10_000)))
    return next(name for name in names if not name.exists())
