"""search_kb, query_database, run_python, run_shell: what people expect, each confined."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from playhead.tools.builtin.code import code_tools
from playhead.tools.builtin.database import database_tools
from playhead.tools.builtin.knowledge_base import search_kb_tool
from playhead.tools.tool import AnyTool
from tests.tools.calls import call, failure_of, result_of


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, amount REAL, note TEXT)")
        db.executemany(
            "INSERT INTO orders VALUES (?, ?, ?)", [(n, n * 1.5, "x") for n in range(500)]
        )
    return file


def query(file: Path, **options: float) -> AnyTool:
    return database_tools(file, **options)[1]  # type: ignore[arg-type]


def test_a_query_gives_columns_and_rows_and_says_when_there_are_more(shop: Path) -> None:
    found = result_of(call(query(shop), sql="SELECT id, amount FROM orders ORDER BY id"))
    assert (found["columns"], found["rows"][2], found["more"]) == (["id", "amount"], [2, 3.0], True)
    assert len(found["rows"]) == 200


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM orders", "UPDATE orders SET amount = 0", "DROP TABLE orders",
        "INSERT INTO orders VALUES (1, 1, 1)", "CREATE TABLE x (y)", "CREATE TEMP TABLE x (y)",
        "ATTACH DATABASE '/tmp/other.db' AS other", "PRAGMA journal_mode = DELETE",
        "PRAGMA query_only = OFF", "VACUUM INTO '/tmp/copy.db'", "SELECT load_extension('/tmp/x')",
        "SELECT 1; DELETE FROM orders", "BEGIN IMMEDIATE", "ANALYZE",
    ],
)  # fmt: skip
def test_a_query_cannot_change_anything(shop: Path, sql: str) -> None:
    before = shop.read_bytes()
    failed = failure_of(call(query(shop), sql=sql))
    assert (failed.error, failed.hint is not None) == ("ToolError", True)
    assert shop.read_bytes() == before


def test_a_query_that_takes_too_long_is_ended(shop: Path) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    assert "longer than" in failure_of(call(query(shop, seconds=0.05), sql=endless)).message


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT zeroblob(900000000)",
        "SELECT hex(zeroblob(6000000))",
        "WITH RECURSIVE c(x) AS (SELECT 'ab' UNION ALL SELECT x || x FROM c) SELECT x FROM c",
    ],
)
def test_a_value_that_would_fill_our_memory_is_never_made(shop: Path, sql: str) -> None:
    failed = failure_of(call(query(shop), sql=sql))
    assert "larger than 10000000 bytes" in failed.message
    assert "substr()" in str(failed.hint)


def test_the_tables_are_described(shop: Path) -> None:
    assert "CREATE TABLE orders" in result_of(call(database_tools(shop)[0]))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    (tmp_path / "refunds.md").write_text(
        "# Refunds\n\nMoney goes back within 14 days.\n\n"
        "## Exceptions\n\nGift cards are not refunded.\n"
    )
    (tmp_path / "shipping.txt").write_text("Parcels leave on weekdays.\n")
    (tmp_path / "image.png").write_bytes(b"\x89PNG gift cards")
    return tmp_path


def test_a_passage_is_found_below_its_title(library: Path) -> None:
    found = result_of(call(search_kb_tool(library), query="are gift cards refunded?"))
    assert (found[0]["title"], found[0]["path"]) == ("Exceptions", "refunds.md")
    assert "not refunded" in found[0]["text"]
    assert len(found) <= 5


def test_a_file_that_changes_is_searched_as_it_is_now(library: Path) -> None:
    search = search_kb_tool(library)
    assert result_of(call(search, query="zebra")) == []
    (library / "new.md").write_text("# Animals\n\nA zebra has stripes.")
    assert result_of(call(search, query="zebra"))[0]["title"] == "Animals"


def test_a_query_of_signs_only_finds_nothing(library: Path) -> None:
    assert result_of(call(search_kb_tool(library), query='"*^ OR (')) == []


def test_code_runs_in_its_folder_without_our_environment(tmp_path: Path) -> None:
    python, shell = code_tools(tmp_path, shell=True)
    assert python.spec.approval is not None
    ran = result_of(call(python, code="import os; print(sorted(os.environ), os.getcwd())"))
    assert (ran["exit_status"], "API_KEY" in ran["output"]) == (0, False)
    assert str(tmp_path) in ran["output"]
    ran = result_of(call(shell, command="echo out; echo err >&2; exit 3"))
    assert (ran["exit_status"], ran["output"]) == (3, "out\nerr\n")


def test_code_that_takes_too_long_is_ended_and_what_it_printed_is_told() -> None:
    [python] = code_tools()
    code = "import time; print('so far', flush=True); time.sleep(600)"
    ran = result_of(call(python, code=code, seconds=1))
    assert (ran["exit_status"], ran["output"]) == (None, "so far\n")


def test_much_output_is_told_by_its_two_ends() -> None:
    [python] = code_tools()
    ran = result_of(call(python, code="print('a' * 50_000 + 'end')"))
    assert ran["output"].startswith("aaa")
    assert ran["output"].endswith("end\n")
    assert "bytes left out" in ran["output"]
