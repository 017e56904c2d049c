"""The log in PostgreSQL, on a real server: the contract, its owner, crashes of the database."""

from collections.abc import Iterator

import psycopg
import pytest

from playhead.events.errors import LogError, LogOwned, UsageError
from playhead.events.log.contract import Log
from playhead.events.log.postgres.log import PostgresLog
from playhead.events.log.postgres.reader import PostgresReader
from playhead.events.maintenance.verify import verify
from playhead.testing.appends import say
from playhead.testing.log_contract import LogContract, texts
from tests.events.postgres_server import PostgresServer


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as started:
        yield started


@pytest.fixture
def url(server: PostgresServer) -> str:
    return server.database()


class TestPostgresLog(LogContract):
    @pytest.fixture
    def log(self, url: str) -> Iterator[Log]:
        with PostgresLog(url, "normal") as log:
            yield log


def test_what_was_appended_is_there_when_the_log_is_opened_again(url: str) -> None:
    with PostgresLog(url) as log:
        say(log, "a", "1", "2")
    with PostgresLog(url) as log:
        assert say(log, "a", "3") == 3
        assert texts(log, "a") == ["1", "2", "3"]
        assert verify(log, None).problems == []


def test_a_second_owner_is_refused_and_a_reader_is_not(url: str) -> None:
    with PostgresLog(url) as log:
        say(log, "a", "1")
        with pytest.raises(LogOwned, match=r"session \d+ from 127"):
            PostgresLog(url)
        reader = PostgresReader(url)
        assert texts(log, "a") == [row.run and "1" for row in reader.read("a")]
        reader.close()


def test_a_database_without_a_log_and_an_address_of_nobody_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="there is no log in"):
        PostgresReader(url)
    with pytest.raises(LogError, match="cannot be opened"):
        PostgresLog("postgresql://postgres@127.0.0.1:1/nothing")


@pytest.mark.parametrize("table", ["streams", "records", "bodies", "anchors"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_the_database_refuses_to_change_what_was_recorded(
    url: str, table: str, change: str
) -> None:
    with PostgresLog(url) as log:
        say(log, "a", "1")
        with psycopg.connect(url) as other, pytest.raises(psycopg.errors.RaiseException):
            other.execute(change.format(table).encode())
        assert texts(log, "a") == ["1"]


def test_a_crash_of_the_database_loses_nothing_acknowledged(
    server: PostgresServer, url: str
) -> None:
    with PostgresLog(url) as log:
        for number in range(3):
            say(log, "a", f"before {number}")
            server.crash()
            with pytest.raises(LogError):
                log.head("a")
            server.start()
            assert log.head("a").seq == 2 * number + 1
            say(log, "a", f"after {number}")
        assert len(texts(log, "a")) == 6
        assert verify(log, None).problems == []


def test_a_session_ended_by_the_server_is_replaced_at_the_next_append(url: str) -> None:
    with PostgresLog(url) as log:
        say(log, "a", "1")
        with psycopg.connect(url) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert say(log, "a", "2") == 2
        assert texts(log, "a") == ["1", "2"]
