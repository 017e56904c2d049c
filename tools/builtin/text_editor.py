"""The API's text editor and memory tools: the API describes them, this code performs them.

Both are one tool with commands, over the files of one folder that nothing leads out of. The model
names a file of the memory as /memories/..., whatever the folder is called here.
"""

import os
from typing import Annotated, Literal, TypeAlias, Unpack
from urllib.parse import quote

from pydantic import Field

from playhead.events.errors import ToolError
from playhead.tools.builtin.confined_folder import ConfinedFolder
from playhead.tools.options import ToolOptions
from playhead.tools.tool import AnyTool, tool

EDITOR = "text_editor_20250728"
MEMORY = "memory_20250818"
ROOT = "/memories"
LARGEST = 1_000_000
"""Bytes of a file that is edited."""

Line: TypeAlias = Annotated[int, Field(ge=-1)]
EditCommand: TypeAlias = Literal["view", "create", "str_replace", "insert"]
MemoryCommand: TypeAlias = Literal["view", "create", "str_replace", "insert", "delete", "rename"]


def text_editor(
    workspace: str | os.PathLike[str], *, private: bool = False, **options: Unpack[ToolOptions]
) -> AnyTool:
    """The API's text editor over the files of a folder.

    Args:
        workspace: the folder; the model may write its paths with or without a leading slash.
        private: whether that goes for files too that by their names hold keys or passwords.
        options: of `@tool`, such as `approval=`.

    Raises UsageError where there is no such folder.
    """
    files = _Files(ConfinedFolder(workspace, private=private))

    def edit(
        command: EditCommand,
        path: str,
        view_range: Annotated[list[Line], Field(min_length=2, max_length=2)] | None = None,
        file_text: str | None = None,
        old_str: str | None = None,
        new_str: str | None = None,
        insert_line: Annotated[int, Field(ge=0)] | None = None,
        insert_text: str | None = None,
    ) -> str:
        """Look at a file, create it, or change it."""
        return files.perform(
            command, path.lstrip("/") or ".", view_range, file_text, old_str, new_str, insert_line,
            insert_text,
        )  # fmt: skip

    given: ToolOptions = {"type": EDITOR, **options}
    made = tool(edit, **given)
    made.reaches = files.folder.root
    return made


def memory_files(
    workspace: str | os.PathLike[str], namespace: str, **options: Unpack[ToolOptions]
) -> AnyTool:
    """The API's memory tool over one namespace: a user, a customer, a project.

    Args:
        workspace: the folder that holds a folder for each namespace.
        namespace: whose memory it is; other namespaces cannot be named by the model.
        options: of `@tool`.

    Raises UsageError where there is no such folder.
    """
    inside = _folder_of(namespace)
    root = ConfinedFolder(workspace, private=True)
    (root.root / inside).mkdir(exist_ok=True)
    files = _Files(ConfinedFolder(root.root / inside, private=True), ROOT + "/")

    def remember(
        command: MemoryCommand,
        path: str | None = None,
        view_range: Annotated[list[Line], Field(min_length=2, max_length=2)] | None = None,
        file_text: str | None = None,
        old_str: str | None = None,
        new_str: str | None = None,
        insert_line: Annotated[int, Field(ge=0)] | None = None,
        insert_text: str | None = None,
        old_path: str | None = None,
        new_path: str | None = None,
    ) -> str:
        """Look at what is remembered, or change it."""
        if command == "rename":
            source, goal = _inside(old_path or path), _inside(_given(new_path, "new_path"))
            files.folder.rename(source, goal)
            return f"{ROOT}/{source} is now {ROOT}/{goal}"
        where = _inside(path)
        if command == "delete":
            files.folder.remove(where)
            return f"{ROOT}/{where} was deleted"
        return files.perform(
            command, where, view_range, file_text, old_str, new_str, insert_line, insert_text
        )

    given: ToolOptions = {"type": MEMORY, **options}
    made = tool(remember, **given)
    made.reaches = files.folder.root
    return made


def _folder_of(namespace: str) -> str:
    """A folder name of its own for each namespace: other characters are written as %XX."""
    encoded = quote(namespace, safe="").replace(".", "%2E").replace("~", "%7E")
    return encoded or "%"


