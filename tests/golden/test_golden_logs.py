"""What was written once can be read for ever: whole, folded, shown, decided again, gone on with."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from playhead import Runtime
from playhead.actors.engine.load_state import load_state
from playhead.actors.replay import replay
from playhead.events.codec import UnknownEvent, decode
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.anchor import anchor_path, read_anchor
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.maintenance.export import export
from playhead.events.maintenance.import_run import import_run
from playhead.events.maintenance.verify import verify
from playhead.events.registry import ENDINGS, KINDS
from tests.cli.conftest import Playhead, folder, playhead
from tests.golden.agents import KILLED
from tests.golden.make import FOLDER, MADE
from tests.golden.scenes import plain

__all__ = ["folder", "playhead"]  # fixtures

LOGS = sorted(path.name for path in FOLDER.glob("*.db"))


@pytest.fixture
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A golden log, in a place where its readers may put their files beside it."""
    for file in (FOLDER / request.param, anchor_path(FOLDER / request.param)):
        shutil.copy(file, tmp_path)
    return tmp_path / str(request.param)


@pytest.fixture
def log(path: Path) -> Iterator[SqliteReader]:
    with closing(SqliteReader(path)) as reader:
        yield reader


each_log = pytest.mark.parametrize("path", LOGS, indirect=True)


def runs_of(log: SqliteReader) -> list[str]:
    return [stream.id for stream in log.streams() if stream.kind == "run"]


def test_this_versions_logs_are_there() -> None:
    assert set(MADE) <= set(LOGS)


@each_log
def test_a_golden_log_is_whole_and_none_of_its_records_is_unknown(
    log: SqliteReader, path: Path
) -> None:
    assert verify(log, read_anchor(path)).problems == []
    found = [decode(row, log.body).event for row in log.follow()]
    assert found
    assert not any(isinstance(event, UnknownEvent) for event in found)


@each_log
def test_every_golden_run_folds_to_its_end_and_replays(log: SqliteReader) -> None:
    runs = runs_of(log)
    assert runs
    for run in runs:
        (last,) = log.read(run, log.head(run).seq - 1)
        assert load_state(log, run).status == ENDINGS[last.kind]
        assert replay(log, run).divergence is None


@each_log
def test_every_golden_run_is_shown_and_comes_through_an_export(
    log: SqliteReader, path: Path, playhead: Playhead
) -> None:
    for run in runs_of(log):
        said = playhead("show", run, "--log", str(path))
        assert (said.code, said.err) == (0, "")
        assert run in said.out
        other = MemoryLog()
        import_run(other, export(log, run), trusted=True)
        assert other.head(run) == log.head(run)


@pytest.mark.parametrize("path", [MADE[0]], indirect=True)
def test_the_golden_log_of_this_version_has_every_kind_of_event(log: SqliteReader) -> None:
    assert {row.kind for row in log.follow()} == KINDS.keys()


@pytest.mark.parametrize("path", [MADE[0]], indirect=True)
def test_a_killed_process_is_among_what_the_golden_log_of_this_version_tells(
    log: SqliteReader,
) -> None:
    firsts = (decode(next(log.read(run)), log.body).event for run in runs_of(log))
    told = {event.agent.name for event in firsts if isinstance(event, RunStarted)}
    assert told >= KILLED.keys()


@each_log
def test_a_golden_log_is_gone_on_with(path: Path) -> None:
    with Runtime(path) as runtime:
        plain(runtime)
    with closing(SqliteReader(path)) as reader:
        assert verify(reader, read_anchor(path)).problems == []
