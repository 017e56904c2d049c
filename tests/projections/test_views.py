"""Stored views: each record once, whatever happens to the file, the view or the log."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from playhead.events.errors import LogError
from playhead.events.event import Event
from playhead.events.kinds.runs import (
    MessageReceived,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
)
from playhead.events.log.contract import Append
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.record import Record
from playhead.events.spec.agent import AgentSpec, ModelSettings
from playhead.projections.stored.run_list import RunList, RunRow, find_runs
from playhead.projections.stored.view import TOGETHER, Views, views_path
from playhead.testing.appends import BEGIN, append_of, said, say, write

STARTED = RunStarted(
    goal="rate",
    agent=AgentSpec(name="fx", instructions="", model=ModelSettings(model="m")),
    session="s1",
    code="1",
)


class Said:
    """A view of its own for the tests: every text, in order."""

    name = "said"
    kinds = frozenset({"message_received"})

    def __init__(self, version: int = 1, fail_on: str | None = None) -> None:
        self.version = version
        self.fail_on = fail_on
        self.applied = 0

    def create(self, db: Database) -> None:
        db.table("said").create({"position": int, "text": str}, pk="position")

    def apply(self, connection: sqlite3.Connection, record: Record) -> None:
        assert isinstance(record.event, MessageReceived)
        self.applied += 1
        connection.execute("INSERT INTO said VALUES (?, ?)", [record.position, record.event.text])
        if record.event.text == self.fail_on:
            raise RuntimeError


def texts(views: Views) -> list[str]:
    rows = views.connection.execute("SELECT text FROM said ORDER BY position")
    return [text for (text,) in rows]


def go_on(log: MemoryLog, run: str, event: Event) -> Append:
    append = append_of(run, event, after=log.head(run))
    write(log, append)
    return append


def names(rows: list[RunRow]) -> list[str]:
    return [row.run for row in rows]


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return views_path(tmp_path / "a.db")


@pytest.fixture
def runs(log: MemoryLog, path: Path) -> Iterator[Views]:
    views = Views(log, path, [RunList()])
    yield views
    views.close()


def test_a_view_follows_the_log_and_applies_each_record_once(log: MemoryLog, path: Path) -> None:
    view = Said()
    views = Views(log, path, [view])
    assert views.catch_up() == 0
    say(log, "a", "1", "2")
    assert views.catch_up() == 2
    say(log, "b", "3")
    assert (views.catch_up(), views.catch_up()) == (3, 3)
    assert texts(views) == ["1", "2", "3"]
    assert view.applied == 3
    views.close()


def test_a_view_that_was_closed_goes_on_where_it_stood(log: MemoryLog, path: Path) -> None:
    for text in ("1", "2"):
        say(log, "a", text)
        view = Said()
        views = Views(log, path, [view])
        views.catch_up()
        assert view.applied == 1
        assert texts(views)[-1] == text
        views.close()


def test_more_records_than_one_transaction_holds_are_all_folded(log: MemoryLog, path: Path) -> None:
    write(log, append_of("a", *said(*map(str, range(2 * TOGETHER + 7)))))
    views = Views(log, path, [Said()])
    assert views.catch_up() == 2 * TOGETHER + 7
    assert texts(views) == list(map(str, range(2 * TOGETHER + 7)))
    views.close()


def test_a_fold_that_fails_leaves_rows_and_position_where_they_were(
    log: MemoryLog, path: Path
) -> None:
    say(log, "a", "1", "2", "3")
    views = Views(log, path, [Said(fail_on="2")])
    with pytest.raises(RuntimeError):
        views.catch_up()
    views.close()
    views = Views(log, path, [Said()])
    assert views.catch_up() == 3
    assert texts(views) == ["1", "2", "3"]
    views.close()


def test_a_view_is_folded_anew_when_its_version_changed(log: MemoryLog, path: Path) -> None:
    say(log, "a", "1", "2")
    for version in (1, 2):
        view = Said(version)
        views = Views(log, path, [view])
        views.catch_up()
        assert (view.applied, texts(views)) == (2, ["1", "2"])
        views.close()


def test_a_view_is_folded_anew_when_its_file_was_deleted(log: MemoryLog, path: Path) -> None:
    say(log, "a", "1", "2")
    for _ in range(2):
        views = Views(log, path, [Said()])
        views.catch_up()
        assert texts(views) == ["1", "2"]
        views.close()
        path.unlink()


def test_a_view_of_another_history_is_folded_anew(log: MemoryLog, path: Path) -> None:
    say(log, "a", "old 1", "old 2")
    views = Views(log, path, [Said()])
    views.catch_up()
    views.close()
    other = MemoryLog()
    say(other, "a", "1", "2", "3")
    views = Views(other, path, [Said()])
    views.catch_up()
    assert texts(views) == ["1", "2", "3"]
    views.close()


def test_two_who_catch_up_on_one_file_apply_each_record_once(log: MemoryLog, path: Path) -> None:
    first, second = Views(log, path, [Said()]), Views(log, path, [Said()])
    for turn, views in enumerate([first, second, second, first]):
        say(log, "a", str(turn))
        views.catch_up()
    assert texts(first) == texts(second) == ["0", "1", "2", "3"]
    first.close()
    second.close()


def test_a_views_file_that_is_none_is_named_with_what_to_do(log: MemoryLog, path: Path) -> None:
    path.write_bytes(b"not a database, and long enough to be told from an empty file" * 20)
    with pytest.raises(LogError, match="delete that file"):
        Views(log, path, [])


def test_the_run_list_says_what_became_of_each_run(log: MemoryLog, runs: Views) -> None:
    endings = {
        "a": (RunFinished(answer="1"), "finished", None),
        "b": (RunFailed(reason="max_steps", message="too many"), "failed", "max_steps: too many"),
        "c": (RunCancelled(reason="enough"), "cancelled", "enough"),
        "d": (RunPaused(reason="a role raised"), "paused", "a role raised"),
    }
    for run, (event, _, _) in endings.items():
        write(log, append_of(run, STARTED))
        go_on(log, run, event)
    runs.catch_up()
    found = {row.run: row for row in find_runs(runs.connection)}
    for run, (_, status, reason) in endings.items():
        ended = None if run == "d" else BEGIN + 2
        position = found[run].position
        assert found[run] == RunRow(
            run, "s1", "fx", "rate", status, BEGIN + 1, ended, reason, position
        )


def test_a_paused_run_that_is_resumed_is_running_without_a_reason(
    log: MemoryLog, runs: Views
) -> None:
    write(log, append_of("a", STARTED))
    go_on(log, "a", RunPaused(reason="x"))
    go_on(log, "a", RunResumed(code="1"))
    runs.catch_up()
    (row,) = find_runs(runs.connection)
    assert (row.status, row.reason) == ("running", None)


def test_runs_are_found_by_status_session_time_and_the_beginning_of_their_id(
    log: MemoryLog, runs: Views
) -> None:
    for run in ("abc", "abd", "x%"):
        write(log, append_of(run, STARTED))
    go_on(log, "abd", RunFinished(answer="1"))
    runs.catch_up()
    assert names(find_runs(runs.connection)) == ["x%", "abd", "abc"]
    assert names(find_runs(runs.connection, status="finished")) == ["abd"]
    assert names(find_runs(runs.connection, session="s2")) == []
    assert names(find_runs(runs.connection, beginning="ab")) == ["abd", "abc"]
    assert names(find_runs(runs.connection, beginning="x%")) == ["x%"]
    assert names(find_runs(runs.connection, since=BEGIN + 2)) == []
    assert names(find_runs(runs.connection, limit=1)) == ["x%"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=30))
def test_catching_up_in_any_pieces_gives_the_same_list_as_folding_once(
    turns: list[tuple[str, int]],
) -> None:
    log = MemoryLog()
    for run in "abc":
        write(log, append_of(run, STARTED))
    live = Views(log, ":memory:", [RunList()])
    after = (RunPaused(reason="p"), RunResumed(code="2"), MessageReceived(text="t"))
    for run, choice in turns:
        if choice == 3:
            live.catch_up()
        else:
            go_on(log, run, after[choice])
    live.catch_up()
    anew = Views(log, ":memory:", [RunList()])
    anew.catch_up()
    assert find_runs(live.connection) == find_runs(anew.connection)
    live.close()
    anew.close()


def test_the_position_is_written_in_the_transaction_of_the_rows(log: MemoryLog, path: Path) -> None:
    say(log, "a", "1")
    views = Views(log, path, [Said()])
    views.catch_up()
    other = sqlite3.connect(path)
    seen: list[tuple[int, int]] = []
    query = "SELECT (SELECT count(*) FROM said), (SELECT position FROM views)"

    class Watched(Said):
        def apply(self, connection: sqlite3.Connection, record: Record) -> None:
            super().apply(connection, record)
            seen.append(other.execute(query).fetchone())

    say(log, "a", "2", "3")
    watched = Views(log, path, [Watched()])
    watched.catch_up()
    assert set(seen) == {(1, 1)}
    assert other.execute(query).fetchone() == (3, 3)
    for opened in (other, views, watched):
        opened.close()


def test_views_that_cannot_be_written_beside_the_log_are_kept_in_memory(tmp_path: Path) -> None:
    with closing(SqliteLog(tmp_path / "log.db")) as kept:
        views_path(kept.path).mkdir()
        say(kept, "a", "1")
        with Views.of(kept, [Said()]) as views:
            assert texts(views) == ["1"]


def test_views_of_a_log_are_kept_beside_its_file(tmp_path: Path) -> None:
    with closing(SqliteLog(tmp_path / "log.db")) as kept:
        say(kept, "a", "1")
        Views.of(kept, [Said()]).close()
        assert views_path(kept.path).is_file()
