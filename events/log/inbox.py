"""Commands from other processes: `<log>.inbox`, a small SQLite file beside the log.

Only the owner writes to a log. Other processes put commands here; the owner appends each one as a
record from outside and removes it, or answers it if it no longer applies. A command that was
appended but not yet removed is recognised by its id, which is unique in the log.
"""

import json
import sqlite3
import time
import uuid
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from playhead.events.codec import encode, stored_kind
from playhead.events.errors import LogError, LogTooNew, NotStorable
from playhead.events.event import Event
from playhead.events.kinds.approvals import ApprovalDecided
from playhead.events.kinds.runs import RunResumed
from playhead.events.kinds.tool_calls import CallAnswered
from playhead.events.log.private_files import make_private
from playhead.events.log.sqlite.driver import BUSY_MS
from playhead.events.registry import KINDS

if TYPE_CHECKING:
    from sqlite_utils.db import Table

LOOK = 0.05
"""Seconds between two looks for an answer."""

FORMAT = 1
"""`PRAGMA user_version` of an inbox."""

SPOKEN = frozenset({
    "approval_decided", "call_answered", "cancel_requested", "message_received", "run_paused",
    "run_resumed", "schedule_cancelled", "tool_resolved",
})  # fmt: skip
"""The kinds that people and programs may send to a run; no other kind is ever appended."""

COMMANDS = {
    "id": str,
    "run": str,
    "kind": str,
    "version": int,
    "data": str,
    "at": int,
    "answer": str,
    "answered_at": int,
}


ILL_FORMED = """
    typeof(id) != 'text' OR typeof(run) != 'text' OR typeof(kind) != 'text'
    OR typeof(version) != 'integer' OR typeof(data) != 'text' OR typeof(at) != 'integer'
    OR length(id) NOT BETWEEN 1 AND 100 OR length(run) > 200 OR length(kind) > 100
    OR length(data) > 4000000
"""
NOT_OURS = "not a command that Playhead writes: its fields have the wrong types or sizes"

AT_ONCE = 1_000
"""Commands per read; the others follow in the next one."""

SELECT = f"SELECT {', '.join(COMMANDS)} FROM commands"


class Command(NamedTuple):
    """An event to append to a run, sent by another process."""

    id: str
    run: str
    kind: str
    version: int
    data: str
    """The event as JSON, without its kind."""
    at: int
    """When it was put here: microseconds since the Unix epoch."""
    answer: str | None = None
    """Why it was not appended; None while it waits."""
    answered_at: int | None = None

    def event(self) -> Event:
        """The event to append. Raises NotStorable if this code does not know it."""
        cls = KINDS.get(self.kind)
        if cls is None or self.version != cls.VERSION:
            raise NotStorable(self.kind, f"version {self.version} of it is not known here")
        if self.kind not in SPOKEN:
            raise NotStorable(self.kind, "a run does not accept it from outside")
        try:
            json.loads(self.data, object_pairs_hook=_without_duplicates)
            event = cls.model_validate_json(self.data)
        except (ValidationError, ValueError, RecursionError) as error:
            raise NotStorable(self.kind, str(error).partition("\n")[0]) from error
        if isinstance(event, ApprovalDecided | CallAnswered) and event.by is None:
            raise NotStorable(self.kind, "it does not say who decided (by)")
        if isinstance(event, RunResumed) and event.agent is not None:
            raise NotStorable(self.kind, "no agent is named through the inbox")
        return event


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        msg = f"duplicate keys among {names}"
        raise ValueError(msg)
    return fields


def inbox_path(log: Path | str) -> Path:
    """The path of a log's inbox."""
    log = Path(log)
    return log.with_name(log.name + ".inbox")


