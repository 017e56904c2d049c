"""Performs one query of `query_database`, in a process of its own: `python -I -S query_process.py`.

The request comes as JSON on standard input, the answer goes as JSON to standard output. SQLite's
limits bound a value, the columns and the statement; only a process has a bound on all of its memory
that leaves the log's own SQLite alone, and can be ended in the middle of one long step.

It imports the standard library only: it must start fast, and is run without site-packages.
"""

import json
import sqlite3
import sys
import time
from contextlib import closing, suppress
from itertools import islice
from typing import Any

MEMORY = 256 << 20
"""Bytes of address space, Python's own included."""

LARGEST = 10_000_000
"""Bytes of one value, within a query too."""

STATEMENT = 50_000
"""Bytes of SQL."""

COLUMNS = 100
CELL = 2_000
"""Characters of one value that are shown."""

ROW = 20_000
"""Characters of one row; what is over is left out, and its length is shown."""

SHOWN = 500_000
"""Characters of all rows; those that follow are left out."""

ALLOWED = (
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
)
FORBIDDEN_FUNCTIONS = ("load_extension", "fts3_tokenizer", "writefile", "readfile", "edit")


def answer(uri: str, sql: str, rows: int, seconds: float) -> dict[str, Any]:
    """Columns, rows and whether there were more; or what was wrong, in a word and in words."""
    with closing(sqlite3.connect(uri, uri=True)) as db:
        _limit(db, seconds)
        try:
            cursor = db.execute(sql)
            columns = [each[0] for each in cursor.description or ()]
            if len(columns) > COLUMNS:
                return {"error": "columns", "message": str(len(columns))}
            return {"columns": columns, **_rows(cursor, rows)}
        except sqlite3.OperationalError as error:
            word = "time" if str(error) == "interrupted" else "sql"
            return {"error": word, "message": str(error)}
        except sqlite3.DataError as error:
            return {"error": "value", "message": str(error)}
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            return {"error": "sql", "message": str(error)}


def _limit(db: sqlite3.Connection, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    db.text_factory = _text
    db.execute("PRAGMA query_only = ON")
    db.execute("PRAGMA temp_store = MEMORY")  # a sort fills no disk
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    db.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, STATEMENT)
    db.set_progress_handler(lambda: time.monotonic() > deadline, 1_000)
    db.set_authorizer(_authorize)


def _text(text: bytes) -> str:
    return text.decode(errors="replace")


def _authorize(action: int, _: str | None, function: str | None, *__: object) -> int:
    named = action == sqlite3.SQLITE_FUNCTION and (function or "").lower() in FORBIDDEN_FUNCTIONS
    return sqlite3.SQLITE_OK if action in ALLOWED and not named else sqlite3.SQLITE_DENY


def _rows(cursor: sqlite3.Cursor, most: int) -> dict[str, Any]:
    found, size = list[list[Any]](), 0
    for row in islice(cursor, most + 1):
        shown = _row(row)
        size += sum(map(_size, shown))
        if len(found) == most or size > SHOWN:
            return {"rows": found, "more": True}
        found.append(shown)
    return {"rows": found, "more": False}


def _row(row: tuple[Any, ...]) -> list[Any]:
    shown, left = list[Any](), ROW
    for value in row:
        cell = _cell(value, left)
        left -= _size(cell)
        shown.append(cell)
    return shown


def _cell(value: Any, left: int) -> Any:
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if isinstance(value, str) and len(value) > min(CELL, max(left, 0)):
        return f"{value[: min(CELL, max(left, 0))]}... ({len(value)} characters)"
    return value


def _size(cell: Any) -> int:
    return len(cell) if isinstance(cell, str) else 8


def main() -> None:
    """One request, one answer."""
    with suppress(ImportError):  # a system without such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    request = json.load(sys.stdin)
    try:
        said = answer(**request)
    except MemoryError:
        said = {"error": "memory", "message": ""}
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
