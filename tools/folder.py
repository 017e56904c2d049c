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
        with self._opened(path, folder=False) as fd:
            yield fd

    def entries(self, path: str) -> list[Entry]:
        """What the folder holds, by name. Raises ToolError for what is no folder."""
        if not self.race_free:
            with os.scandir(self._resolved(_parts(path), path)) as found:
                return sorted(_entry(each) for each in found)
        with self._opened(path, folder=True) as fd, os.scandir(fd) as found:
            return sorted(_entry(each) for each in found)

    @contextmanager
    def _opened(self, path: str, *, folder: bool) -> Generator[int]:
        parts = _parts(path)
        try:
            fd = self._walk(parts) if self.race_free else self._open(parts, path)
        except OSError as error:
            raise self._refusal(path, parts, error) from error
        try:
            mode = os.fstat(fd).st_mode
            if folder and not stat.S_ISDIR(mode):
                msg = f"{path} is no folder"
                raise ToolError(msg, hint="Use read_file to read a file.")
            if not folder and stat.S_ISDIR(mode):
                msg = f"{path} is a folder"
                raise ToolError(msg, hint="Use list_files to see what it holds.")
            if not folder and not stat.S_ISREG(mode):
                msg = f"{path} is no regular file"
                raise ToolError(msg, hint="Read another file.")
            yield fd
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

    def _open(self, parts: list[str], path: str) -> int:
        """Elsewhere: check, then open."""
        return os.open(self._resolved(parts, path), os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def _resolved(self, parts: list[str], path: str) -> Path:
        wanted = self.root.joinpath(*parts)
        if wanted.resolve() != wanted:
            msg = f"{path} leads through a link; links are not followed"
            raise ToolError(msg, hint=HINT)
        return wanted

    def _refusal(self, path: str, parts: list[str], error: OSError) -> ToolError:
        if error.errno == errno.ENOENT:
            return ToolError(f"there is no {path}", hint=self._nearest(parts))
        if error.errno in (errno.ELOOP, errno.EMLINK) or self._is_link(parts):
            return ToolError(f"{path} leads through a link; links are not followed", hint=HINT)
        if error.errno == errno.ENOTDIR:
            return ToolError(f"a part of {path} is a file, not a folder", hint=HINT)
        return ToolError(f"{path} cannot be opened: {error.strerror}", hint="Try another path.")

    def _is_link(self, parts: list[str]) -> bool:
        """Only for the wording: O_DIRECTORY on a link says "no directory"."""
        return any(self.root.joinpath(*parts[: i + 1]).is_symlink() for i in range(len(parts)))

    def _nearest(self, parts: list[str]) -> str:
        parent = "/".join(parts[:-1])
        try:
            close = nearest(parts[-1], [e.name for e in self.entries(parent)]) if parts else None
        except (ToolError, OSError):
            close = None
        if close is None:
            return "Use list_files to see what there is."
        return f"Did you mean {f'{parent}/{close}' if parent else close}?"


def _parts(path: str) -> list[str]:
    given = path.strip()
    windows = PureWindowsPath(given)
    if given.startswith(("/", "\\", "~")) or (windows.drive and windows.root):
        msg = f"{path} is not relative to the workspace"
        raise ToolError(msg, hint=HINT)
    if os.name == "nt":
        given = given.replace("\\", "/")
        if ":" in given:
            msg = f"{path} is no path of a workspace"
            raise ToolError(msg, hint=HINT)
    parts = [part for part in given.split("/") if part not in ("", ".")]
    if ".." in parts:
        msg = f"{path} leads out of its folder: .. is not allowed"
        raise ToolError(msg, hint=HINT)
    if any("\0" in part for part in parts):
        msg = "a path cannot hold a NUL"
        raise ToolError(msg, hint=HINT)
    try:
        os.fsencode(given)
    except UnicodeEncodeError as error:
        msg = "a path holds characters that no file name has"
        raise ToolError(msg, hint=HINT) from error
    return parts


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
