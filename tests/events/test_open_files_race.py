"""Readers look at the log's files while the writer makes them grow."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from playhead.events.errors import LogLost
from playhead.events.log.sqlite.open_files import OpenFiles

READERS = 4
WRITES = 1000


@pytest.fixture
def switching_often() -> Iterator[None]:
    """Threads give way as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_a_file_that_grows_while_it_is_looked_at_is_not_lost(
    tmp_path: Path, switching_often: None
) -> None:
    path = tmp_path / "log.db"
    path.touch()
    files, done, lost = OpenFiles(path), threading.Event(), list[LogLost]()
    files.connected()

    def read() -> None:
        while not done.is_set():
            try:
                files.check()
            except LogLost as error:
                lost.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    with path.open("ab", buffering=0) as file:
        for _ in range(WRITES):
            file.write(b"x")
            files.written()
    done.set()
    for reader in readers:
        reader.join()
    assert lost == []


def test_a_file_that_shrinks_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"xx")
    files = OpenFiles(path)
    files.connected()
    path.write_bytes(b"x")
    with pytest.raises(LogLost, match="overwritten"):
        files.check()
