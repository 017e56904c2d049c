"""A log's files, while it is open: where they lie, and that they are still the same ones."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playhead.events.errors import LogBehindAnchor, LogLost, PlayheadError, UsageError
from playhead.events.log.anchor import read_anchor
from playhead.events.log.sqlite.log import SqliteLog, SqliteReader
from playhead.testing.appends import append_of, said, say, write
from playhead.testing.log_contract import texts
from tests.events.processes import output_of

OTHER = "with SqliteLog(path) as log: say(log, 'other', *map(str, range(500)))"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    with SqliteLog(tmp_path / "a.db", anchor_seconds=0.0) as log:
        say(log, "a", "1")
        yield log


def files(path: Path) -> list[Path]:
    """A log's own files, as SQLite has them."""
    return [path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")]


def _delete(path: Path) -> None:
    for file in files(path):
        file.unlink()


def _delete_wal(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


def _move(path: Path) -> None:
    path.rename(path.with_name("moved.db"))


def _replace(path: Path) -> None:
    other = path.with_name("other.db")
    output_of(OTHER, other)
    other.replace(path)


def _overwrite(path: Path) -> None:
    other = path.with_name("other.db")
    output_of(OTHER, other)
    subprocess.check_call(["cp", other, path])  # a process of its own: it opens SQLite's files


def _truncate(path: Path) -> None:
    os.truncate(path, 100)


def _garbage(path: Path) -> None:
    subprocess.check_call(["dd", "if=/dev/zero", f"of={path}", "bs=1M", "count=1", "status=none"])


HARM = [_delete, _delete_wal, _move, _replace, _overwrite, _truncate, _garbage]


@pytest.mark.parametrize("harm", HARM)
def test_nothing_is_acknowledged_once_the_files_are_not_those_that_were_opened(
    log: SqliteLog, harm: Callable[[Path], None]
) -> None:
    harm(log.path)
    for _ in range(3):
        with pytest.raises(LogLost, match=r"a\.db.* was "):
            say_blindly(log)


def say_blindly(log: SqliteLog) -> int:
    """Append without reading first."""
    return write(log, append_of("new", *said("lost")))


@pytest.mark.parametrize("harm", [_delete, _delete_wal, _move, _replace, _truncate])
def test_a_read_notices_it_too(log: SqliteLog, harm: Callable[[Path], None]) -> None:
    harm(log.path)
    with pytest.raises(LogLost):
        log.stream("a")


def test_a_log_that_was_deleted_while_open_is_not_silently_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with SqliteLog(path, anchor_seconds=3600) as log:
        say(log, "a", "1")
        say(log, "a", "2")
        _delete(path)
        with pytest.raises(LogLost):
            say_blindly(log)
    mark = read_anchor(path)
    assert mark is not None
    assert mark.position == 2
    with pytest.raises(LogBehindAnchor):
        SqliteLog(path)


def test_what_lies_in_its_place_is_left_alone(log: SqliteLog) -> None:
    _replace(log.path)
    other = read_anchor(log.path.with_name("other.db"))
    log.path.with_name("other.db.anchor").replace(log.path.with_name("a.db.anchor"))
    before = log.path.read_bytes()
    with pytest.raises(LogLost):
        say_blindly(log)
    log.close()
    assert log.path.read_bytes() == before
    assert read_anchor(log.path) == other


def test_a_file_that_was_only_touched_is_still_the_log(log: SqliteLog) -> None:
    os.utime(log.path, ns=(time.time_ns(), time.time_ns() + 1_000_000_000))
    assert say(log, "a", "2") == 2
    assert texts(log, "a") == ["1", "2"]


def test_a_relative_path_means_the_same_file_wherever_the_program_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    log = SqliteLog("a.db", anchor_seconds=0.0)
    say(log, "a", "1")
    reader = SqliteReader("a.db")
    os.chdir(elsewhere)
    say(log, "a", "2")
    assert texts(log, "a") == texts(reader, "a") == ["1", "2"]  # type: ignore[arg-type]
    reader.close()
    log.close()
    assert list(elsewhere.iterdir()) == []
    mark = read_anchor(tmp_path / "a.db")
    assert mark is not None
    assert mark.position == 2


@pytest.mark.parametrize("name", [".", "", "folder", "folder/", "/dev/null", "a\0b", "x" * 300])
@pytest.mark.parametrize("opened", [SqliteLog, SqliteReader])
def test_what_can_be_no_log_is_refused_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    opened: Callable[[str], object],
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PlayheadError) as refused:
        opened(name)
    assert isinstance(refused.value, UsageError)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_a_place_where_nothing_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.db.owner").mkdir()  # as a folder without permission would, for root too
    with pytest.raises(UsageError, match=r"cannot write .*a\.db\.owner: Is a directory"):
        SqliteLog(tmp_path / "a.db")
