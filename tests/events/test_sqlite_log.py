"""What the file promises beyond the contract: crashes, owners, readers, formats, triggers."""

import os
import shutil
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue

import pytest

from playhead.events.errors import LogClosed, LogError, LogOwned, LogTooNew, UsageError
from playhead.events.kinds.tool_calls import ToolSucceeded
from playhead.events.log.anchor import read_anchor
from playhead.events.log.contract import FORMAT, Head
from playhead.events.log.sql.writer import Durability
from playhead.events.log.sqlite.log import SqliteLog, SqliteReader
from playhead.events.maintenance.verify import verify
from playhead.testing.appends import append_of, said, say, write
from playhead.testing.log_contract import texts
from tests.events.processes import child, killed, line_from, output_of

WRITE_ON = """
with SqliteLog(path, *arguments) as log:
    while True:
        print(say(log, "a", "x" * 300), flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file; only where this process has none of them open in SQLite."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def wait_for(event: threading.Event) -> None:
    event.wait()


def damage(path: Path, *statements: str) -> None:
    """Change a closed log from outside."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def left_by_a_crash(path: Path, *lines: str) -> None:
    """A log whose owner died with everything still in the WAL."""
    code = "log = SqliteLog(path)\nsay(log, 'a', *arguments)\nos._exit(0)"
    output_of(code, path, *lines)
    assert path.with_name(path.name + "-wal").stat().st_size > 0


@pytest.mark.parametrize("driver", ["sqlite3", "apsw"])
@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_kill_in_the_middle_of_appends_loses_nothing_acknowledged(
    path: Path, durability: Durability, driver: str
) -> None:
    acknowledged = 0
    for _ in range(3):
        process = child(WRITE_ON, path, durability, driver)
        for _ in range(40):
            acknowledged = int(line_from(process))
        killed(process)
        with SqliteLog(path, durability, driver) as log:
            assert log.head("a").seq >= acknowledged
            assert verify(log, read_anchor(path)).ok


def test_a_second_process_is_refused_and_told_who_the_owner_is(path: Path) -> None:
    code = "try: SqliteLog(path)\nexcept LogOwned as error: print(error)"
    with SqliteLog(path) as log:
        say(log, "a", "1")
        printed = output_of(code, path)
        assert f"process {os.getpid()} on" in printed
        assert "playhead cancel" in printed
        say(log, "a", "2")
    assert output_of("SqliteLog(path).close(); print('free')", path) == "free"


def test_a_second_log_in_the_same_process_is_refused_too(path: Path) -> None:
    with SqliteLog(path):
        with pytest.raises(LogOwned):
            SqliteLog(path)
        with pytest.raises(LogOwned):  # the refusal did not take the lock away
            SqliteLog(path)


def test_a_log_whose_owner_died_is_free(path: Path) -> None:
    process = child(WRITE_ON, path)
    line_from(process)
    with pytest.raises(LogOwned, match=str(process.pid)):
        SqliteLog(path)
    killed(process)
    SqliteLog(path).close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_a_forked_child_can_neither_write_nor_read_nor_keep_the_log_owned(path: Path) -> None:
    log = SqliteLog(path)
    say(log, "a", "1")
    ready, release = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        told: list[object] = []
        log.submit(append_of("b", *said("x")), told.append)
        try:
            log.head("a")
        except LogClosed as error:
            told.append(error)
        os.write(ready[1], b"".join(b"c" if isinstance(t, LogClosed) else b"?" for t in told))
        os.read(release[0], 1)
        os._exit(0)
    assert os.read(ready[0], 10) == b"cc"
    assert say(log, "a", "2") == 2
    log.close()
    SqliteLog(path).close()  # while the child is still there
    os.write(release[1], b".")
    os.waitpid(pid, 0)
    for end in (*ready, *release):
        os.close(end)


