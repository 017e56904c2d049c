"""Landlock: what a process and all that it starts can reach of the file system, by the kernel.

Linux 5.13 and later, for any user and in containers. A domain can only be entered, never left. It
says no to every path that no rule allows; it also keeps its processes from tracing others and, from
ABI 6 on, from sending them signals and from connecting to their abstract sockets.
"""

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from playhead.events.log.beside import is_beside

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
PR_SET_NO_NEW_PRIVS = 38
VERSION, PATH_BENEATH = 1, 1
SCOPE_ABSTRACT_SOCKETS, SCOPE_SIGNALS = 1, 2

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, MAKE_DIR = (
    1 << bit for bit in range(8)
)
MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM, REFER, TRUNCATE, IOCTL_DEV = (
    1 << bit for bit in range(8, 16)
)
ALL_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""The rights that an ABI knows, where they are more than those of the one before."""

READ = EXECUTE | READ_FILE | READ_DIR
WRITE = (1 << 16) - 1 & ~(MAKE_CHAR | MAKE_BLOCK)
"""All but device files: through one of a disk everything could be read."""
EVERYTHING = (1 << 16) - 1
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

Rule = tuple[str, int]
"""A path, and the rights on it and on all beneath it."""


def abi() -> int:
    """The version of Landlock that this kernel has; 0 without it."""
    found = _libc().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION)
    return max(int(found), 0)


def enter(level: int, rules: Iterable[Rule], *, scoped: bool = True) -> None:
    """Reach no more than the rules say, for ever. `level` is an ABI that the kernel has.

    `scoped`: no signals and no abstract sockets either, where the ABI is 6 or later. A path that is
    not there is left out. Raises OSError.
    """
    known = ALL_OF_ABI[max(each for each in ALL_OF_ABI if each <= level)]
    scopes = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS if scoped else 0
    fields = (known, 0, scopes) if level >= 6 else (known, 0) if level >= 4 else (known,)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _call(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        for path, rights in rules:
            _add(ruleset, path, rights & known)
        if _libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise _failure()
        _call(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _add(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= OF_FILES
        _call(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, fd), 0)
    finally:
        os.close(fd)


def _call(number: int, *arguments: object) -> int:
    done = int(_libc().syscall(number, *arguments))
    if done < 0:
        raise _failure()
    return done


def _libc() -> ctypes.CDLL:
    """Opened when it is needed: Windows has none."""
    return ctypes.CDLL(None, use_errno=True)


def _failure() -> OSError:
    code = ctypes.get_errno()
    return OSError(code, f"Landlock: {os.strerror(code or errno.EIO)}")


def around(folder: str, rights: int, hidden: Sequence[str]) -> Iterator[Rule]:
    """Rules for a folder and all in it but the hidden files, and what is named after them.

    Hidden are `hidden` itself and every name in its folder that goes on with "." or "-": the files
    that lie beside a log. Where one lies beneath, each entry of the folders on the way down gets a
    rule of its own; what is made there later has none.
    """
    real = os.path.realpath(folder)
    beneath = [each for each in hidden if _lies_in(each, real)]
    if not beneath:
        yield real, rights
    elif not any(is_beside(each, real) for each in beneath):
        yield real, rights & READ_DIR
        yield from _entries(real, rights, beneath)


def _entries(folder: str, rights: int, hidden: Sequence[str]) -> Iterator[Rule]:
    secret = {_identity(each) for path in hidden for each in beside(path)}
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in found:
        # A rule on a link would be one on what it leads to, and one on another name of the same
        # file would be one on the file.
        if not entry.is_symlink() and _identity(entry.path) not in secret:
            yield from around(entry.path, rights, hidden)


def beside(path: str) -> list[str]:
    """The files that are there of a log: itself, and those that are named after it."""
    folder = Path(path).parent
    try:
        return [str(each) for each in folder.iterdir() if is_beside(path, str(each))]
    except OSError:
        return []


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/") or is_beside(path, folder)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        about = Path(path).lstat()
    except OSError:
        return None
    return about.st_dev, about.st_ino
