"""A folder that nothing leads out of: paths are walked part by part, and no link is followed.

On POSIX each part is opened relative to the folder before it with O_NOFOLLOW, so that a link that
is swapped in while we walk is refused too. Where the system has no such calls (Windows), the path
is resolved and compared first: that refuses the same paths, but a swap between the check and the
opening is not seen (`Folder.race_free` says which it is).
"""

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from playhead.events.errors import ToolError, UsageError
from playhead.tools.nearest import nearest

HINT = 'Paths are relative to the workspace, such as "notes/todo.txt"; "." is the workspace itself.'


class Entry(NamedTuple):
    """One name in a folder."""

    name: str
    kind: str
    """file, folder, link or other."""
    size: int
    """Bytes, for a file."""


class Folder:
    """A workspace; every path given to it is relative, with `/` between the parts."""

    race_free = os.open in os.supports_dir_fd and os.scandir in os.supports_fd
    """Whether a link that is swapped in during a call is refused as well."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            msg = f"the workspace {self.root} is no folder: make it first"
            raise UsageError(msg)

    @contextmanager
    def open_file(self, path: str) -> Generator[int]:
        """A file descriptor, open for reading. Raises ToolError for what is no regular file."""
        parts = _parts(path)
        try:
            fd = self._walk(parts) if self.race_free else self._open(parts)
        except OSError as error:
            raise self._refusal(path, parts, error) from error
        try:
            mode = os.fstat(fd).st_mode
            if stat.S_ISDIR(mode):
                msg = f"{_cut(path)} is a folder"
                raise ToolError(msg, hint="Use list_files to see what it holds.")
            if not stat.S_ISREG(mode):
                msg = f"{_cut(path)} is no regular file"
                raise ToolError(msg, hint="Read another file.")
            yield fd
        finally:
            os.close(fd)

    def entries(self, path: str) -> list[Entry]:
        """What the folder holds, by name. Raises ToolError for what is no folder."""
        parts = _parts(path)
        try:
            return self._listed(parts)
        except OSError as error:
            raise self._refusal(path, parts, error) from error

    def _listed(self, parts: list[str]) -> list[Entry]:
        if not self.race_free:
            with os.scandir(self._resolved(parts)) as found:
                return sorted(_entry(each) for each in found)
        fd = self._walk(parts)
        try:
            with os.scandir(fd) as found:
                return sorted(_entry(each) for each in found)
        finally:
            os.close(fd)

    def _walk(self, parts: list[str]) -> int:
        """POSIX: open part by part; O_NONBLOCK, since opening a named pipe would wait for ever."""
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for i, part in enumerate(parts):
            kind = os.O_DIRECTORY if i < len(parts) - 1 else os.O_NONBLOCK
            try:
                inner = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | kind, dir_fd=fd)
            finally:
                os.close(fd)
            fd = inner
        return fd

    def _open(self, parts: list[str]) -> int:
        """Elsewhere: check, then open."""
        flags = getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        return os.open(self._resolved(parts), os.O_RDONLY | flags)

    def _resolved(self, parts: list[str]) -> Path:
        wanted = self.root.joinpath(*parts)
        try:
            straight = wanted.resolve() == wanted
        except RuntimeError:  # a link that leads to itself
            straight = False
        if not straight:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        return wanted

    def _refusal(self, path: str, parts: list[str], error: OSError) -> ToolError:
        shown = _cut(path)
        if error.errno == errno.ENOENT:
            return ToolError(f"there is no {shown}", hint=self._nearest(parts))
        if error.errno in (errno.ELOOP, errno.EMLINK) or self._is_link(parts):
            return ToolError(f"{shown} leads through a link; links are not followed", hint=HINT)
        if error.errno == errno.ENOTDIR:
            msg = f"{shown} is no folder, or leads through a file"
            return ToolError(msg, hint="Use read_file to read a file.")
        return ToolError(f"{shown} cannot be opened: {error.strerror}", hint="Try another path.")

    def _is_link(self, parts: list[str]) -> bool:
        """Only for the wording: O_DIRECTORY on a link says "no directory"."""
        try:
            return any(self.root.joinpath(*parts[: i + 1]).is_symlink() for i in range(len(parts)))
        except OSError:
            return False

    def _nearest(self, parts: list[str]) -> str:
        parent = "/".join(parts[:-1])
        try:
            names = [entry.name for entry in self._listed(parts[:-1])]
        except OSError:
            names = []
        close = nearest(parts[-1], names) if parts else None
        if close is None:
            return "Use list_files to see what there is."
        return f"Did you mean {f'{parent}/{close}' if parent else close}?"


def _cut(path: str) -> str:
    return path if len(path) <= 120 else f"{path[:60]}...{path[-57:]}"


def _parts(path: str) -> list[str]:
    given, shown = path.strip(), _cut(path)
    windows = PureWindowsPath(given)
    if given.startswith(("/", "\\", "~")) or (windows.drive and windows.root):
        msg = f"{shown} is not relative to the workspace"
        raise ToolError(msg, hint=HINT)
    if os.name == "nt":
        given = given.replace("\\", "/")
    parts = [part for part in given.split("/") if part not in ("", ".")]
    if ".." in parts:
        msg = f"{shown} leads out of its folder: .. is not allowed"
        raise ToolError(msg, hint=HINT)
    if not _nameable(given):
        msg = f"{shown} holds characters that no file name has"
        raise ToolError(msg, hint=HINT)
    return parts


def _nameable(path: str) -> bool:
    """On Windows a colon names a drive or a stream of a file, so it is no part of a name there."""
    try:
        return b"\0" not in os.fsencode(path) and not (os.name == "nt" and ":" in path)
    except UnicodeEncodeError:
        return False


def _entry(found: os.DirEntry[str]) -> Entry:
    name = found.name
    try:
        if found.is_symlink():
            return Entry(name, "link", 0)
        if found.is_dir(follow_symlinks=False):
            return Entry(name, "folder", 0)
        if found.is_file(follow_symlinks=False):
            return Entry(name, "file", found.stat(follow_symlinks=False).st_size)
    except OSError:
        return Entry(name, "other", 0)
    return Entry(name, "other", 0)
