"""The restore: a backup takes a log's place, without what was erased from that log since."""

import os
from contextlib import suppress
from pathlib import Path

from playhead.events.errors import LogError, UsageError
from playhead.events.log.anchor import LogPosition, anchor_path, read_anchor, write_anchor
from playhead.events.log.owner_lock import OwnerLock
from playhead.events.log.sqlite.driver import Driver, driver_named
from playhead.events.maintenance.backup import (
    beside,
    checked,
    copied,
    discard,
    fold_wal,
    put_in_place,
)
from playhead.events.maintenance.erase import erase_noted
from playhead.events.maintenance.verify import VerifyReport


def restore(
    backup: Path, log: Path, driver: str | Driver = "sqlite3", *, replace: bool = False
) -> VerifyReport:
    """Replace a log with a backup, after verifying a copy of it up to the backup's anchor.

    What `<log>.erased` names is erased from the copy first: a backup brings back nothing erased.
    With `replace`, an existing log is kept as `<log>.replaced`. An interruption at any point leaves
    either the old log or the new one, intact. Raises UsageError, LogOwned, LogDamaged, LogError.
    """
    driver = driver_named(driver) if isinstance(driver, str) else driver
    if log.exists() and not replace:
        msg = f"{log} already exists: --replace restores the backup there and keeps the old log"
        raise UsageError(msg)
    anchor = _anchor_of(backup)
    owner = OwnerLock(log)
    copy = beside(log, ".restoring")
    try:
        report = copied(backup, copy, anchor, driver)
        if erase_noted(copy, log, driver):
            report = checked(copy, report.mark, driver)
        if log.exists():
            _set_aside(log, driver)
        # Without an anchor either the old log or the new one can be opened.
        anchor_path(log).unlink(missing_ok=True)
        put_in_place(copy, log)
        beside(log, ".views").unlink(missing_ok=True)
        write_anchor(log, report.mark)
    finally:
        discard(copy)
        owner.release()
    return report


def drill(backup: Path, beside_log: Path, driver: str | Driver = "sqlite3") -> VerifyReport:
    """A practice restore: beside the log, verified up to its anchor, then removed."""
    driver = driver_named(driver) if isinstance(driver, str) else driver
    copy = beside(beside_log, f".drill-{os.getpid()}")
    try:
        return copied(backup, copy, _anchor_of(backup), driver)
    finally:
        discard(copy)


def _anchor_of(backup: Path) -> LogPosition:
    if not backup.exists():
        msg = f"there is no backup at {backup}"
        raise UsageError(msg)
    anchor = read_anchor(backup)
    if anchor is None:
        msg = (
            f"{anchor_path(backup)} is missing: without it the backup cannot be checked for "
            "completeness; copy it along with the backup"
        )
        raise UsageError(msg)
    return anchor


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
