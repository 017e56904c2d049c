"""Every backend passes the one contract."""

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
