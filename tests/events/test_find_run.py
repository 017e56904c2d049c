"""A run is found in one way, whoever asks: by its id, by its beginning, or as the last one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from playhead.events.errors import UnknownRun
from playhead.events.log.contract import Stream
from playhead.events.log.find_run import find_run
from playhead.events.log.memory import MemoryLog
from playhead.logs import LogReader, SqliteLog
from playhead.testing.appends import append_of, fork, said, say, write


class NoScan(MemoryLog):
    """A log that cannot list its streams."""

    def streams(self, beginning: str = "") -> Iterator[Stream]:
        raise AssertionError


def filled(log: MemoryLog) -> MemoryLog:
    """Two runs, a fork of one, a child of the other, and a stream that is not a run."""
    say(log, "abc", "1")
    say(log, "abd", "1")
    fork(log, "x1", "abc", 1, "2")
    write(log, append_of("x2", *said("x"), parent="abd"))
    write(log, append_of("memory/a", *said("x"), kind="memory"))
    return log


def test_a_whole_id_is_found_without_looking_at_all_streams() -> None:
    log = NoScan()
    say(log, "abc", "1")
    assert find_run(log, "abc") == "abc"


@pytest.mark.parametrize(
    ("given", "run"), [("abc", "abc"), ("abd", "abd"), ("x", "x1"), ("x2", "x2"), ("last", "x1")]
)
def test_a_beginning_means_the_one_run_that_nobody_else_started(given: str, run: str) -> None:
    assert find_run(filled(MemoryLog()), given) == run


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("ab", "beginning of several run ids (abc, abd, ...)"),
        ("memory/a", "there is no run 'memory/a' in this log"),
        ("", "there is no run ''"),
        ("nobody", "`playhead runs` lists them"),
    ],
)
def test_what_fits_no_run_or_several_is_an_error_that_says_so(given: str, words: str) -> None:
    with pytest.raises(UnknownRun) as caught:
        find_run(filled(MemoryLog()), given)
    assert words in str(caught.value)


def test_the_error_names_the_file_that_was_looked_at(tmp_path: Path) -> None:
    SqliteLog(tmp_path / "fx.db").close()
    with LogReader(tmp_path / "fx.db") as log:
        for given in ("abc", "last"):
            with pytest.raises(UnknownRun) as caught:
                log.find(given)
            assert str(tmp_path / "fx.db") in str(caught.value)
