"""Files of one workspace folder: list, read, search, write. Nothing outside of it can be named."""

import codecs
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Annotated

from pydantic import BaseModel, Field

from playhead.events.errors import ToolError
from playhead.tools.builtin.confined_folder import ConfinedFolder
from playhead.tools.tool import AnyTool, tool

LISTED = 200
"""Names in one answer of list_files."""

READ = 20_000
MAX_READ = 40_000
"""Bytes in one answer of read_file."""


MATCHES = 100
"""Lines in one answer of search_files."""

LOOKED_AT = 5_000
"""Files that one search reads."""

SEARCHED = 2_000_000
"""Bytes; larger files are not searched."""


class FileEntry(BaseModel):
    """One name in a folder."""

    path: str
    kind: str
    bytes: int | None = None


class FileList(BaseModel):
    """A part of a folder's names."""

    folder: str
    entries: list[FileEntry]
    total: int
    next_offset: int | None = None


class FileText(BaseModel):
    """A part of a text file."""

    path: str
    text: str
    bytes: int
    next_offset: int | None = None


class Match(BaseModel):
    """A line that holds what was looked for."""

    path: str
    line: int
    text: str


class Written(BaseModel):
    """What was written."""

    path: str
    bytes: int
    replaced: bool


def file_tools(
    workspace: str | os.PathLike[str],
    *,
    write: bool = False,
    private: bool = False,
    beside_log: bool = False,
) -> list[AnyTool]:
    """`list_files`, `read_file`, `search_files`, with `write` also `write_file`: of one folder.

    Args:
        workspace: the folder.
        write: whether files can be written.
        private: whether that goes for files too that by their names hold keys, passwords or tokens
            (.env, *.pem, .ssh, credentials.json, ...). By default they are left alone.
        beside_log: whether the folder may hold the log of the program: its files are refused one by
            one. Otherwise, and with `write`, a Runtime refuses such a folder when it starts.

    Raises UsageError where there is no such folder.
    """
    folder_ = ConfinedFolder(workspace, private=private)

    def list_files(folder: str = ".", offset: Annotated[int, Field(ge=0)] = 0) -> FileList:
        """List the files and folders in one folder of the workspace, sorted by name.

        Use it to find out what there is before you read a file. It looks into one folder only: call
        it again for a folder inside.

        Args:
            folder: The folder, relative to the workspace; "." is the workspace itself.
            offset: How many names to leave out: `next_offset` of the answer before.

        Returns:
            The entries with their paths (to be used as they are with read_file), kinds (file,
            folder, link or other) and sizes in bytes; `next_offset` is null when there are no more.
        """
        found = folder_.entries(folder)
        inside = folder.strip().removeprefix("./").strip("/")
        prefix = "" if inside in ("", ".") else f"{inside}/"
        shown = found[offset : offset + LISTED]
        end = offset + len(shown)
        return FileList(
            folder=inside or ".",
            entries=[
                FileEntry(
                    path=_shown(prefix + e.name),
                    kind=e.kind,
                    bytes=e.size if e.kind == "file" else None,
                )
                for e in shown
            ],
            total=len(found),
            next_offset=end if end < len(found) else None,
        )

    def read_file(
        path: str,
        offset: Annotated[int, Field(ge=0)] = 0,
        limit: Annotated[int, Field(ge=16, le=MAX_READ)] = READ,
    ) -> FileText:
        """Read a text file of the workspace.

        Use it to see what a file says; use list_files first when you do not know its path. A large
        file comes in parts: call again with `offset` set to `next_offset` of the answer before.

        Args:
            path: The file, relative to the workspace, for example "notes/todo.txt".
            offset: How many bytes to leave out at the beginning.
            limit: At most how many bytes to read.

        Returns:
            The text, the file's size in bytes, and `next_offset`, which is null at the end.
        """
        with folder_.open_file(path) as fd:
            size = os.fstat(fd).st_size
            if offset > size:
                msg = f"{path} ends at byte {size}, before offset {offset}"
                raise ToolError(
                    msg,
                    hint="Use an offset below the size.",
                )
            os.lseek(fd, offset, os.SEEK_SET)
            data = _read(fd, limit)
        text, used = _decode(data, path, last=offset + len(data) >= size)
        end = offset + used
        return FileText(path=path, text=text, bytes=size, next_offset=end if end < size else None)

    def search_files(
        text: Annotated[str, Field(min_length=1, max_length=200)], folder: str = "."
    ) -> list[Match]:
        """Find the lines of text files in the workspace that hold a text.

        Use it when you know what a file says but not which; use list_files to see names. Upper and
        lower case make no difference. It looks into folders inside, not through links.

        Args:
            text: What to look for, as it stands in the file.
            folder: Where to look, relative to the workspace; "." is all of it.

        Returns:
            Up to 100 lines with their paths and line numbers.
        """
        return list(islice(_matches(folder_, folder, text), MATCHES))

    def write_file(path: str, text: str, overwrite: bool = False) -> Written:
        """Write a text file of the workspace, whole.

        Use it to keep a result as a file; to change a file, read it first and write all of it.

        Args:
            path: The file, relative to the workspace; folders on the way are made.
            text: All that it is to hold.
            overwrite: Whether a file that is there may be replaced.

        Returns:
            The path, how many bytes were written, and whether a file was replaced.
        """
        data = text.encode()
        replaced = folder_.replace_file(path, data, overwrite=overwrite)
        return Written(path=path, bytes=len(data), replaced=replaced)

    found = "Try fewer letters, or look with list_files and read_file."
    tools: list[AnyTool] = [
        tool(list_files, effect="read"),
        tool(read_file, effect="read"),
        tool(search_files, effect="read", when_empty=found),
    ]
    tools += [tool(write_file, effect="keyed")] if write else []
    for each in tools:
        each.reaches = None if beside_log and not write else folder_.root
    return tools


def _matches(root: ConfinedFolder, folder: str, text: str) -> Iterator[Match]:
    """Line by line, folder by folder; what is large, no text or cannot be read is left out."""
    wanted, waiting = text.casefold(), [folder.strip().strip("/") or "."]
    looked = 0
    while waiting:
        at = waiting.pop(0)
        for entry in root.entries(at):
            path = entry.name if at == "." else f"{at}/{entry.name}"
            if root.leaves_alone(entry.name):
                continue
            if entry.kind == "folder":
                waiting.append(path)
            elif entry.kind == "file" and entry.size <= SEARCHED:
                looked += 1
                if looked > LOOKED_AT:
                    return
                with suppress(ToolError):
                    yield from _lines(root, path, wanted)


def _lines(root: ConfinedFolder, path: str, wanted: str) -> Iterator[Match]:
    with root.open_file(path) as fd:
        data = _read(fd, SEARCHED)
    if b"\0" in data:
        return
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        if wanted in line.casefold():
            yield Match(path=_shown(path), line=number, text=line.strip()[:300])


def _read(fd: int, limit: int) -> bytes:
    """Up to `limit` bytes: one read may give less."""
    pieces: list[bytes] = []
    while limit and (piece := os.read(fd, limit)):
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)


def _decode(data: bytes, path: str, *, last: bool) -> tuple[str, int]:
    """The text, and the bytes it took: a character cut at the end is left for the next part."""
    if b"\0" in data:
        msg = f"{path} is no text file"
        raise ToolError(msg, hint="Only text files can be read.")
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data, final=last)
    return text, len(data) - len(decoder.getstate()[0])


def _shown(name: str) -> str:
    """A name that is no UTF-8 is shown with U+FFFD; nothing can be read by it."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
