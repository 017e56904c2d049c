"""When a commit ends in an error nobody knows whether it happened: the file is asked."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playhead.events.errors import HeadMoved, LogError
from playhead.events.log.anchor import read_anchor
from playhead.events.log.contract import ANY, Head, OnAppended
from playhead.events.log.sqlite.driver import (
    ApswDriver,
    Cursor,
    DriverConnection,
    OpenMode,
    Sqlite3Driver,
    Value,
)
from playhead.events.log.sqlite.log import SqliteLog, SqliteReader
from playhead.events.maintenance.verify import verify
from playhead.testing.appends import append_of, said, say, write
from playhead.testing.log_contract import texts
from tests.events.faulty_disk import FaultyDisk


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    disk = FaultyDisk()
    yield disk
    disk.unregister()


@pytest.mark.parametrize("read_before", [False, True])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("operation", ["write", "sync"])
def test_a_commit_in_doubt_is_in_the_log_exactly_once(
    tmp_path: Path, disk: FaultyDisk, operation: str, after: bool, read_before: bool
) -> None:
    path = tmp_path / "a.db"
    with SqliteLog(path, driver=ApswDriver(disk.name)) as log:
        first = append_of("a", *said("1"))
        write(log, first)
        if read_before:  # a reader that stays open keeps SQLite from recovering the WAL
            assert log.head("a").seq == 1
        disk.fail(operation, 1, after=after)
        head = Head(1, first.rows[-1].hash)
        assert write(log, append_of("a", *said("2", "3"), after=head)) == 3
        assert disk.failed == 1
        assert say(log, "b", "4") == 4
    reader = SqliteReader(path)
    assert [row.run for row in reader.follow()] == ["a", "a", "a", "b"]
    assert verify(reader, read_anchor(path)).ok
    reader.close()


class LateConnection:
    """A connection whose COMMIT happens, and then says that it failed."""

    def __init__(self, connection: DriverConnection, late: list[int]) -> None:
        self._connection = connection
        self._late = late

    def execute(self, sql: str, parameters: Sequence[Value] = (), /) -> Cursor:
        cursor = self._connection.execute(sql, parameters)
        if sql == "COMMIT" and self._late:
            self._late.pop()
            raise sqlite3.OperationalError("disk I/O error")
        return cursor

    def executemany(self, sql: str, rows: Iterable[Sequence[Value]], /) -> object:
        return self._connection.executemany(sql, rows)

    def close(self) -> None:
        self._connection.close()


class LateDriver(Sqlite3Driver):
    """sqlite3, with `late` as many commits as it has items."""

    def __init__(self) -> None:
        self.late: list[int] = []

    def connect(self, path: Path, mode: OpenMode, *, immutable: bool = False) -> DriverConnection:
        return LateConnection(super().connect(path, mode, immutable=immutable), self.late)


@pytest.mark.parametrize("times", [1, 2])
def test_a_commit_that_happened_although_it_failed_is_acknowledged_and_not_repeated(
    tmp_path: Path, times: int
) -> None:
    driver = LateDriver()
    path = tmp_path / "a.db"
    with SqliteLog(path, driver=driver) as log:
        assert say(log, "a", "1") == 1
        driver.late.extend(range(times))
        assert say(log, "a", "2", "3") == 3
        assert say(log, "b", "4") == 4
        assert driver.late == []
        assert [row.run for row in log.follow()] == ["a", "a", "a", "b"]
    reader = SqliteReader(path)
    assert verify(reader, read_anchor(path)).ok
    reader.close()


@pytest.mark.parametrize("times", [1, 2])
def test_a_commit_in_doubt_at_the_end_of_a_shared_stream_is_not_repeated_either(
    tmp_path: Path, times: int
) -> None:
    driver = LateDriver()
    with SqliteLog(tmp_path / "a.db", driver=driver) as log:
        driver.late.extend(range(times))
        assert write(log, append_of("a", *said("1", "2"), after=ANY)) == 2
        assert write(log, append_of("a", *said("3"), after=ANY)) == 3
        assert driver.late == []
        assert texts(log, "a") == ["1", "2", "3"]
        assert verify(log, None).problems[:-1] == []


@pytest.mark.parametrize("operation", ["write", "sync"])
def test_a_disk_that_stays_broken_refuses_and_a_mended_one_goes_on(
    tmp_path: Path, disk: FaultyDisk, operation: str
) -> None:
    path = tmp_path / "a.db"
    with SqliteLog(path, driver=ApswDriver(disk.name)) as log:
        say(log, "a", "1")
        disk.fail(operation, 1000)
        with pytest.raises((LogError, HeadMoved)):
            say(log, "a", "2")
        disk.fail(operation, 0)
        say(log, "a", "3")
        assert texts(log, "a") in (["1", "3"], ["1", "2", "3"])
    with SqliteLog(path) as log:
        assert verify(log, read_anchor(path)).ok


def test_a_doubt_about_a_group_is_settled_for_each_of_its_runs(
    tmp_path: Path, disk: FaultyDisk
) -> None:
    told: SimpleQueue[tuple[str, int | Exception]] = SimpleQueue()

    def teller(name: str) -> OnAppended:
        return lambda outcome: told.put((name, outcome))

    with SqliteLog(tmp_path / "a.db", driver=ApswDriver(disk.name)) as log:
        say(log, "a", "1")

        def submit_more(_: int | Exception) -> None:
            disk.fail("sync", 1)
            for name, run in (("b", "b"), ("c", "c"), ("d", "d"), ("stale", "b")):
                log.submit(append_of(run, *said(name)), teller(name))

        log.submit(append_of("a", *said("2"), after=log.head("a")), submit_more)
        outcomes = dict(told.get() for _ in range(4))
        assert disk.failed == 1
        assert isinstance(outcomes.pop("stale"), HeadMoved)
        assert outcomes == {"b": 3, "c": 4, "d": 5}
        assert [row.run for row in log.follow(2)] == ["b", "c", "d"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    st.lists(
        st.tuples(st.sampled_from(["none", "write", "sync"]), st.integers(1, 9), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_fails_what_was_acknowledged_is_there_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, faults: list[tuple[str, int, bool]]
) -> None:
    disk = FaultyDisk()
    path = tmp_path_factory.mktemp("log") / "a.db"
    acknowledged: list[str] = []
    with SqliteLog(path, driver=ApswDriver(disk.name), anchor_seconds=0.0) as log:
        say(log, "a", "begin")
        for number, (operation, times, after) in enumerate(faults):
            disk.fail(operation, times, after=after)
            try:
                write(log, append_of("a", *said(str(number)), after=log.head("a")))
                acknowledged.append(str(number))
            except (LogError, HeadMoved):
                pass
            disk.fail("none", 0)
        found = texts(log, "a")
        assert len(found) == len(set(found))
        assert [text for text in found if text in acknowledged] == acknowledged
        assert found == ["begin", *sorted(found[1:], key=int)]
    reader = SqliteReader(path)
    assert verify(reader, read_anchor(path)).ok
    reader.close()
    disk.unregister()