@pytest.mark.parametrize("driver", ["sqlite3", "apsw"])
def test_a_reader_in_another_process_sees_what_is_committed_while_the_owner_writes(
    path: Path, driver: str
) -> None:
    code = """
reader = SqliteReader(path, *arguments)
seen = 0
while seen < 200:
    for row in reader.follow(seen):
        assert row.position == seen + 1
        seen = row.position
    print(seen, flush=True)
assert reader.head("a").seq >= 200
"""
    with SqliteLog(path, "normal", driver) as log:
        say(log, "a", "1")
        process = child(code, path, driver)
        assert int(line_from(process)) >= 1
        for number in range(220):
            say(log, "a", str(number))
        process.communicate()
        assert process.returncode == 0


@pytest.mark.parametrize("driver", ["sqlite3", "apsw"])
def test_a_reader_changes_neither_the_database_nor_its_wal(path: Path, driver: str) -> None:
    left_by_a_crash(path, "1", "2")
    before = contents(path.parent)
    reader = SqliteReader(path, driver)
    assert texts_of(reader) == ["1", "2"]
    reader.close()
    after = contents(path.parent)
    for name in ("a.db", "a.db-wal", "a.db.anchor", "a.db.owner"):
        assert after.get(name) == before.get(name)


def texts_of(reader: SqliteReader) -> list[str]:
    return [row.data.decode()[9:-2] for row in reader.follow()]


@pytest.mark.parametrize("crashed", [False, True])
@pytest.mark.parametrize("driver", ["sqlite3", "apsw"])
def test_a_newer_format_is_refused_and_left_untouched(
    path: Path, driver: str, crashed: bool
) -> None:
    SqliteLog(path).close()
    damage(path, f"PRAGMA user_version = {FORMAT + 1}")
    if crashed:  # the newer program died with everything in its WAL
        code = """
import sqlite3
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("PRAGMA wal_autocheckpoint = 0")
connection.execute("CREATE TABLE newer (x)")
os._exit(0)
"""
        output_of(code, path)
    path.with_name("a.db.owner").unlink()
    before = contents(path.parent)
    for opened in (SqliteLog, SqliteReader):
        with pytest.raises(LogTooNew) as refused:
            opened(path, driver=driver)
        assert (refused.value.found, refused.value.known) == (FORMAT + 1, FORMAT)
    after = contents(path.parent)
    after.pop("a.db-shm", None)  # SQLite's own index of the WAL: it cannot read without
    before.pop("a.db-shm", None)
    assert after == before


@pytest.mark.parametrize("driver", ["sqlite3", "apsw"])
def test_a_file_of_another_program_is_refused_and_left_untouched(path: Path, driver: str) -> None:
    damage(path, "CREATE TABLE notes (x)")
    text = path.with_name("notes.txt")
    text.write_text("dear diary, " * 100)
    before = contents(path.parent)
    for other, why in ((path, "another program"), (text, "not a SQLite file")):
        for opened in (SqliteLog, SqliteReader):
            with pytest.raises(LogError, match=why):
                opened(other, driver=driver)
    assert contents(path.parent) == before


def test_a_reader_of_no_log_and_a_log_in_no_folder_are_the_users_mistake(path: Path) -> None:
    with pytest.raises(UsageError, match="there is no log"):
        SqliteReader(path)
    with pytest.raises(UsageError, match="no folder"):
        SqliteLog(path / "b.db")
    with pytest.raises(UsageError, match="'full' or 'normal'"):
        SqliteLog(path, "off")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="'sqlite3' or 'apsw'"):
        SqliteLog(path, driver="mysql")
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("table", "column"), [("records", "data"), ("streams", "name"), ("bodies", "content")]
)
def test_no_row_of_a_log_can_be_updated_or_deleted(path: Path, table: str, column: str) -> None:
    with SqliteLog(path) as log:
        write(log, append_of("a", ToolSucceeded(result="x" * 9000, duration_ms=1.0)))
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET {column} = {column}"):
        with pytest.raises(sqlite3.IntegrityError, match=f"{table} of a log are never"):
            damage(path, statement)


