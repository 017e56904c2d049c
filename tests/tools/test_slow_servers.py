"""`fetch` ends at its deadline, however slowly a server goes on, and its thread is free again."""

import socket
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager

import pytest

from playhead.tools.builtin.address_guard import AddressGuard
from playhead.tools.builtin.fetch import fetch_tool
from playhead.tools.execution.workers import Threads
from tests.tools.calls import call, failure_of, result_of
from tests.tools.web_server import Answer, serving

SECONDS = 0.4
PACE = 0.02
"""Seconds between two bytes: far less than any timeout of one read."""

BOUND = 20.0
"""Seconds after which the server gives up on a client that neither comes nor reads."""

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "status line": (b"", b"H"),
    "header": (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
    "many headers": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "endless 100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "length of a chunk": (CHUNKED, b"0"),
    "extension of a chunk": (CHUNKED + b"1;", b"x"),
    "chunks": (CHUNKED, b"1\r\nx\r\n"),
    "trailer": (CHUNKED + b"0\r\nX: ", b"x"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", b"x"),
    "redirect": (b"HTTP/1.1 302 Found\r\nLocation: /\r\nX: ", b"x"),
    "nothing at all": (b"", b""),
}


@contextmanager
def dripping(first: bytes, then: bytes) -> Generator[str]:
    """The `host:port` of a server that says `first`, and then `then` for ever."""
    stop = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            server.settimeout(BOUND)
            connection, _ = server.accept()
            connection.settimeout(BOUND)
            with closing(connection):
                try:
                    connection.sendall(first)
                    while not stop.wait(PACE):
                        connection.sendall(then)
                except OSError:
                    """The client has left."""

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("drip", DRIPS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_drips_holds_neither_the_call_nor_its_thread(scheme: str, drip: str) -> None:
    workers = Threads(1)  # a second call finds the one thread free, or waits for ever
    page = Answer(200, {"Content-Type": "text/plain"}, b"hello")
    with dripping(*DRIPS[drip]) as slow, serving(lambda _: page) as (quick, _):
        fetch = fetch_tool(AddressGuard(allow=[slow, quick]), seconds=SECONDS)
        failed = failure_of(call(fetch, workers, url=f"{scheme}://{slow}/"))
        assert failed.error == "ToolError"  # by fetch itself, not by the limit on tools around it
        if scheme == "http" and drip != "many headers":  # the client counts headers itself
            assert "no whole answer in time" in failed.message
        assert result_of(call(fetch, workers, url=f"http://{quick}/"))["text"] == "hello"
    workers.close()
