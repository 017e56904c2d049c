"""`query_database` is bounded in time, memory, columns, rows and values, whatever the SQL asks."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from playhead.tools.builtin import query_process
from playhead.tools.builtin.database import database_tools
from playhead.tools.execution.workers import Threads
from tests.tools.calls import call, failure_of, result_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "made.db"
    with closing(sqlite3.connect(made)) as db, db:
        db.execute("CREATE TABLE t (x)")
        db.execute("INSERT INTO t VALUES (1)")
    return made


NUMBERS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT {most})"
BLOBS = ", ".join(["zeroblob(10000000)"] * 150)
ENDLESS = (
    f"SELECT {BLOBS}",
    f"SELECT {', '.join(['zeroblob(10000000)'] * 100)}",
    f"SELECT {', '.join(['hex(zeroblob(1000000))'] * 100)}",
    f"{NUMBERS.format(most=10**6)} SELECT randomblob(1000000) b FROM n ORDER BY b",
    f"{NUMBERS.format(most=10**6)} SELECT count(DISTINCT randomblob(1000000)) FROM n",
    f"{NUMBERS.format(most=10**6)} SELECT group_concat(randomblob(100000)) FROM n GROUP BY x % 500",
)  # fmt: skip
MEASURED = """
import json, resource, sys
from playhead.events.errors import ToolError
from playhead.tools.builtin.database import database_tools
for sql in json.loads(sys.argv[2]):
    try:
        database_tools(sys.argv[1], seconds=3)[1].function(sql=sql)
        print("answered")
    except ToolError as error:
        print(error)
# Not ru_maxrss of this process: that begins at the size of the process that started it.
own = next(int(line.split()[1]) for line in open("/proc/self/status") if "VmHWM" in line)
print(max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on address space is Linux's")
def test_no_query_takes_more_memory_than_it_may(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(file), json.dumps(ENDLESS)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    *said, peak = done.stdout.splitlines()
    assert len(said) == len(ENDLESS)
    assert "answered" not in said
    assert int(peak) <= query_process.MEMORY


def test_one_long_step_of_sqlite_is_ended_and_its_thread_is_free(file: Path) -> None:
    workers = Threads(1)
    query = database_tools(file, seconds=0.1)[1]
    stuck = "SELECT instr(zeroblob(9000000) || x'01', zeroblob(4500000) || x'02')"
    assert "longer than" in failure_of(call(query, workers, sql=stuck)).message
    assert result_of(call(query, workers, sql="SELECT x FROM t"))["rows"] == [[1]]
    workers.close()


def test_columns_beyond_the_bound_are_refused_with_their_number(file: Path) -> None:
    failed = failure_of(call(database_tools(file)[1], sql=f"SELECT {', '.join(['1'] * 150)}"))
    assert "150 columns; at most 100" in failed.message
    assert "Name the columns" in str(failed.hint)


def test_a_value_a_row_and_all_rows_are_cut_and_say_so(file: Path) -> None:
    query = database_tools(file)[1]
    value = result_of(call(query, sql="SELECT printf('%.*c', 5000, 'x')"))["rows"][0][0]
    assert value == "x" * query_process.CELL + "... (5000 characters)"
    wide = ", ".join(["printf('%.*c', 5000, 'x')"] * 100)
    row = result_of(call(query, sql=f"SELECT {wide}"))["rows"][0]
    assert sum(map(len, row)) <= query_process.ROW + 100 * len("... (5000 characters)") + 100
    assert row[-1] == "... (5000 characters)"
    sql = f"{NUMBERS.format(most=200)} SELECT {wide} FROM n"
    found = result_of(call(query, sql=sql))
    assert found["more"]
    assert 0 < sum(len(cell) for row in found["rows"] for cell in row) <= query_process.SHOWN


def test_a_statement_that_is_too_long_is_refused(file: Path) -> None:
    sql = f"SELECT '{'x' * query_process.STATEMENT}'"
    assert failure_of(call(database_tools(file)[1], sql=sql)).error == "ToolError"
