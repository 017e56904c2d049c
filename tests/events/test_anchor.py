"""The anchor sees what SQLite cannot: records that were acknowledged and are gone."""

import os
import shutil
from pathlib import Path

import pytest

from playhead.events.codec import decode
from playhead.events.errors import LogBehindAnchor, LogDamaged
from playhead.events.kinds.logs import LossAccepted
from playhead.events.log.anchor import LogPosition, anchor_path, read_anchor, write_anchor
from playhead.events.log.contract import RUNTIME_STREAM
from playhead.events.log.sql.writer import Durability
from playhead.events.log.sqlite.log import SqliteLog, SqliteReader
from playhead.events.maintenance.verify import verify
from playhead.testing.appends import say
from playhead.testing.log_contract import texts
from tests.events.processes import output_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


def roll_back(path: Path) -> None:
    """Put a copy with one record in place of a log with three."""
    copy = path.with_name("copy.db")
    with SqliteLog(path) as log:
        say(log, "a", "1")
    shutil.copy(path, copy)
    with SqliteLog(path) as log:
        say(log, "a", "2")
        say(log, "b", "3")
    copy.replace(path)


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_closed_log_is_anchored_at_its_end(path: Path, durability: Durability) -> None:
    with SqliteLog(path, durability) as log:
        say(log, "a", "1", "2")
        say(log, "b", "3")
        rows = list(log.follow())
    mark = LogPosition()
    for row in rows:
        mark = mark.after(row.position, row.hash)
    assert read_anchor(path) == mark


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_crashed_log_is_anchored_at_what_was_committed_before(
    path: Path, durability: Durability
) -> None:
    code = """
log = SqliteLog(path, *arguments, anchor_seconds=0.0)
say(log, "a", "1", "2")
say(log, "b", "3")  # by now the first append is anchored: one thread does both
os._exit(0)
"""
    output_of(code, path, durability)
    mark = read_anchor(path)
    assert mark is not None
    assert mark.position in (2, 3)
    with SqliteLog(path, durability) as log:
        assert texts(log, "a") == ["1", "2"]
        assert verify(log, mark).ok


def test_the_running_hash_goes_on_over_a_reopening(path: Path) -> None:
    for number in range(3):
        with SqliteLog(path) as log:
            say(log, "a", str(number))
    reader = SqliteReader(path)
    assert verify(reader, read_anchor(path)).ok
    reader.close()


def test_an_old_copy_put_back_is_refused_for_writing_and_opens_for_reading(path: Path) -> None:
    roll_back(path)
    with pytest.raises(LogBehindAnchor) as refused:
        SqliteLog(path)
    assert (refused.value.anchored, refused.value.found) == (3, 1)
    reader = SqliteReader(path)
    assert reader.end() == 1
    reader.close()


def test_a_refusal_touches_neither_the_log_nor_its_anchor(path: Path) -> None:
    roll_back(path)
    before = path.read_bytes(), anchor_path(path).read_bytes()
    with pytest.raises(LogBehindAnchor):
        SqliteLog(path)
    assert (path.read_bytes(), anchor_path(path).read_bytes()) == before


def test_a_loss_that_is_accepted_is_recorded_and_the_log_goes_on(path: Path) -> None:
    roll_back(path)
    lost = read_anchor(path)
    assert lost is not None
    with SqliteLog(path, accept_loss=True) as log:
        (row,) = log.read(RUNTIME_STREAM)
        event = decode(row, log.body).event
        assert event == LossAccepted(anchored=3, found=1, running=lost.running.hex())
        stream = log.stream(RUNTIME_STREAM)
        assert stream is not None
        assert stream.kind == "runtime"
        assert say(log, "a", "2") == 3
    with SqliteLog(path) as log:  # it is whole again
        assert verify(log, read_anchor(path)).ok
        assert texts(log, "a") == ["1", "2"]


def test_accepting_where_nothing_was_lost_records_nothing(path: Path) -> None:
    for _ in range(2):
        with SqliteLog(path, accept_loss=True) as log:
            say(log, "a", "1")
            assert log.stream(RUNTIME_STREAM) is None


def test_a_log_that_vanished_is_not_silently_begun_anew(path: Path) -> None:
    with SqliteLog(path) as log:
        say(log, "a", "1")
    path.unlink()
    with pytest.raises(LogBehindAnchor):
        SqliteLog(path)
    assert not path.exists()
    with SqliteLog(path, accept_loss=True) as log:
        assert [row.run for row in log.follow()] == [RUNTIME_STREAM]


def test_an_old_copy_that_was_written_on_is_refused_too(path: Path) -> None:
    roll_back(path)
    anchor = anchor_path(path)
    kept = anchor.rename(anchor.with_name("kept"))
    with SqliteLog(path) as log:
        say(log, "a", "another 2", "another 3", "another 4")
    kept.replace(anchor)
    with pytest.raises(LogDamaged, match="different record at position 3"):
        SqliteLog(path)


def test_a_torn_write_leaves_the_anchor_before(path: Path) -> None:
    write_anchor(path, LogPosition(1, b"a", b"b"))
    anchor_path(path).with_name(anchor_path(path).name + ".new").write_bytes(b'{"position": 2, ')
    assert read_anchor(path) == LogPosition(1, b"a", b"b")


def test_an_anchor_that_is_none_is_named(path: Path) -> None:
    anchor_path(path).write_text("rubbish")
    with pytest.raises(LogDamaged, match="not an anchor"):
        SqliteLog(path)


def test_a_flipped_byte_in_the_wal_is_a_loss_that_is_seen(path: Path) -> None:
    """SQLite drops the commits behind it without a word."""
    code = """
log = SqliteLog(path, anchor_seconds=0.0)
for number in range(9):
    say(log, "a", str(number))
os._exit(0)
"""
    output_of(code, path)
    mark = read_anchor(path)
    assert mark is not None
    wal = path.with_name("a.db-wal")
    with wal.open("r+b") as file:
        file.seek(-3 * 4096, os.SEEK_END)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    before = wal.read_bytes()
    with pytest.raises(LogBehindAnchor):
        SqliteLog(path)
    assert wal.read_bytes() == before  # the evidence is kept