def test_all_that_waits_goes_into_one_transaction(path: Path) -> None:
    """While the writer's thread is held up in a `done`, 128 runs submit."""
    submitted = threading.Event()
    told: SimpleQueue[int | Exception] = SimpleQueue()
    with SqliteLog(path) as log:
        log.submit(append_of("first", *said("x")), lambda _: wait_for(submitted))
        appends = [append_of(f"run {n}", *said("x", "y")) for n in range(128)]
        threads = [threading.Thread(target=log.submit, args=(a, told.put)) for a in appends]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        submitted.set()
        positions = [told.get() for _ in appends]
        assert log.commits == 2
        assert sorted(p for p in positions if isinstance(p, int)) == list(range(3, 259, 2))


def test_what_was_submitted_is_written_before_close_returns(path: Path) -> None:
    told: SimpleQueue[int | Exception] = SimpleQueue()
    log = SqliteLog(path)
    for number in range(300):
        log.submit(append_of(f"run {number}", *said("x")), told.put)
    log.close()
    assert [told.get() for _ in range(300)] == list(range(1, 301))
    reader = SqliteReader(path)
    assert reader.end() == 300
    reader.close()


def test_a_log_may_be_closed_from_inside_done(path: Path) -> None:
    log = SqliteLog(path)
    closed = threading.Event()

    def close(_: int | Exception) -> None:
        log.close()
        closed.set()

    log.submit(append_of("a", *said("x")), close)
    closed.wait()
    log.close()
    SqliteLog(path).close()


def test_a_listener_that_raises_harms_nobody(path: Path) -> None:
    def fail(_: int | Exception) -> None:
        raise SystemExit

    with SqliteLog(path) as log:
        log.submit(append_of("a", *said("1")), fail)
        assert say(log, "b", "2") == 2


def test_a_row_that_the_file_refuses_fails_its_own_run_only(path: Path) -> None:
    """An envelope without an actor: its hash fits, the table refuses it."""
    told: SimpleQueue[int | Exception] = SimpleQueue()
    held_up = threading.Event()
    bad = append_of("bad", *said("x"))
    row = bad.rows[0]._replace(actor=None)  # type: ignore[arg-type]
    row = row._replace(hash=row.computed_hash(b""))
    with SqliteLog(path) as log:
        log.submit(append_of("first", *said("x")), lambda _: wait_for(held_up))
        for append in (append_of("a", *said("1")), bad._replace(rows=(row,))):
            log.submit(append, told.put)
        log.submit(append_of("b", *said("2")), told.put)
        held_up.set()
        outcomes = [told.get() for _ in range(3)]
        assert isinstance(outcomes[1], LogError)
        assert outcomes[::2] == [2, 3]
        assert [row.run for row in log.follow()] == ["first", "a", "b"]


def test_the_wal_stays_bounded_under_a_reader_that_never_ends(path: Path) -> None:
    with SqliteLog(path, "normal") as log:
        say(log, "a", *map(str, range(2000)))
        endless = log.follow()
        next(endless)
        wal = path.with_name("a.db-wal")
        sizes: list[int] = []
        for _ in range(60):
            body = ToolSucceeded(result=os.urandom(200_000).hex(), duration_ms=1.0)
            write(log, append_of("b", body, after=log.head("b")))
            next(endless)
            sizes.append(wal.stat().st_size)
        assert sum(1 for _ in endless) == 2000 - 61
    # 24 MB were written; a WAL that cannot start anew would have held them all.
    assert max(sizes) < 12_000_000


def test_the_heads_are_looked_up_not_scanned_and_survive_being_forgotten(
    path: Path,
) -> None:
    with SqliteLog(path, "normal") as log:
        for number in range(30):
            say(log, f"run {number}", "x")
    with SqliteLog(path, "normal") as log:
        for number in range(30):
            assert say(log, f"run {number}", "y") == 31 + number
        assert log.head("run 7") == Head(2, next(log.read("run 7", 1)).hash)


def test_a_copy_of_a_closed_log_is_a_log(path: Path, tmp_path: Path) -> None:
    with SqliteLog(path) as log:
        say(log, "a", "1", "2")
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    with SqliteLog(copy, driver="apsw") as log:
        assert texts(log, "a") == ["1", "2"]
        assert say(log, "a", "3") == 3
