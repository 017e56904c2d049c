"""Archiving: what ended moves to a file of its own, and both files are whole logs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from playhead.events.codec import decode
from playhead.events.errors import LogBehindAnchor, LogOwned, UsageError
from playhead.events.kinds.logs import RunsMoved
from playhead.events.kinds.runs import MessageReceived, RunFinished, RunStarted
from playhead.events.log.anchor import read_anchor
from playhead.events.log.contract import Head, Stream
from playhead.events.log.sqlite.log import SqliteLog, SqliteReader
from playhead.events.maintenance.archive import Archived, archive
from playhead.events.maintenance.backup import back_up
from playhead.events.maintenance.verify import VerifyReport, verify
from playhead.events.record import Stored
from playhead.events.spec.agent import AgentSpec, ModelSettings, Past
from playhead.projections.stored.run_list import RunList, find_runs
from playhead.projections.stored.view import Views, views_path
from playhead.testing.appends import BEGIN, append_of, fork, say, write
from tests.events.killed_at import kills
from tests.events.processes import child, killed, line_from
from tests.maintenance.test_verify import damage

LATER = BEGIN + 1_000_000
"""After everything that the tests write."""

AGENT = AgentSpec(name="a", instructions="i" * 2000, model=ModelSettings(model="m"))


def start(log: SqliteLog, run: str, session: str | None = None, past: Past | None = None) -> None:
    started = RunStarted(
        goal=f"goal of {run} " + "x" * 5000, agent=AGENT, session=session, past=past, code="0"
    )
    write(log, append_of(run, started, MessageReceived(text=f"{run} says")))


def end(log: SqliteLog, run: str) -> Past:
    write(log, append_of(run, RunFinished(answer=run), after=log.head(run)))
    head = log.head(run)
    return Past(run=run, seq=head.seq, hash=head.hash.hex())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Ended: one; s1 and s2 of a session; parent, but not its fork. Open: busy, and t2."""
    path = tmp_path / "a.db"
    with SqliteLog(path) as log:
        for run in ("one", "parent", "busy"):
            start(log, run)
        start(log, "s1", session="s")
        start(log, "s2", session="s", past=end(log, "s1"))
        start(log, "t1", session="t")
        start(log, "t2", session="t", past=end(log, "t1"))
        fork(log, "fork", "parent", 2, "on another way")
        for run in ("one", "parent", "s2"):
            end(log, run)
    return path


def checked(path: Path) -> VerifyReport:
    reader = SqliteReader(path)
    report = verify(reader, read_anchor(path))
    reader.close()
    return report


def streams(path: Path) -> dict[str, Stream]:
    reader = SqliteReader(path)
    found = {stream.id: stream for stream in reader.streams()}
    reader.close()
    return found


def moved(path: Path) -> list[RunsMoved]:
    reader = SqliteReader(path)
    records = [decode(row, reader.body) for row in reader.read("runtime")]
    reader.close()
    return [record.event for record in records if isinstance(record.event, RunsMoved)]


def archived(path: Path, before: int = LATER) -> Archived:
    done = archive(path, path.with_name("old.db"), before)
    assert done is not None
    return done


@pytest.mark.parametrize("driver", ["sqlite3", "apsw"])
def test_ended_runs_move_and_both_files_verify_to_their_anchors(path: Path, driver: str) -> None:
    before = streams(path)
    done = archive(path, path.with_name("old.db"), LATER, driver)
    assert done is not None
    assert (done.runs, done.records) == (3, 9)
    kept, old = streams(path), streams(done.archive)
    assert set(kept) == {"parent", "busy", "t1", "t2", "fork", "runtime"}
    assert set(old) == {"one", "s1", "s2", "runtime"}
    assert {name: s for name, s in (kept | old).items() if name != "runtime"} == before
    assert checked(path).ok
    assert checked(done.archive).ok


def test_every_record_keeps_its_position_and_its_hash(path: Path) -> None:
    reader = SqliteReader(path)
    before = list(reader.follow())
    reader.close()
    done = archived(path)
    after: list[Stored] = []
    for file in (path, done.archive):
        reader = SqliteReader(file)
        rows = list(reader.follow())
        for row in rows:
            decode(row, reader.body)  # its bodies came along
        after += [row for row in rows if row.kind != "runs_moved"]
        reader.close()
    assert sorted(after) == before


def test_the_heads_of_what_was_moved_stay_in_the_log(path: Path) -> None:
    before = streams(path)
    archived(path)
    (said,) = moved(path)
    assert {m.run: Head(m.seq, bytes.fromhex(m.hash)) for m in said.runs} == {
        name: before[name].head for name in ("one", "s1", "s2")
    }
    assert (said.side, said.other) == ("log", "old.db")
    (other,) = moved(path.with_name("old.db"))
    assert (other.side, other.other, other.runs) == ("archive", "a.db", said.runs)


def test_a_fork_stays_readable_to_its_first_record(path: Path) -> None:
    reader = SqliteReader(path)
    before = list(reader.read("fork"))
    archived(path)
    assert list(reader.read("fork")) == before  # and a reader that was open sees the new file
    assert reader.stream("one") is None
    reader.close()


