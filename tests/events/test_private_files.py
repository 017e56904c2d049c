"""A log and all that lies beside it are its owner's alone, and no link leads to them."""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from playhead import Agent, LogDamaged, Runtime, UsageError
from playhead.events.kinds.runs import CancelRequested
from playhead.events.log.anchor import read_anchor
from playhead.events.log.inbox import Inbox
from playhead.events.log.sqlite.log import SqliteLog
from playhead.testing import ScriptedModel

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


def test_every_file_beside_a_log_is_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "a.db.views").touch(0o644)
    agent = Agent(name="a", model=ScriptedModel(["x"]))
    with Runtime(tmp_path / "a.db", [agent]) as runtime:
        run = runtime.start(agent, "go")
        run.wait()
        Inbox(tmp_path / "a.db").put(run.id, CancelRequested(reason="late"))
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    assert {"a.db", "a.db-wal", "a.db.owner", "a.db.inbox", "a.db.views"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}


def test_a_log_that_others_could_read_is_closed_to_them_when_it_is_opened(tmp_path: Path) -> None:
    SqliteLog(tmp_path / "a.db").close()
    (tmp_path / "a.db").chmod(0o644)
    SqliteLog(tmp_path / "a.db").close()
    assert stat.S_IMODE((tmp_path / "a.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["a.db", "a.db.owner"])
def test_a_link_in_the_place_of_a_file_of_the_log_is_not_followed(
    tmp_path: Path, name: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / name).symlink_to(elsewhere)
    with pytest.raises(UsageError, match="is a link"):
        SqliteLog(tmp_path / "a.db").close()
    assert not elsewhere.exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("name", ["a.db-wal", "a.db-shm", "a.db.anchor", "a.db.owner"])
def test_a_pipe_or_a_folder_in_the_place_of_a_file_of_the_log_is_named_at_once(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    SqliteLog(tmp_path / "a.db").close()
    (tmp_path / name).unlink(missing_ok=True)
    make(tmp_path / name)
    with pytest.raises(UsageError, match=re.escape(name)):
        SqliteLog(tmp_path / "a.db").close()


@pytest.mark.parametrize("text", [b"[" * 100_000, b"\0" * 100_000])
def test_an_anchor_that_is_none_is_not_read_whole(tmp_path: Path, text: bytes) -> None:
    SqliteLog(tmp_path / "a.db").close()
    (tmp_path / "a.db.anchor").write_bytes(text)
    with pytest.raises(LogDamaged, match="is not an anchor"):
        read_anchor(tmp_path / "a.db")


def test_a_link_in_the_place_of_the_next_anchor_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.db.anchor.new").symlink_to(tmp_path / "elsewhere")
    agent = Agent(name="a", model=ScriptedModel(["x"]))
    with Runtime(tmp_path / "a.db", [agent]) as runtime:
        runtime.run(agent, "go")
    assert (tmp_path / "a.db.anchor").is_file()
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_in_the_place_of_the_inbox_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.db.inbox").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="is a link"):
        Inbox(tmp_path / "a.db").put("run", CancelRequested(reason=""))
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(("mode", "warned"), [(0o700, False), (0o777, True), (0o1777, True)])
def test_a_folder_that_others_can_write_is_warned_of(
    tmp_path: Path, mode: int, warned: bool
) -> None:
    tmp_path.chmod(mode)
    with capture_logs() as logs:
        SqliteLog(tmp_path / "a.db").close()
    assert ("log.folder_open" in [line["event"] for line in logs]) == warned
