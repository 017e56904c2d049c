"""Detects that a log's open files were deleted, moved, replaced or overwritten.

SQLite keeps writing to a file that no longer has a path, and everything acknowledged from then on
is lost when the process ends. Checks use `stat` only: opening the files would drop SQLite's locks.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

from playhead.events.errors import LogLost

SIDES = ("-wal", "-shm")


class Seen(NamedTuple):
    """The database file as last seen."""

    device: int
    inode: int
    size: int
    changed: int
    """Time of its last modification, in nanoseconds."""


class OpenFiles:
    """The files of a log that this process owns. `path` must be absolute.

    The database file stays the same while the log is open, and never shrinks. Its side files are
    managed by SQLite, which may create new ones whenever a connection is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = str(path)  # these run twice a commit, and a Path costs more than its `stat`
        self._side_names = {ending: self._name + ending for ending in SIDES}
        self._main: Seen | None = None
        self._sides: dict[str, tuple[int, int]] = {}
        self._lost: tuple[Path, str] | None = None

    def connected(self) -> None:
        """A connection was made: from now on its side files must stay. Raises LogLost."""
        self.check()
        self.written()
        found = {ending: _stat(name) for ending, name in self._side_names.items()}
        self._sides = {end: (side.st_dev, side.st_ino) for end, side in found.items() if side}

    def disconnected(self) -> None:
        """SQLite may now delete its side files."""
        self._sides = {}

    def written(self) -> None:
        """The current content of the database file was written by this process."""
        found = _stat(self._name)
        if found is not None:
            self._main = _seen(found)

    def touched(self) -> bool:
        """Whether the database file is lost, or modified by another process since `written`."""
        found = _stat(self._name)
        return bool(self._lost) or found is None or _seen(found) != self._main

    def check(self) -> int:
        """The database's inode number.

        Raises LogLost unless the paths lead, and always led, to the files that were opened.

        Any thread may look while the writer's makes the file grow, or connects again.
        """
        if self._lost is not None:
            self.lose(*self._lost)
        while True:
            main, sides = self._main, self._sides  # before `stat`: what is seen later is not less
            if main is None:
                return 0
            wrong = self._wrong(main, sides)
            if wrong is None:
                return main.inode
            if main is self._main and sides is self._sides:
                self.lose(*wrong)

    def _wrong(self, main: Seen, sides: Mapping[str, tuple[int, int]]) -> tuple[Path, str] | None:
        """The file that is not what it was, and what became of it."""
        found = _stat(self._name)
        if found is None:
            return self._path, "was deleted or moved"
        if (found.st_dev, found.st_ino) != main[:2]:
            return self._path, "was replaced by another file"
        if found.st_size < main.size:
            return self._path, "was overwritten"
        for ending, identity in sides.items():
            side = _stat(self._side_names[ending])
            if side is None or (side.st_dev, side.st_ino) != identity:
                return Path(self._side_names[ending]), "was deleted or replaced"
        return None

    def lose(self, path: Path, what: str) -> NoReturn:
        """Raise LogLost, now and at every later check: later results cannot be trusted."""
        self._lost = path, what
        raise LogLost(str(path), what)


def _stat(name: str) -> os.stat_result | None:
    try:
        return os.stat(name)  # noqa: PTH116 - a Path is made anew for each look
    except FileNotFoundError:
        return None


def _seen(found: os.stat_result) -> Seen:
    return Seen(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