def test_what_ended_after_the_date_stays(path: Path) -> None:
    assert archive(path, path.with_name("old.db"), BEGIN) is None
    assert not path.with_name("old.db").exists()
    assert len(streams(path)) == 8


def test_both_files_can_be_written_and_parted_again(path: Path) -> None:
    done = archived(path)
    with SqliteLog(path) as log:
        end(log, "busy")
    with SqliteLog(done.archive) as log:
        say(log, "note", "an archive is a log")
    again = archive(path, path.with_name("older.db"), LATER)
    assert again is not None
    assert (again.runs, len(moved(path))) == (1, 2)
    with SqliteLog(path) as log:
        say(log, "new", "1", "2")
    for file in (path, done.archive, again.archive):
        assert checked(file).ok


def test_the_space_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with SqliteLog(path) as log:
        for n in range(50):
            start(log, f"r{n}")
            say(log, f"r{n}", str(n) * 20_000)
            end(log, f"r{n}")
        start(log, "open")
    size = path.stat().st_size
    done = archived(path)
    assert path.stat().st_size < size / 10
    assert done.freed == size - path.stat().st_size


@pytest.mark.parametrize("file", ["a.db", "old.db"])
def test_a_record_missing_from_either_file_is_found(path: Path, file: str) -> None:
    archived(path)
    whole_run = {"a.db": "busy", "old.db": "one"}[file]
    stream = f"(SELECT id FROM streams WHERE name = '{whole_run}')"
    damage(
        path.with_name(file),
        f"DELETE FROM records WHERE stream = {stream}",
        f"DELETE FROM streams WHERE name = '{whole_run}'",
    )
    (problem,) = checked(path.with_name(file)).problems
    assert problem.fault == "missing"
    assert "does not hold the records that it kept" in problem.message


def test_a_log_behind_its_anchor_is_still_refused_after_archiving(path: Path) -> None:
    archived(path)
    with SqliteLog(path) as log:
        say(log, "new", "1")
    damage(path, "DELETE FROM records WHERE position = (SELECT max(position) FROM records)")
    with pytest.raises(LogBehindAnchor):
        SqliteLog(path)
    SqliteLog(path, accept_loss=True).close()
    assert [p.fault for p in checked(path).problems] == ["missing_run"]


def test_a_log_without_its_anchor_opens_and_is_anchored_again(path: Path) -> None:
    archived(path)
    anchor = read_anchor(path)
    path.with_name("a.db.anchor").unlink()
    SqliteLog(path).close()
    assert read_anchor(path) in (None, anchor)
    with SqliteLog(path) as log:
        say(log, "new", "1")
    assert checked(path).ok


def test_a_parted_log_can_be_backed_up(path: Path, tmp_path: Path) -> None:
    archived(path)
    back_up(path, tmp_path / "backup.db")
    assert checked(tmp_path / "backup.db").ok
    assert streams(tmp_path / "backup.db") == streams(path)


def test_the_list_of_runs_forgets_what_was_moved(path: Path) -> None:
    reader = SqliteReader(path)
    views = Views(reader, views_path(path), [RunList()])
    views.catch_up()
    archived(path)  # while another process has the views open
    views.catch_up()
    assert {row.run for row in find_runs(views.connection)} == {"parent", "busy", "t1", "t2"}
    views.close()
    reader.close()


def test_an_archive_replaces_nothing_and_needs_a_log_without_an_owner(path: Path) -> None:
    with pytest.raises(UsageError, match="already exists"):
        archive(path, path, LATER)
    process = child("log = SqliteLog(path)\nprint('owned', flush=True)\ninput()", path)
    try:
        assert line_from(process) == "owned"
        with pytest.raises(LogOwned):
            archived(path)
    finally:
        killed(process)


ARCHIVE = """
from pathlib import Path
from playhead.events.maintenance.archive import archive

def act(victim):
    archive(Path(victim), Path(victim).with_name("old.db"), int(arguments[0]))
"""


def test_archiving_killed_at_any_step_leaves_the_old_log_or_the_new_one(
    path: Path, tmp_path: Path
) -> None:
    template = tmp_path / "template"
    template.mkdir()
    for file in (path, path.with_name("a.db.anchor")):
        shutil.copy(file, template)
    before = set(streams(path))

    def victims() -> Iterator[Path]:
        for n in range(1000):
            yield shutil.copytree(template, tmp_path / str(n)) / "a.db"

    parted: list[bool] = []
    for victim in kills(ARCHIVE, victims(), path, str(LATER)):
        assert checked(victim).ok
        found = set(streams(victim))
        parted.append(found != before)
        if parted[-1]:
            assert found | set(streams(victim.with_name("old.db"))) == before | {"runtime"}
            assert checked(victim.with_name("old.db")).ok
        with SqliteLog(victim) as log:
            say(log, "new", "1")
        assert checked(victim).ok
    assert parted == sorted(parted)
    assert min(parted.count(True), parted.count(False)) > 2
