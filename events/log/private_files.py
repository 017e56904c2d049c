"""Keeps a log's files private to their owner: mode 0600, and never opened through links.

It also tracks which logs this process owns, so that tools can be kept away from them.
"""

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

from playhead.events.errors import UsageError
from playhead.events.log.beside import is_beside
from playhead.events.logger import ProgramLogger

log = ProgramLogger("playhead.log")

_owned: set[Path] = set()


def owned_logs() -> list[Path]:
    """The logs that this process currently owns, as real paths."""
    return sorted(_owned)


def is_owned(path: Path) -> None:
    """Record that this process owns a log."""
    _owned.add(path.resolve())


def is_released(path: Path) -> None:
    """Record that this process no longer owns the log."""
    _owned.discard(path.resolve())


def is_of_a_log(about: os.stat_result) -> bool:
    """Whether a file belongs to a log that this process owns, under any name."""
    for log in owned_logs():
        with suppress(OSError), os.scandir(log.parent) as found:
            for entry in found:
                if is_beside(str(log), entry.path) and entry.inode() == about.st_ino:
                    return os.path.samestat(entry.stat(), about)
    return False


def log_around(path: Path) -> Path | None:
    """An owned log that a file or folder contains, or is part of."""
    real = path.resolve()
    for log in owned_logs():
        if log.is_relative_to(real) or is_beside(str(log), str(real)):
            return log
    return None


def make_private(path: Path) -> None:
    """Ensure a file with mode 0600, creating it if missing, for SQLite to open afterwards.

    An existing file is not opened: closing it would drop SQLite's locks on it in this process.
    Raises UsageError for a link.
    """
    _refuse_link(path)
    if os.name != "posix":
        return
    try:
        os.mknod(path, stat.S_IFREG | 0o600)
        if os.geteuid() == 0:  # a file that root creates (an inbox) belongs to the folder's owner
            folder = path.parent.stat()
            os.chown(path, folder.st_uid, folder.st_gid)
    except FileExistsError:
        about = path.lstat()
        if about.st_uid == os.geteuid() and about.st_mode & 0o077:
            path.chmod(0o600)
    except PermissionError:  # macOS creates only named pipes with access for everyone
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a file with mode 0600, created or tightened. Raises UsageError for a link."""
    _refuse_link(path)
    fd = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
    if os.name == "posix":
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if about.st_uid == os.geteuid() and about.st_mode & 0o077:
            os.fchmod(fd, 0o600)
    return fd


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        msg = f"{path} is a link, and a log's files are not opened through links: name the file"
        raise UsageError(msg)


def warn_of_others(folder: Path) -> None:
    """Warn if others can write to the log's folder: they could replace its files."""
    if os.name != "posix":
        return
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH or (mode & stat.S_IWGRP and not _is_own_group(folder.stat().st_gid)):
        how = f"mode {stat.S_IMODE(mode):04o}"
        log.warning("log.folder_open", folder=str(folder), why=f"others can write to it ({how})")


def _is_own_group(group: int) -> bool:
    """Whether it is the private group that many systems create for each user."""
    if sys.platform == "win32":
        return True
    import grp
    import pwd

    try:
        return grp.getgrgid(group).gr_name == pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False
