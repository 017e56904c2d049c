"""`backup`, `restore`, `archive` as a person uses them."""

import json
from pathlib import Path

import pytest

from tests.cli.agents import HERE
from tests.cli.conftest import Playhead


def run(playhead: Playhead, agent: str) -> None:
    playhead("run", "add", "--agent", f"{HERE}:{agent}")


def test_a_backup_is_restored_and_replayed(playhead: Playhead, folder: Path) -> None:
    run(playhead, "adder")
    assert "verified" in playhead("backup", "kept.db").out
    assert "could be restored" in playhead("restore", "kept.db", "--drill").out
    said = playhead("restore", "kept.db")
    assert said.code == 2
    assert "--replace" in said.err
    Path("playhead.db").unlink()
    assert playhead("restore", "kept.db").code == 0
    assert playhead("verify").code == 0
    assert "matches" in playhead("replay", "last").out


def test_an_archive_is_read_like_any_log(playhead: Playhead, folder: Path) -> None:
    run(playhead, "adder")
    (row,) = json.loads(playhead("runs", "--json").out)
    said = playhead("archive", "--before", "0s", "--to", "old.db")
    assert said.out.startswith("1 run (")
    assert playhead("runs").out == "no runs yet\n"
    assert playhead("show", row["run"]).code == 2
    assert playhead("show", row["run"], "--log", "old.db").code == 0
    for file in ("playhead.db", "old.db"):
        assert playhead("verify", "--log", file).code == 0
    run(playhead, "adder")
    assert len(json.loads(playhead("runs", "--json").out)) == 1


def test_a_missing_log_is_not_made_by_housekeeping(playhead: Playhead, folder: Path) -> None:
    for arguments in (("archive", "--before", "0s"), ("backup", "kept.db")):
        said = playhead(*arguments)
        assert said.code == 2
        assert "there is no log at " in said.err
    assert not list(folder.iterdir())


def test_an_archive_is_named_after_its_date(playhead: Playhead, folder: Path) -> None:
    run(playhead, "adder")
    assert "nothing was moved" in playhead("archive", "--before", "2000-01-31").out
    playhead("archive", "--before", "2999-01-31")
    assert (folder / "playhead-before-2999-01-31.db").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("backup", "nowhere/kept.db"),
        ("backup", "playhead.db"),
        ("restore", "no-such.db"),
        ("archive", "--before", "yesterday"),
        ("archive", "--before", "0s", "--to", "playhead.db"),
    ],
)
def test_a_mistake_is_one_line(playhead: Playhead, arguments: tuple[str, ...]) -> None:
    run(playhead, "adder")
    said = playhead(*arguments)
    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1


def test_an_erased_run_is_gone_and_the_log_says_what_is_gone(
    playhead: Playhead, folder: Path
) -> None:
    run(playhead, "adder")
    (row,) = json.loads(playhead("runs", "--json").out)
    said = playhead("erase", "--run", row["run"], "--dry-run", "--words", "add")
    assert "1 stream (" in said.out
    assert "would be erased" in said.out
    assert playhead("show", row["run"]).code == 0
    playhead("backup", "kept.db")
    said = playhead("erase", "--run", row["run"], "--also", "kept.db", "--reason", "asked")
    assert (said.code, said.err) == (0, "")
    assert "rewritten too: kept.db" in said.out
    assert playhead("runs").out == "no runs yet\n"
    for file in ("playhead.db", "kept.db"):
        verified = playhead("verify", "--log", file)
        assert (verified.code, "1 stream erased" in verified.out) == (0, True)
    assert playhead("erase", "--agent", "adder", "--before", "0s").out.endswith("nothing of it\n")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--run", "a", "--session", "b"),
        ("--agent", "a"),
        ("--before", "1d"),
        ("--run", "a", "--before", "1d"),
        ("--run", "a", "--also", "missing.db"),
    ],
)
def test_what_to_erase_is_asked_for_in_one_line(
    playhead: Playhead, arguments: tuple[str, ...]
) -> None:
    run(playhead, "adder")
    said = playhead("erase", *arguments)
    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
