"""`query_database`: asks an SQLite file, and cannot change it."""

import os
import sqlite3
import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from playhead.events.errors import ToolError, UsageError
from playhead.tools.tool import AnyTool, tool

ROWS = 200
SECONDS = 5.0
CELL = 2_000
"""Characters of one value that are shown."""

LARGEST = 10_000_000
"""Bytes of one value, within a query too: what SQLite makes is made in this process."""

ALLOWED = (
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
)
FORBIDDEN_FUNCTIONS = ("load_extension", "fts3_tokenizer", "writefile", "readfile", "edit")


class Rows(BaseModel):
    """What a query gave."""

    columns: list[str]
    rows: list[list[Any]]
    more: bool
    """There were more rows than are given."""


def database_tools(
    path: str | os.PathLike[str], *, rows: int = ROWS, seconds: float = SECONDS
) -> list[AnyTool]:
    """`describe_database` and `query_database` for one file. Raises UsageError without one."""
    file = Path(path).resolve()
    if not file.is_file():
        msg = f"query_database: there is no file {file}"
        raise UsageError(msg)

    def describe_database() -> str:
        """Say which tables the database has, and their columns.

        Use it before query_database, to know the names.

        Returns:
            The statements that made the tables and views.
        """
        with closing(_connect(file)) as db:
            found = db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            return ";\n".join(sql for (sql,) in found)

    def query_database(sql: str) -> Rows:
        """Ask the database one question in SQL. It can only be read, never changed.

        Use describe_database first when you do not know the tables. Use LIMIT and aggregates rather
        than reading whole tables.

        Args:
            sql: One SELECT statement in SQLite's dialect.

        Returns:
            The columns and rows; `more` is true when there were more rows than are given.
        """
        with closing(_connect(file)) as db:
            return _asked(db, sql, rows, seconds)

    tools: list[AnyTool] = [
        tool(describe_database, effect="read", when_empty="The database has no tables."),
        tool(query_database, effect="read", timeout=seconds + 10, when_empty="Widen the WHERE."),
    ]
    for each in tools:
        each.reaches = file
    return tools


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)


def _asked(db: sqlite3.Connection, sql: str, rows: int, seconds: float) -> Rows:
    deadline = time.monotonic() + seconds
    db.execute("PRAGMA query_only = ON")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    db.set_progress_handler(lambda: time.monotonic() > deadline, 1_000)
    db.set_authorizer(_authorize)
    try:
        cursor = db.execute(sql)
        found = [[_cell(value) for value in row] for row in islice(cursor, rows + 1)]
    except sqlite3.OperationalError as error:
        if str(error) == "interrupted":
            msg = f"the query took longer than {seconds:g} s"
            raise ToolError(msg, hint="Ask for less: a WHERE, an index, a LIMIT.") from error
        raise _wrong(error) from error
    except (sqlite3.Error, sqlite3.Warning, ValueError, MemoryError) as error:
        raise _wrong(error) from error
    columns = [each[0] for each in cursor.description or ()]
    return Rows(columns=columns, rows=found[:rows], more=len(found) > rows)


def _authorize(action: int, name: str | None, function: str | None, *_: object) -> int:
    named = action == sqlite3.SQLITE_FUNCTION and (function or "").lower() in FORBIDDEN_FUNCTIONS
    return sqlite3.SQLITE_OK if action in ALLOWED and not named else sqlite3.SQLITE_DENY


def _wrong(error: Exception) -> ToolError:
    if "not authorized" in str(error) or "prohibited" in str(error):
        return ToolError("only SELECT is allowed", hint="The database can be read, not changed.")
    if isinstance(error, sqlite3.DataError):
        msg = f"a value of the query is larger than {LARGEST} bytes"
        return ToolError(msg, hint="Ask for a part of it: substr(), length(), fewer columns.")
    hint = "Mend the SQL; describe_database says the tables and columns."
    return ToolError(f"the query is wrong: {error}", hint=hint)


def _cell(value: object) -> object:
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if isinstance(value, str) and len(value) > CELL:
        return f"{value[:CELL]}... ({len(value)} characters)"
    return value
