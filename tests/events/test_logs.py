"""Every backend passes the one contract."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from playhead.events.log.contract import Log
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.log import SqliteLog
from playhead.testing.log_contract import LogContract


class TestMemoryLog(LogContract):
    @pytest.fixture
    def log(self) -> Log:
        return MemoryLog()


class TestSqliteLog(LogContract):
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[Log]:
        with SqliteLog(tmp_path / "a.db", "normal") as log:
            yield log


class TestSqliteLogOnApsw(LogContract):
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[Log]:
        with SqliteLog(tmp_path / "a.db", "normal", "apsw") as log:
            yield log


BACKEND = """
import sys
sys.modules["hypothesis"] = None
import pytest
from playhead.logs import MemoryLog
from playhead.testing.log_contract import LogContract

class Forgetful(MemoryLog):
    def has_command(self, command):
        return False

class TestMine(LogContract):
    @pytest.fixture
    def log(self):
        return {log}()
"""


@pytest.mark.parametrize(("log", "failed"), [("MemoryLog", 0), ("Forgetful", 3)])
def test_a_backend_of_somebody_else_runs_the_contract_with_pytest_alone(
    tmp_path: Path, log: str, failed: int
) -> None:
    (tmp_path / "test_mine.py").write_text(BACKEND.format(log=log))
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == bool(failed), done.stdout
    assert (f"{failed} failed" in done.stdout) == bool(failed)
