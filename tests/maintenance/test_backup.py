"""A backup is a whole log, taken while the owner writes; restoring leaves one whole log, always."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from playhead.events.errors import LogDamaged, LogOwned, UsageError
from playhead.events.log.anchor import anchor_path, read_anchor
from playhead.events.log.sqlite.log import SqliteLog, SqliteReader
from playhead.events.maintenance.backup import back_up
from playhead.events.maintenance.restore import drill, restore
from playhead.events.maintenance.verify import verify
from playhead.testing.appends import say
from tests.events.killed_at import kills
from tests.events.processes import child, killed, line_from

HOLD = """
log = SqliteLog(path)
say(log, "other", "x")
print("holding", flush=True)
input()
"""

RESTORE = """
from pathlib import Path
from playhead.events.maintenance.restore import restore

def act(victim):
    restore(Path(path), Path(victim), replace=True)
"""


def texts(path: Path) -> list[str]:
    """The stored payloads, in order; verified to the anchor, if there is one."""
    reader = SqliteReader(path)
    anchor = read_anchor(path)
    report = verify(reader, anchor)
    assert [p for p in report.problems if anchor or p.fault != "no_anchor"] == []
    found = [row.data.decode() for row in reader.follow()]
    reader.close()
    return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with SqliteLog(path) as log:
        say(log, "a", *"123")
        say(log, "b", "x" * 9000)
    return path


@pytest.mark.parametrize("driver", ["sqlite3", "apsw"])
def test_a_backup_is_the_log_with_an_anchor_of_its_own(
    log: Path, tmp_path: Path, driver: str
) -> None:
    back_up(log, tmp_path / "backup.db", driver)
    assert texts(tmp_path / "backup.db") == texts(log)
    assert read_anchor(tmp_path / "backup.db") == read_anchor(log)
    assert sorted(p.name for p in tmp_path.iterdir() if "partial" in p.name) == []


def test_a_backup_taken_while_the_owner_writes_is_one_moment_of_the_log(
    log: Path, tmp_path: Path
) -> None:
    done = threading.Event()

    def go_on(owned: SqliteLog) -> None:
        for n in range(10_000):
            say(owned, "a", f"more {n}", "and its pair")
            if done.is_set():
                return

    with SqliteLog(log, anchor_seconds=0) as owned:
        writer = threading.Thread(target=go_on, args=(owned,))
        writer.start()
        try:
            for n in range(5):
                back_up(log, tmp_path / f"{n}.db")
        finally:
            done.set()
            writer.join()
    whole = texts(log)
    for n in range(5):
        copy = texts(tmp_path / f"{n}.db")
        assert copy == whole[: len(copy)]
        assert len(copy) % 2 == 0  # 4 records, then pairs: no turn was split


def test_a_log_that_is_not_whole_is_not_backed_up(log: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(log)) as connection, connection:
        connection.execute("DROP TRIGGER records_are_never_updated")
        connection.execute("UPDATE records SET at = at + 1 WHERE position = 2")
    with pytest.raises(LogDamaged, match=r"run a record 2 .* was altered"):
        back_up(log, tmp_path / "backup.db")
    assert not (tmp_path / "backup.db").exists()


def test_a_backup_replaces_nothing(log: Path, tmp_path: Path) -> None:
    (tmp_path / "backup.db").write_text("precious")
    with pytest.raises(UsageError, match="already exists"):
        back_up(log, tmp_path / "backup.db")
    assert (tmp_path / "backup.db").read_text() == "precious"


def test_a_restored_log_goes_on_where_the_backup_ended(log: Path, tmp_path: Path) -> None:
    backup, other = tmp_path / "backup.db", tmp_path / "other" / "b.db"
    back_up(log, backup)
    other.parent.mkdir()
    restore(backup, other)
    with SqliteLog(other) as restored:
        say(restored, "a", "4")
    assert texts(other)[:4] == texts(log)
    assert len(texts(other)) == 5


def test_a_backup_that_lost_its_tail_is_not_restored(log: Path, tmp_path: Path) -> None:
    backup, target = tmp_path / "backup.db", tmp_path / "b.db"
    back_up(log, backup)
    with SqliteLog(log) as owned:
        say(owned, "a", "4")
    back_up(log, tmp_path / "newer.db")
    shutil.copy(anchor_path(tmp_path / "newer.db"), anchor_path(backup))
    for attempt in (restore, drill):
        with pytest.raises(LogDamaged, match="the last 1 records are lost"):
            attempt(backup, target)
    assert not target.exists()
    anchor_path(backup).unlink()
    with pytest.raises(UsageError, match=r"backup.db.anchor is missing"):
        restore(backup, target)


def test_a_drill_leaves_nothing_behind(log: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    back_up(log, backup)
    before = sorted(tmp_path.iterdir())
    assert drill(backup, log).records == 4
    assert sorted(tmp_path.iterdir()) == before


def test_a_log_in_the_way_is_kept_aside_and_only_on_request(log: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    back_up(log, backup)
    with SqliteLog(log) as owned:
        say(owned, "a", "later")
    newer = texts(log)
    with pytest.raises(UsageError, match="--replace"):
        restore(backup, log)
    restore(backup, log, replace=True)
    assert texts(log) == newer[:4]
    assert texts(tmp_path / "a.db.replaced") == newer


def test_a_log_that_somebody_owns_is_not_replaced(log: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    back_up(log, backup)
    process = child(HOLD, log)
    try:
        assert line_from(process) == "holding"
        with pytest.raises(LogOwned, match="process"):
            restore(backup, log, replace=True)
    finally:
        killed(process)


def test_a_reader_sees_the_restored_log_at_its_next_read(log: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    back_up(log, backup)
    with SqliteLog(log) as owned:
        say(owned, "a", "later")
    reader = SqliteReader(log)
    assert reader.end() == 5
    restore(backup, log, replace=True)
    with SqliteLog(log) as owned:
        assert reader.end() == 4
        say(owned, "a", "another")
        assert reader.end() == 5
        assert b"another" in next(reader.follow(4)).data
    reader.close()


def test_a_restore_killed_at_any_step_leaves_the_old_log_or_the_new_one(
    log: Path, tmp_path: Path
) -> None:
    backup, crashed = tmp_path / "backup.db", tmp_path / "crashed"
    back_up(log, backup)
    crashed.mkdir()
    with SqliteLog(crashed / "a.db") as log_before:
        say(log_before, "other", *"uvw")
    process = child(HOLD, crashed / "a.db")
    assert line_from(process) == "holding"
    killed(process)  # the old log is as a crash leaves it: everything in its WAL

    def victims() -> Iterator[Path]:
        for n in range(1000):
            yield shutil.copytree(crashed, tmp_path / str(n)) / "a.db"

    old, new = [f'{{"text":"{text}"}}' for text in "uvwx"], texts(backup)
    outcomes: list[list[str]] = []
    for path in kills(RESTORE, victims(), backup):
        outcomes.append(texts(path))
        with SqliteLog(path) as again:  # either can be written to
            say(again, "a", "on")
        assert len(texts(path)) == len(outcomes[-1]) + 1
    before = outcomes.index(new)
    assert outcomes == [old] * before + [new] * (len(outcomes) - before)
    assert min(before, len(outcomes) - before) > 3
