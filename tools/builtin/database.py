"""`query_database`: asks an SQLite file, and cannot change it.

A query runs in a process of its own (query_process.py), bounded in time and memory.
"""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel

from playhead.events.errors import ToolError, UsageError
from playhead.tools.builtin import query_process
from playhead.tools.tool import AnyTool, tool

ROWS = 200
SECONDS = 5.0
SCHEMA = """
    SELECT substr(sql, 1, 10000) FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name LIMIT 500
"""

GRACE = 3.0
"""Seconds for a process to start and to answer, beside those of its query."""


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
            found = db.execute(SCHEMA)
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
        return _asked(file, sql, rows, seconds)

    tools: list[AnyTool] = [
        tool(describe_database, effect="read", when_empty="The database has no tables."),
        tool(query_database, effect="read", timeout=seconds + 10, when_empty="Widen the WHERE."),
    ]
    for each in tools:
        each.reaches = file
    return tools


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(_uri(file), uri=True)


def _uri(file: Path) -> str:
    return f"{file.as_uri()}?mode=ro"


def _asked(file: Path, sql: str, rows: int, seconds: float) -> Rows:
    request = {"uri": _uri(file), "sql": sql, "rows": rows, "seconds": seconds}
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", query_process.__file__],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=seconds + GRACE,
            check=False,
        )
    except subprocess.TimeoutExpired:  # one step of SQLite that it cannot interrupt
        _fail("time", "", seconds)
    try:
        said = json.loads(done.stdout)
    except ValueError:  # it had not even the memory to say so
        _fail("memory", "", seconds)
    if "error" in said:
        _fail(said["error"], said["message"], seconds)
    return Rows(**said)


def _fail(word: str, message: str, seconds: float) -> NoReturn:
    match word:
        case "time":
            msg = f"the query took longer than {seconds:g} s"
            hint = "Ask for less: a WHERE, an index, a LIMIT."
        case "memory":
            msg = "the query needs more memory than it may use"
            hint = "Ask for less: fewer columns, smaller values, a LIMIT."
        case "columns":
            msg = f"the query has {message} columns; at most {query_process.COLUMNS} are given"
            hint = "Name the columns that you need."
        case "value":
            msg = f"a value of the query is larger than {query_process.LARGEST} bytes"
            hint = "Ask for a part of it: substr(), length(), fewer columns."
        case _ if "not authorized" in message or "prohibited" in message:
            msg = "only SELECT is allowed"
            hint = "The database can be read, not changed."
        case _:
            msg = f"the query is wrong: {message}"
            hint = "Mend the SQL; describe_database says the tables and columns."
    raise ToolError(msg, hint=hint)
