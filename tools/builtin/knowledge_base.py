"""`search_kb`: finds passages in a folder of texts by full-text search (BM25)."""

import os
import re
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from playhead.events.errors import UsageError
from playhead.tools.tool import AnyTool, tool

SUFFIXES = (".md", ".txt", ".rst")
CHUNK = 1_200
"""Approximate characters per passage."""
MAX_FILE = 5_000_000
TOP = 5


class Passage(BaseModel):
    """A passage of a text."""

    title: str
    path: str
    text: str


class _Index:
    """An in-memory SQLite full-text index of the folder's passages, rebuilt when files change."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        weakref.finalize(self, self._db.close)  # it lives as long as the tools that search it
        fields = "title, path UNINDEXED, text, tokenize='porter unicode61 remove_diacritics 2'"
        self._db.execute(f"CREATE VIRTUAL TABLE passages USING fts5({fields})")

    def search(self, query: str, count: int) -> list[Passage]:
        """The best passages that match any of the words."""
        words = re.findall(r"\w+", query)[:32]
        if not words:
            return []
        with self._lock:
            self._refresh()
            found = self._db.execute(
                "SELECT title, path, text FROM passages WHERE passages MATCH ?"
                " ORDER BY bm25(passages, 3.0, 1.0, 1.0) LIMIT ?",
                (" OR ".join(f'"{word}"' for word in words), count),
            )
            return [Passage(title=title, path=path, text=text) for title, path, text in found]

    def _refresh(self) -> None:
        seen = tuple(self._files())
        if seen == self._seen:
            return
        self._db.execute("DELETE FROM passages")
        for path, _, _ in seen:
            text = (self._folder / path).read_text("utf-8", "replace")
            rows = [(title, path, part) for title, part in passages(text, path)]
            self._db.executemany("INSERT INTO passages VALUES (?, ?, ?)", rows)
        self._seen = seen

    def _files(self) -> Iterator[tuple[str, int, int]]:
        """Path, modification time and size of each text; links are not followed."""
        for top, folders, names in os.walk(self._folder):
            folders[:] = sorted(f for f in folders if not f.startswith("."))
            for name in sorted(names):
                path = Path(top, name)
                if path.suffix.lower() not in SUFFIXES or path.is_symlink():
                    continue
                about = path.stat()
                if about.st_size <= MAX_FILE:
                    relative = path.relative_to(self._folder).as_posix()
                    yield relative, about.st_mtime_ns, about.st_size


def passages(text: str, path: str) -> Iterator[tuple[str, str]]:
    """(title, passage): paragraphs joined up to a size, with the heading that they stand under."""
    title, part = Path(path).stem, ""
    for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        heading = re.match(r"#{1,6}\s+(.+)", paragraph.strip())
        if part and (heading or len(part) + len(paragraph) > CHUNK):
            yield title, part.strip()
            part = ""
        if heading:
            title = heading[1].strip()
        part += paragraph + "\n\n"
    if part.strip():
        yield title, part.strip()


def search_kb_tool(folder: str | os.PathLike[str]) -> AnyTool:
    """The tool `search_kb` for a folder of .md, .txt and .rst. Raises UsageError without it."""
    root = Path(folder).resolve()
    if not root.is_dir():
        msg = f"search_kb: {root} is not a folder: create it first"
        raise UsageError(msg)
    index = _Index(root)

    def search_kb(query: Annotated[str, Field(min_length=1, max_length=400)]) -> list[Passage]:
        """Search the knowledge base for passages.

        Use it before you answer from memory something that the knowledge base may cover, and before
        you search the web.

        Args:
            query: The words to look for; any of them may match, and rare words count more.

        Returns:
            The five best passages, each with its heading and its file.
        """
        return index.search(query, TOP)

    made = tool(search_kb, effect="read", when_empty="Use other words: synonyms, or fewer.")
    made.reaches = root
    return made