def _which(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    return about.st_dev, about.st_ino


class Inbox:
    """Used by senders and the owner, from any thread. The first `put` creates the file."""

    def __init__(self, log: Path | str) -> None:
        self._path = inbox_path(log)
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        """Which file the connection has open."""

    def put(self, run: str, event: Event, *, command: str | None = None) -> Command:
        """Leave a command for the owner. It is committed on disk when this returns.

        Raises NotStorable, like an append.
        """
        encoded = encode(event)
        kind, version = stored_kind(type(event))
        if encoded.fields is None:
            data = encoded.data.decode()
        else:
            data = event.model_dump_json(exclude_none=True, exclude={"kind"})
        at = time.time_ns() // 1000
        put = Command(command or uuid.uuid4().hex, run, kind, version, data, at)
        with self._lock:
            _commands(self._open(create=True)).insert(put._asdict())
        return put

    def waiting(self) -> list[Command]:
        """The unanswered commands, oldest first, at most AT_ONCE.

        Commands that Playhead cannot have written, by their shape, are answered at once.
        """
        waiting = "answered_at IS NULL"
        if self._run(f"{SELECT} WHERE {waiting} AND ({ILL_FORMED}) LIMIT 1"):
            self._run(
                f"UPDATE commands SET answer = ?, answered_at = ? WHERE {waiting}"
                f" AND ({ILL_FORMED})",
                NOT_OURS,
                time.time_ns() // 1000,
            )
        return self._run(f"{SELECT} WHERE {waiting} ORDER BY at, rowid LIMIT {AT_ONCE}")

    def find(self, command: str) -> Command | None:
        """A command by its id; None once the owner has appended it."""
        found = self._run(f"{SELECT} WHERE id = ?", command)
        return found[0] if found else None

    def outcome(self, command: str, seconds: float) -> str | None:
        """What the owner makes of a command within a time; a refused one is removed.

        None once it is appended, why not if it is refused, "" if there is no answer yet.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.find(command)
            if found is None:
                return None
            if found.answer is not None:
                self.remove(command)
                return found.answer
            time.sleep(LOOK)
        return ""

    def answer(self, command: str, text: str) -> None:
        """Record why a command was not appended; it stays for its sender."""
        now = time.time_ns() // 1000
        self._run(
            "UPDATE commands SET answer = ?, answered_at = ? WHERE id = ?", text, now, command
        )

    def remove(self, command: str) -> None:
        """Delete a command: it was appended, or its answer was read."""
        self._run("DELETE FROM commands WHERE id = ?", command)

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _run(self, statement: str, *values: str | int) -> list[Command]:
        """Returns nothing while no command was ever put."""
        with self._lock:
            if _which(self._path) is None:
                return []
            rows = self._open(create=False).execute(statement, values).fetchall()
            return [Command(*row) for row in rows]

    def _open(self, *, create: bool) -> sqlite3.Connection:
        if self._connection is not None and _which(self._path) != self._file:
            self.close()  # deleted or replaced: what is put from now on lies elsewhere
        if self._connection is None:
            if create:
                make_private(self._path)
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
                uri=True,
                timeout=BUSY_MS / 1000,
                isolation_level=None,
                check_same_thread=False,  # the lock sees to it
            )
            try:
                connection.execute("PRAGMA synchronous = full")
                self._file = _which(self._path)
                self._prepare(connection)
            except sqlite3.DatabaseError as error:
                connection.close()
                if isinstance(error, sqlite3.OperationalError):  # another process is using it
                    raise
                msg = f"{self._path}: {error}: move that file away; what waited in it is lost"
                raise LogError(msg) from error
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > FORMAT:
            raise LogTooNew(str(self._path), found, FORMAT)
        if found < FORMAT:
            connection.execute("BEGIN IMMEDIATE")
            _commands(connection).create(
                COMMANDS, pk="id", not_null=set(list(COMMANDS)[:6]), strict=True, if_not_exists=True
            )
            connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.execute("COMMIT")
        made = connection.execute("SELECT type, name FROM sqlite_schema WHERE sql IS NOT NULL")
        columns = connection.execute("SELECT name FROM pragma_table_xinfo('commands')")
        if made.fetchall() != [("table", "commands")] or columns.fetchall() != [*zip(COMMANDS)]:
            msg = f"{self._path} is not an inbox that Playhead made: move it away"
            raise LogError(msg)


def _commands(connection: sqlite3.Connection) -> "Table":
    from sqlite_utils import Database  # slow to import, and most processes put no command

    return Database(connection).table("commands")
