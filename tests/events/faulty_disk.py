"""A file system under apsw whose disk fails when told to: errors of write and sync on the WAL."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from typing_extensions import Buffer

NUMBERS = itertools.count()


class FaultyDisk(apsw.VFS):
    """A VFS on the system's own. `fail` arms it; `name` is what ApswDriver is given."""

    def __init__(self) -> None:
        self.name = f"faulty{next(NUMBERS)}"
        self.operation = ""
        self.times = 0
        self.after = False
        self.failed = 0
        super().__init__(self.name, "")

    def fail(self, operation: str, times: int, *, after: bool = False) -> None:
        """Let the next `times` operations (write or sync) on a WAL fail; `after` doing them."""
        self.operation, self.times, self.after = operation, times, after

    def due(self, operation: str, *, after: bool) -> bool:
        if (operation, after) != (self.operation, self.after) or self.times == 0:
            return False
        self.times -= 1
        self.failed += 1
        return True

    def xOpen(  # noqa: N802
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return FaultyFile(self, name, flags)


class FaultyFile(apsw.VFSFile):
    """One open file of a FaultyDisk."""

    def __init__(
        self, disk: FaultyDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self.disk = disk
        self.is_wal = bool(flags[0] & apsw.SQLITE_OPEN_WAL)
        super().__init__("", name, flags)

    def xWrite(self, data: Buffer, offset: int) -> None:  # noqa: N802
        if self.is_wal and self.disk.due("write", after=False):
            raise apsw.FullError
        super().xWrite(data, offset)  # pyright: ignore[reportUnknownMemberType]
        if self.is_wal and self.disk.due("write", after=True):
            raise apsw.FullError

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self.is_wal and self.disk.due("sync", after=False):
            raise apsw.IOError
        super().xSync(flags)
        if self.is_wal and self.disk.due("sync", after=True):
            raise apsw.IOError
