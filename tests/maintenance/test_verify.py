"""verify names the first bad record, and what is wrong with it."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.events.kinds.tool_calls import ToolSucceeded
from playhead.events.log.anchor import LogPosition, anchor_path, read_anchor
from playhead.events.log.contract import Head, Stream
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.log import SqliteLog, SqliteReader
from playhead.events.maintenance.verify import VerifyReport, verify
from tests.contracts.appends import append_of, fork, say, write


def damage(path: Path, *statements: str) -> None:
    """What somebody with a SQLite shell can do."""
    with closing(sqlite3.connect(path)) as connection, connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        for (name,) in names.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)


def checked(path: Path) -> VerifyReport:
    reader = SqliteReader(path)
    report = verify(reader, read_anchor(path))
    reader.close()
    return report


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """positions: a 1-3, b 4 with a body, fork of a after 2: 5-6, a 7, c 8-9."""
    path = tmp_path / "a.db"
    with SqliteLog(path) as log:
        say(log, "a", "1", "2", "3")
        write(log, append_of("b", ToolSucceeded(result="x" * 9000, duration_ms=1.0)))
        fork(log, "f", "a", 2, "f3", "f4")
        say(log, "a", "4")
        say(log, "c", "1", "2")
    return path


def test_a_log_that_nobody_touched_is_whole(path: Path) -> None:
    report = checked(path)
    assert report == VerifyReport(records=9, runs=4, end=9, anchored=9)
    assert report.ok


A = "(SELECT id FROM streams WHERE name = 'a')"


@pytest.mark.parametrize(
    ("statement", "fault", "run", "seq", "position"),
    [
        ("UPDATE records SET data = CAST('{\"text\":\"x\"}' AS BLOB) WHERE position = 2",
         "altered", "a", 2, 2),
        ("UPDATE records SET at = at + 1 WHERE position = 6", "altered", "f", 4, 6),
        ("UPDATE records SET actor = 'tool' WHERE position = 1", "altered", "a", 1, 1),
        ("UPDATE records SET held = 1 WHERE position = 7", "altered", "a", 4, 7),
        ("UPDATE records SET command = 'c' WHERE position = 3", "altered", "a", 3, 3),
        ("UPDATE records SET imported = 1 WHERE position = 5", "altered", "f", 3, 5),
        ("UPDATE records SET key_id = 'k' WHERE position = 4", "altered", "b", 1, 4),
        ("UPDATE records SET hash = zeroblob(32) WHERE position = 3", "altered", "a", 3, 3),
        ("UPDATE records SET hash = zeroblob(32) WHERE position = 9", "altered", "c", 2, 9),
        ("UPDATE bodies SET content = CAST('x' AS BLOB)", "altered_body", "b", 1, 4),
        ("DELETE FROM bodies", "missing_body", "b", 1, 4),
        ("DELETE FROM records WHERE position = 2", "missing", None, None, 2),
        ("DELETE FROM records WHERE position = 1", "missing", None, None, 1),
        (f"DELETE FROM records WHERE stream = {A} AND seq > 3", "missing", None, None, 7),
        ("DELETE FROM records WHERE position > 7", "missing_run", "c", None, None),
        ("DELETE FROM records WHERE position = 9", "lost_tail", None, None, 9),
        ("UPDATE streams SET name = 'z' WHERE name = 'c'", "altered", "z", 1, 8),
        ("UPDATE streams SET parent_seq = 1 WHERE name = 'f'", "missing", "f", 2, 5),
    ],
)  # fmt: skip
def test_each_alteration_is_named_with_its_place(
    path: Path, statement: str, fault: str, run: str, seq: int, position: int
) -> None:
    damage(path, statement)
    first = checked(path).problems[0]
    assert first[:1] + first[2:] == (fault, run, seq, position)


def test_a_run_that_was_removed_without_a_trace_leaves_a_hole(path: Path) -> None:
    damage(path, "DELETE FROM records WHERE position = 4", "DELETE FROM streams WHERE name = 'b'")
    (problem,) = checked(path).problems
    assert (problem.fault, problem.message) == ("missing", "position 4 is missing")


def test_the_last_run_removed_without_a_trace_is_a_lost_tail(path: Path) -> None:
    damage(path, "DELETE FROM records WHERE position > 7", "DELETE FROM streams WHERE name = 'c'")
    (problem,) = checked(path).problems
    assert problem.fault == "lost_tail"
    assert "the last 2 records are lost" in problem.message


def test_an_old_copy_in_its_place_is_a_lost_tail(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "old.db")
    with SqliteLog(path) as log:
        say(log, "a", "5", "6")
    (tmp_path / "old.db").replace(path)
    (problem,) = checked(path).problems
    assert (problem.fault, problem.position) == ("lost_tail", 10)
    assert "old copy" in problem.message


def test_an_old_copy_that_was_written_on_is_another_history(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "old.db")
    with SqliteLog(path) as log:
        say(log, "a", "5")
    anchor = anchor_path(path).read_bytes()
    (tmp_path / "old.db").replace(path)
    anchor_path(path).unlink()
    with SqliteLog(path) as log:
        say(log, "a", "another 5")
        say(log, "c", "3")
    anchor_path(path).write_bytes(anchor)
    (problem,) = checked(path).problems
    assert (problem.fault, problem.position) == ("other_history", 10)


def test_a_history_rewritten_with_fitting_hashes_is_seen_by_the_anchor() -> None:
    def told(first: str) -> MemoryLog:
        log = MemoryLog()
        say(log, "a", first)
        say(log, "b", "2")
        return log

    mark = LogPosition()
    for row in told("1").follow():
        mark = mark.after(row.position, row.hash)
    assert verify(told("1"), mark).ok
    assert [p.fault for p in verify(told("forged"), mark).problems] == ["other_history"]


def test_without_an_anchor_it_is_said_that_a_lost_tail_cannot_be_seen(path: Path) -> None:
    anchor_path(path).unlink()
    (problem,) = checked(path).problems
    assert problem.fault == "no_anchor"


def test_a_page_of_zeros_is_reported_not_raised(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        for page in range(1, size // 4096):
            file.seek(page * 4096)
            file.write(bytes(4096))
    assert not checked(path).ok


class Changed(MemoryLog):
    """A log in memory with one field of one record changed."""

    def change(self, index: int, field: str, by: Callable[[object], Any]) -> None:
        row = self._records[index]
        self._records[index] = row._replace(**{field: by(getattr(row, field))})


FIELDS: dict[str, Callable[[object], Any]] = {
    "at": lambda at: at + 1 if isinstance(at, int) else at,
    "actor": lambda actor: f"{actor}x",
    "origin": lambda origin: f"{origin}x",
    "cause": lambda cause: 99,
    "held": lambda held: not held,
    "command": lambda _: "c",
    "traceparent": lambda _: "t",
    "imported": lambda imported: not imported,
    "key_id": lambda _: "k",
    "kind": lambda kind: f"{kind}x",
    "version": lambda _: 2,
    "data": lambda data: bytes(data) + b" " if isinstance(data, bytes) else data,
    "bodies": lambda _: "{}",
    "hash": lambda _: b"x" * 32,
}


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.sampled_from(list(FIELDS)),
    st.data(),
)  # fmt: skip
def test_a_change_of_any_field_of_any_record_is_named_at_that_record(
    runs: list[str], field: str, data: st.DataObject
) -> None:
    log = Changed()
    for number, run in enumerate(runs):
        say(log, run, str(number))
    index = data.draw(st.integers(0, len(runs) - 1))
    log.change(index, field, FIELDS[field])
    first = verify(log, None).problems[0]
    assert (first.fault, first.run, first.position) == ("altered", runs[index], index + 1)


def test_a_run_in_the_list_without_records_is_a_missing_run() -> None:
    class Listing(MemoryLog):
        def streams(self) -> Iterator[Stream]:
            yield from super().streams()
            yield Stream("gone", "run", None, None, Head())

    log = Listing()
    say(log, "a", "1")
    mark = LogPosition()
    for row in log.follow():
        mark = mark.after(row.position, row.hash)
    (problem,) = verify(log, mark).problems
    assert (problem.fault, problem.run) == ("missing_run", "gone")
