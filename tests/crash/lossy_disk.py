"""A disk that loses power: of what was written and not synced, it keeps what it likes, in pieces.

A VFS on the system's own, under apsw. It remembers for each file what the last sync made certain,
and what was written since. `cut` says what such a disk may hold after the power has gone.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from typing_extensions import Buffer

NUMBERS = itertools.count()

SECTOR = 512
"""Bytes that a disk writes whole or not at all."""


class Kept:
    """One file: what is certain, and what is not yet."""

    def __init__(self, certain: bytes | None) -> None:
        self.certain = certain
        """None while not even the file's name is certain."""
        self.since: list[tuple[int, bytes | None]] = []
        """(offset, data) written, or (size, None) cut off, since the last sync."""

    def sync(self) -> None:
        self.certain = self.after(self.since)
        self.since.clear()

    def after(self, changes: list[tuple[int, bytes | None]]) -> bytes:
        content = bytearray(self.certain or b"")
        for offset, data in changes:
            if data is None:
                del content[offset:]
            else:
                content.extend(b"\0" * (offset - len(content)))
                content[offset : offset + len(data)] = data
        return bytes(content)


class LossyDisk(apsw.VFS):
    """`name` is what ApswDriver is given. The power goes at the `cut_at`-th write or sync."""

    def __init__(self, anchor: Path, cut_at: int) -> None:
        self.name = f"lossy{next(NUMBERS)}"
        self.files: dict[str, Kept] = {}
        self.operations = 0
        self.off = False
        self.left: dict[str, Kept] = {}
        """The files as the power went."""
        self.anchors: list[bytes | None] = [None]
        """What the anchor's file held, the newest last: a renaming is certain later than a sync."""
        self._anchor = anchor
        self._cut_at = cut_at
        super().__init__(self.name, "")

    def xOpen(  # noqa: N802
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return LossyFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.tick()
        super().xDelete(filename, syncdir)
        self.files.pop(filename, None)

    def tick(self) -> None:
        """Count an operation; the power may go before it."""
        anchor = self._anchor.read_bytes() if self._anchor.exists() else None
        if anchor != self.anchors[-1]:
            self.anchors.append(anchor)
        self.operations += 1
        if self.operations == self._cut_at:
            self.cut()
        if self.off:
            raise apsw.IOError

    def cut(self) -> None:
        """The power goes now."""
        self.off = True
        for path, kept in self.files.items():
            copy = Kept(kept.certain)
            copy.since = list(kept.since)
            self.left[path] = copy

    def restore(self, random: Random, folder: Path) -> None:
        """Write what the disk may hold into another folder."""
        mode = random.choice(("nothing", "everything", "beginning", "some", "torn", "torn"))
        for path, kept in self.left.items():
            changes = _surviving(kept.since, mode, random)
            if kept.certain is not None or (changes and random.random() < 0.5):
                (folder / Path(path).name).write_bytes(kept.after(changes))
        anchor = random.choice(self.anchors[-2:])
        if anchor is not None:
            (folder / self._anchor.name).write_bytes(anchor)


def _surviving(
    changes: list[tuple[int, bytes | None]], mode: str, random: Random
) -> list[tuple[int, bytes | None]]:
    match mode:
        case "nothing":
            return []
        case "everything":
            return changes
        case "beginning":
            return changes[: random.randint(0, len(changes))]
        case "some":
            return [change for change in changes if random.random() < 0.5]
        case _:
            return [piece for change in changes for piece in _torn(change, random)]


def _torn(change: tuple[int, bytes | None], random: Random) -> list[tuple[int, bytes | None]]:
    offset, data = change
    if data is None:
        return [change] if random.random() < 0.5 else []
    starts = range(0, len(data), SECTOR)
    sectors = [(offset + n, data[n : n + SECTOR]) for n in starts if random.random() < 0.6]
    return list(sectors)


class LossyFile(apsw.VFSFile):
    """One open file of a LossyDisk; files that no name leads to are not remembered."""

    def __init__(
        self, disk: LossyDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        kept = flags[0] & (
            apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
        )
        self._kept: Kept | None = None
        if path and kept:
            self._kept = disk.files.setdefault(path, Kept(None))
        super().__init__("", name, flags)

    def xWrite(self, data: Buffer, offset: int) -> None:  # noqa: N802
        if self._kept is not None:
            self._disk.tick()
            self._kept.since.append((offset, bytes(data)))
        super().xWrite(data, offset)  # pyright: ignore[reportUnknownMemberType]

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        if self._kept is not None:
            self._disk.tick()
            self._kept.since.append((newsize, None))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._kept is not None:
            self._disk.tick()
        super().xSync(flags)
        if self._kept is not None:
            self._kept.sync()
