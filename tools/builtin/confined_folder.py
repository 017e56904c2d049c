"""A folder that nothing leads out of: paths are walked part by part, and no link is followed.

On POSIX each part is opened relative to the folder before it with O_NOFOLLOW, so that a link that
is swapped in while we walk is refused too. Where the system has no such calls (Windows), the path
is resolved and compared first: that refuses the same paths, but a swap between the check and the
opening is not seen (`ConfinedFolder.race_free` says which it is).
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from playhead.events.errors import ToolError, UsageError
from playhead.events.log.beside import is_beside
from playhead.events.log.private_files import is_of_a_log, owned_logs
from playhead.tools.validation.did_you_mean import nearest

HINT = 'Paths are relative to the workspace, such as "notes/todo.txt"; "." is the workspace itself.'


SECRETS = (
    ".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".pgpass", ".my.cnf", ".npmrc",
    ".pypirc", ".git-credentials", ".htpasswd", ".ssh", ".gnupg", ".aws", ".azure", ".gcloud",
    ".kube", ".docker", ".password-store", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*",
    "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.asc", "*.gpg",
    "credentials", "credentials.*", "*credentials*.json", "service-account*.json",
    "client_secret*.json", "secrets", "secrets.*", ".secrets*", ".vault*", "*.tfstate", "*.tfvars",
)  # fmt: skip
HARMLESS = (".example", ".sample", ".template", ".dist", ".pub", ".py", ".md", ".rst")
"""Endings of what only shows the form, or is public, or is code."""

FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


class FolderEntry(NamedTuple):
    """One name in a folder."""

    name: str
    kind: str
    """file, folder, link or other."""
    size: int
    """Bytes, for a file."""


class ConfinedFolder:
    """A workspace; every path given to it is relative, with `/` between the parts."""

    race_free = os.open in os.supports_dir_fd and os.scandir in os.supports_fd
    """Whether a link that is swapped in during a call is refused as well."""

    def __init__(self, root: str | os.PathLike[str], *, private: bool = True) -> None:
        """`private`: whether files that usually hold secrets are there for the caller."""
        self.root = Path(root).resolve()
        self._private = private
        if not self.root.is_dir():
            msg = f"the workspace {self.root} is no folder: make it first"
            raise UsageError(msg)

    @contextmanager
    def open_file(self, path: str) -> Generator[int]:
        """A file descriptor, open for reading. Raises ToolError for what is no regular file."""
        parts = self._allowed(path)
        try:
            fd = self._walk(parts) if self.race_free else self._open(parts)
        except OSError as error:
            raise self._refusal(path, parts, error) from error
        try:
            about = os.fstat(fd)
            mode = about.st_mode
            if is_of_a_log(about):
                raise _of_the_log(path)
            if stat.S_ISDIR(mode):
                msg = f"{_cut(path)} is a folder"
                raise ToolError(msg, hint="Use list_files to see what it holds.")
            if not stat.S_ISREG(mode):
                msg = f"{_cut(path)} is no regular file"
                raise ToolError(msg, hint="Read another file.")
            yield fd
        finally:
            os.close(fd)

    def replace_file(self, path: str, data: bytes, *, overwrite: bool) -> bool:
        """Write a whole file, folders on the way made; whether there was one before.

        It is written beside and put in place at once: nobody sees half of it. Raises ToolError.
        """
        parts = self._allowed(path)
        if not parts:
            msg = f"{_cut(path)} is a folder"
            raise ToolError(msg, hint="Name a file in it.")
        try:
            return self._put(path, parts, data, overwrite=overwrite)
        except OSError as error:
            raise self._refusal(path, parts, error) from error

    def remove(self, path: str) -> None:
        """Delete a file, or a folder with all that it holds. Raises ToolError."""
        parts = self._allowed(path)
        if not parts:
            msg = f"{_cut(path)} is the workspace itself"
            raise ToolError(msg, hint="Name a file or a folder in it.")
        if self._kind(path, parts) == "folder":
            for entry in self.entries(path):
                self.remove("/".join([*parts, entry.name]))
        with self._beside(path, parts) as at:
            if _kind_at(self._name_in(parts), at) == "folder":
                os.rmdir(self._name_in(parts), dir_fd=at)
            else:
                os.unlink(self._name_in(parts), dir_fd=at)

    def rename(self, path: str, new_path: str) -> None:
        """Give a file or a folder another path, where nothing is yet. Raises ToolError."""
        parts, goal = self._allowed(path), self._allowed(new_path)
        if not parts or not goal:
            msg = "the workspace itself cannot be renamed"
            raise ToolError(msg, hint="Name a file or a folder in it.")
        self._kind(path, parts)
        with self._beside(path, parts) as at, self._beside(new_path, goal, make=True) as to:
            if _kind_at(self._name_in(goal), to):
                msg = f"{_cut(new_path)} is there already"
                raise ToolError(msg, hint="Choose another name.")
            os.rename(self._name_in(parts), self._name_in(goal), src_dir_fd=at, dst_dir_fd=to)

    def kind(self, path: str) -> str:
        """file, folder, link or other. Raises ToolError where there is nothing."""
        return self._kind(path, self._allowed(path))

    def _kind(self, path: str, parts: list[str]) -> str:
        if not parts:
            return "folder"
        with self._beside(path, parts) as at:
            found = _kind_at(self._name_in(parts), at)
        if not found:
            msg = f"there is no {_cut(path)}"
            raise ToolError(msg, hint=self._nearest(parts))
        return found

    @contextmanager
    def _beside(self, path: str, parts: list[str], *, make: bool = False) -> Generator[int | None]:
        """The folder that holds the path's last part, open; None where none can be opened."""
        at: int | None = None
        try:
            if make:
                at = self._made(parts[:-1])
            elif self.race_free:
                at = self._walk(parts[:-1])
            else:
                self._resolved(parts[:-1])
            yield at
        except OSError as error:
            raise self._refusal(path, parts, error) from error
        finally:
            if at is not None:
                os.close(at)

    def leaves_alone(self, name: str) -> bool:
        """Whether a file or folder of that name is not opened here, since it may hold secrets."""
        return not self._private and is_secret(name)

    def _allowed(self, path: str) -> list[str]:
        """The path's parts. Raises ToolError for a log's file and, unless told, for secrets."""
        parts = _parts(path)
        if (part := next(filter(self.leaves_alone, parts), None)) is not None:
            msg = f"{_cut(path)} is left alone: {part} usually holds keys or passwords"
            raise ToolError(msg, hint="Go on without it, or ask the user for what you need.")
        real = str(self.root.joinpath(*parts))
        if any(is_beside(str(log), real) for log in owned_logs()):
            raise _of_the_log(path)
        return parts

    def _put(self, path: str, parts: list[str], data: bytes, *, overwrite: bool) -> bool:
        at = self._made(parts[:-1])
        try:
            there = _kind_at(self._name_in(parts), at)
            if there not in ("", "file"):
                msg = f"{_cut(path)} is there already, and is a {there}"
                raise ToolError(msg, hint="Choose another name.")
            if there and not overwrite and not self._holds(path, data):
                msg = f"{_cut(path)} is there already"
                raise ToolError(msg, hint="Say overwrite=true to replace it, or choose another.")
            self._exchange(parts, data, at)
        finally:
            if at is not None:
                os.close(at)
        return bool(there)

    def _holds(self, path: str, data: bytes) -> bool:
        """Whether the file is what is to be written: a call that is made again has done it."""
        with self.open_file(path) as fd:
            return os.fstat(fd).st_size == len(data) and os.pread(fd, len(data), 0) == data

    def _exchange(self, parts: list[str], data: bytes, at: int | None) -> None:
        """Write beside, then rename: a rename puts itself in the place of a link, never through."""
        name = self._name_in(parts)
        beside = f"{name}.{secrets.token_hex(4)}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        fd = os.open(beside, flags, 0o644, dir_fd=at)
        try:
            with open(fd, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
                file.write(data)
            os.replace(beside, name, src_dir_fd=at, dst_dir_fd=at)
        except BaseException:
            os.unlink(beside, dir_fd=at)
            raise

    def _name_in(self, parts: list[str]) -> str:
        """The file's name relative to its open folder, or its whole path where there is none."""
        return parts[-1] if self.race_free else str(self.root.joinpath(*parts))

    def _made(self, parts: list[str]) -> int | None:
        """The folder, open, made with those above it; None where folders cannot be opened."""
        if not self.race_free:
            self._resolved(parts).mkdir(parents=True, exist_ok=True)
            self._resolved(parts)
            return None
        fd = os.open(self.root, FOLDER)
        for part in parts:
            try:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=fd)
                inner = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=fd)
            finally:
                os.close(fd)
            fd = inner
        return fd

    def entries(self, path: str) -> list[FolderEntry]:
        """What the folder holds, by name. Raises ToolError for what is no folder."""
        parts = self._allowed(path)
        try:
            return self._listed(parts)
        except OSError as error:
            raise self._refusal(path, parts, error) from error

    def _listed(self, parts: list[str]) -> list[FolderEntry]:
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
        fd = os.open(self.root, FOLDER)
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


def is_secret(name: str) -> bool:
    """Whether a file or folder of that name usually holds keys, passwords or tokens."""
    name = name.casefold()
    return not name.endswith(HARMLESS) and any(fnmatchcase(name, each) for each in SECRETS)


def _of_the_log(path: str) -> ToolError:
    return ToolError(f"{_cut(path)} is the log of this program", hint="It is not for tools.")


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


def _entry(found: os.DirEntry[str]) -> FolderEntry:
    name = found.name
    try:
        if found.is_symlink():
            return FolderEntry(name, "link", 0)
        if found.is_dir(follow_symlinks=False):
            return FolderEntry(name, "folder", 0)
        if found.is_file(follow_symlinks=False):
            return FolderEntry(name, "file", found.stat(follow_symlinks=False).st_size)
    except OSError:
        return FolderEntry(name, "other", 0)
    return FolderEntry(name, "other", 0)


def _kind_at(name: str, at: int | None) -> str:
    """file, folder, link or other; empty when there is nothing of that name."""
    try:
        mode = os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return ""
    kinds = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "folder"), (stat.S_ISLNK, "link"))
    return next((kind for test, kind in kinds if test(mode)), "other")
