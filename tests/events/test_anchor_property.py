"""Whatever happens to a log, its anchor tells a rolled-back file from a whole one."""

import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playhead.events.errors import LogDamaged
from playhead.events.log.anchor import anchor_path, read_anchor
from playhead.events.log.sql.writer import Durability
from playhead.events.log.sqlite.log import SqliteLog, SqliteReader
from playhead.events.maintenance.verify import verify
from playhead.testing.appends import append_of, said, write

DEEDS = st.lists(st.sampled_from(["append", "append", "crash", "close", "copy"]), max_size=14)


class Machine:
    """A log on a disk, the process that has it open, and copies that somebody made of it."""

    def __init__(self, folder: Path, durability: Durability, seconds: float) -> None:
        self.folder = folder / "0"
        self.folder.mkdir()
        self.durability: Durability = durability
        self.seconds = seconds
        self.copies: list[tuple[int, Path]] = []
        """(records, file): the whole log, as it was then."""
        self.records = 0
        self.open()

    @property
    def path(self) -> Path:
        return self.folder / "a.db"

    def open(self) -> None:
        self.log = SqliteLog(self.path, self.durability, anchor_seconds=self.seconds)

    def append(self) -> None:
        self.records += 1
        text = str(self.records)
        assert write(self.log, append_of("a", *said(text), after=self.log.head("a")))

    def crash(self) -> None:
        """The process dies: its files stay as they are, in a folder that nobody has open."""
        after = self.folder.with_name(f"{int(self.folder.name) + 1}")
        after.mkdir()
        # The anchor first, it may be moving; and by a process of its own: to close a file of
        # SQLite's in this one would drop its locks.
        files = [self.path.with_name(f"a.db{ending}") for ending in (".anchor", "", "-wal")]
        subprocess.check_call(["cp", *filter(Path.exists, files), after])
        self.log.close()
        self.folder = after
        self.open()

    def close(self) -> None:
        """And open again: a clean end must leave the anchor at the log's end."""
        self.log.close()
        self.anchored_whole()
        self.open()

    def anchored_whole(self) -> None:
        mark = read_anchor(self.path)
        assert (mark.position if mark else 0) == self.records
        if self.records:
            with closing(SqliteReader(self.path)) as reader:
                assert verify(reader, mark).ok

    def copy(self) -> None:
        self.log.close()
        copy = self.folder.parent / f"copy{len(self.copies)}.db"
        shutil.copy(self.path, copy)
        self.copies.append((self.records, copy))
        self.open()

    def put_back(self, copy: Path) -> None:
        shutil.copy(copy, self.path)
        for ending in ("-wal", "-shm", ".views"):
            self.path.with_name(f"a.db{ending}").unlink(missing_ok=True)


@pytest.mark.parametrize("durability", ["full", "normal"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(deeds=DEEDS, seconds=st.sampled_from([0.0, 3600.0]))
def test_over_crashes_reopenings_and_closes_an_older_copy_is_always_seen(
    tmp_path_factory: pytest.TempPathFactory,
    durability: Durability,
    deeds: list[str],
    seconds: float,
) -> None:
    machine = Machine(tmp_path_factory.mktemp("log"), durability, seconds)
    for deed in deeds:
        getattr(machine, deed)()
    machine.close()
    machine.log.close()
    kept = anchor_path(machine.path).read_bytes() if machine.records else b""
    for records, copy in machine.copies:
        machine.put_back(copy)
        if records == machine.records:
            machine.anchored_whole()
            continue
        with pytest.raises(LogDamaged):
            SqliteLog(machine.path, durability)
        if records:
            mark = read_anchor(machine.path)
            with closing(SqliteReader(machine.path)) as reader:
                assert "lost_tail" in [p.fault for p in verify(reader, mark).problems]
        assert anchor_path(machine.path).read_bytes() == kept