def _inside(path: str | None) -> str:
    """A path of the model, relative to the memory's folder."""
    given = _given(path, "path")
    if given != ROOT and not given.startswith(ROOT + "/"):
        msg = f"{given[:200]!r} is outside of the memory"
        raise ToolError(msg, hint=f"Paths begin with {ROOT}/.")
    return given.removeprefix(ROOT).strip("/") or "."


def _given(value: str | None, name: str) -> str:
    if value is None:
        msg = f"the command needs {name}"
        raise ToolError(msg, hint=f"Give {name}.")
    return value


class _Files:
    """The commands that both tools have."""

    def __init__(self, folder: ConfinedFolder, prefix: str = "") -> None:
        self.folder = folder
        self._prefix = prefix
        """What the model writes before a path."""

    def perform(
        self,
        command: str,
        path: str,
        view_range: list[int] | None,
        file_text: str | None,
        old: str | None,
        new: str | None,
        line: int | None,
        text: str | None,
    ) -> str:
        """What the model is told. Raises ToolError."""
        match command:
            case "create":
                self._write(path, _given(file_text, "file_text"))
                return f"{self._prefix}{path} was written"
            case "str_replace":
                return self._replace(path, _given(old, "old_str"), new or "")
            case "insert":
                return self._insert(path, line, _given(text, "insert_text"))
            case _:
                return self._view(path, view_range)

    def _view(self, path: str, view_range: list[int] | None) -> str:
        if self.folder.kind(path) == "folder":
            names = [
                f"{e.name}/" if e.kind == "folder" else e.name for e in self.folder.entries(path)
            ]
            return "\n".join(names) or "(the folder is empty)"
        lines = self._read(path).splitlines() or [""]
        first, last = view_range or (1, -1)
        last = len(lines) if last == -1 else last
        if not 1 <= first <= last <= len(lines):
            msg = f"view_range {[first, last]} is not within the file's lines, 1 to {len(lines)}"
            raise ToolError(msg, hint="Give the first and the last line; -1 is the file's last.")
        shown = enumerate(lines[first - 1 : last], first)
        return "\n".join(f"{number:6}\t{line}" for number, line in shown)

    def _replace(self, path: str, old: str, new: str) -> str:
        whole = self._read(path)
        found = whole.count(old) if old else 0
        if found != 1:
            times = "does not occur" if not found else f"occurs {found} times"
            msg = f"old_str {times} in {self._prefix}{path}"
            raise ToolError(msg, hint="Give text that occurs exactly once, with its line breaks.")
        at = whole.index(old)
        self._write(path, whole[:at] + new + whole[at + len(old) :])
        number = whole.count("\n", 0, at) + 1
        return f"{self._prefix}{path} was changed at line {number}"

    def _insert(self, path: str, line: int | None, text: str) -> str:
        lines = self._read(path).splitlines(keepends=True)
        if line is None or line > len(lines):
            msg = f"insert_line must be from 0 to {len(lines)}"
            raise ToolError(msg, hint="The text is put after that line; 0 puts it first.")
        if line and not lines[line - 1].endswith("\n"):
            lines[line - 1] += "\n"
        lines.insert(line, text if text.endswith("\n") or line == len(lines) else text + "\n")
        self._write(path, "".join(lines))
        return f"{self._prefix}{path} has the text after line {line}"

    def _read(self, path: str) -> str:
        with self.folder.open_file(path) as fd:
            data = os.pread(fd, LARGEST + 1, 0)
        if len(data) > LARGEST:
            msg = f"{self._prefix}{path} is larger than {LARGEST} bytes"
            raise ToolError(msg, hint="Work on a smaller file.")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            msg = f"{self._prefix}{path} is no text in UTF-8"
            raise ToolError(msg, hint="Only text files can be edited.") from error

    def _write(self, path: str, text: str) -> None:
        data = text.encode()
        if len(data) > LARGEST:
            msg = f"the file would be larger than {LARGEST} bytes"
            raise ToolError(msg, hint="Write less, or several files.")
        self.folder.replace_file(path, data, overwrite=True)
