"""The log in PostgreSQL, on a real server: the contract, its owner, crashes of the database."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from playhead import Agent, Runtime, tool
from playhead.events.errors import LogError, LogLost, LogOwned, UsageError
from playhead.events.log.contract import Log
from playhead.events.log.postgres.log import PostgresLog
from playhead.events.log.postgres.reader import PostgresReader
from playhead.events.log.postgres.schema import OWNER_LOCK
from playhead.events.maintenance.verify import verify
from playhead.logs import LogReader
from playhead.testing import ScriptedModel, call
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
        anchor = log.anchor()
        assert anchor is not None
        assert anchor.position in (2, 3)  # written now and then
        assert verify(log, anchor).problems == []


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
@pytest.mark.parametrize(
    "change", ["UPDATE {} SET {} = NULL", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
def test_the_database_refuses_to_change_what_was_recorded(
    url: str, table: str, change: str
) -> None:
    with PostgresLog(url) as log:
        say(log, "a", "1")
        column = {"streams": "parent", "bodies": "content"}.get(table, "hash")
        with psycopg.connect(url) as other, pytest.raises(psycopg.errors.RaiseException):
            other.execute(change.format(table, column).encode())
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
    with PostgresLog(url) as log:
        assert verify(log, log.anchor()).problems == []


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


class CuttingProxy:
    """Forwards to the server; once armed, it swallows one answer to COMMIT and cuts."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.armed = False
        self.half = False
        """Whether the server's end stays open, as after a failure of the network."""
        self.cut = 0
        self._closed = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._to)) as server:
            committing = threading.Event()
            up = threading.Thread(target=self._pass, args=(client, server, True, committing))
            up.start()
            self._pass(server, client, False, committing)
            up.join()
            if self.half:
                self._closed.wait()

    def _pass(
        self, source: socket.socket, sink: socket.socket, up: bool, committing: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if up and self.armed and b"COMMIT" in data:
                    self.armed = False
                    committing.set()
                elif not up and committing.is_set():  # the server has answered: it is committed
                    self.cut += 1
                    break
                sink.sendall(data)
        client = source if up else sink
        for end in (client,) if self.half else (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()


def test_a_commit_whose_answer_was_lost_is_found_and_not_written_twice(
    server: PostgresServer, url: str
) -> None:
    proxy = CuttingProxy(server.port)
    try:
        with PostgresLog(url.replace(f":{server.port}/", f":{proxy.port}/")) as log:
            for number in range(1, 6):
                proxy.armed = True
                assert say(log, "a", str(number)) == number
            assert proxy.cut == 5
            assert texts(log, "a") == ["1", "2", "3", "4", "5"]
    finally:
        proxy.close()


def test_a_connection_of_which_the_server_knows_no_end_is_ended_by_its_owner(
    server: PostgresServer, url: str
) -> None:
    proxy = CuttingProxy(server.port)
    proxy.half = True
    try:
        with PostgresLog(url.replace(f":{server.port}/", f":{proxy.port}/")) as log:
            for number in range(1, 4):
                proxy.armed = True
                assert say(log, "a", str(number)) == number
            assert (proxy.cut, texts(log, "a")) == (3, ["1", "2", "3"])
    finally:
        proxy.close()


def test_a_log_that_another_owner_took_over_is_lost_and_says_to_whom(url: str) -> None:
    with PostgresLog(url) as log, psycopg.connect(url, autocommit=True) as other:
        say(log, "a", "1")
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        other.execute("SELECT pg_advisory_lock(%s)", (OWNER_LOCK,))
        with pytest.raises(LogLost, match=r"was taken over: .* session \d+ from"):
            say(log, "a", "2")
        assert [row.seq for row in log.read("a")] == [1]


@tool(effect="read")
def double(number: int) -> int:
    """Double a number. Use it whenever something is doubled.

    Args:
        number: any integer.
    """
    return 2 * number


def doubling(body: dict[str, Any]) -> Any:
    said = [b for m in body["messages"] for b in m["content"] if b["type"] == "tool_result"]
    return "It is 14." if said else call("double", number=7)


def test_a_runtime_runs_on_a_database_and_goes_on_after_the_database_has_crashed(
    server: PostgresServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent(name="doubler", model=ScriptedModel(doubling), tools=[double])
    with Runtime(url) as runtime:
        assert runtime.run(agent, "Double 7.").answer == "It is 14."
        server.crash()
        server.start()
        assert runtime.run(agent, "Again.").answer == "It is 14."
    monkeypatch.setenv("PLAYHEAD_LOG", url)
    with Runtime(agents=[agent]) as runtime:
        rows = runtime.find_runs(agent="doubler")
        assert [row.status for row in rows] == ["finished", "finished"]
        assert all(runtime.replay(row.run).matches for row in rows)
        runtime.memory.remember("Invoices go to Nora", "acme")
        assert runtime.memory.recall("invoices", "acme")[0].text == "Invoices go to Nora"


def test_what_works_on_files_says_so_of_a_database(url: str) -> None:
    with pytest.raises(UsageError, match="is opened by Runtime"):
        LogReader(url)
