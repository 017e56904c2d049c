"""What runs said, for a search: goals, messages, calls, results, answers and errors by word."""

import re
import sqlite3
from collections.abc import Collection
from typing import TYPE_CHECKING

from playhead.events.kinds.logs import RunsMoved
from playhead.events.record import Record
from playhead.projections.history.timeline import timeline

if TYPE_CHECKING:
    from sqlite_utils import Database

CHARS = 4_000
"""Of one text; what lies beyond is not found."""


class RunText:
    """The view `run_text`. Query it with `find_text`."""

    name = "run_text"
    version = 1
    kinds = frozenset({
        "run_started", "message_received", "tool_requested", "tool_succeeded", "tool_failed",
        "tool_refused", "call_answered", "child_finished", "approval_decided", "run_finished",
        "run_failed", "run_cancelled", "model_answered", "model_failed", "runs_moved",
    })  # fmt: skip

    def create(self, db: "Database") -> None:
        """Make the table."""
        connection: sqlite3.Connection = db.conn
        connection.execute(
            "CREATE VIRTUAL TABLE run_text USING fts5 (run UNINDEXED, text,"
            " tokenize = 'unicode61 remove_diacritics 2')"
        )

    def apply(self, connection: sqlite3.Connection, record: Record) -> None:
        """Fold one record."""
        if isinstance(record.event, RunsMoved):
            gone = [(found.run,) for found in record.event.runs]
            connection.executemany("DELETE FROM run_text WHERE run = ?", gone)
            return
        text = "\n".join(entry.text for entry in timeline([record]))[:CHARS]
        if text:
            connection.execute("INSERT INTO run_text VALUES (?, ?)", [record.run, text])


def find_text(connection: sqlite3.Connection, words: str) -> Collection[str]:
    """The runs in which one text has all of the words, or beginnings of words."""
    terms = [f'"{word}"*' for word in re.findall(r"\w+", words)]
    if not terms:
        return ()
    found = connection.execute(
        "SELECT DISTINCT run FROM run_text WHERE run_text MATCH ?",
        [f"text : ({' AND '.join(terms)})"],
    )
    return {str(run) for (run,) in found}
