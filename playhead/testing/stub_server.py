"""A model's API over real HTTP on a free local port, with injectable faults.

    with StubServer([Answer(body)]) as api:
        AnthropicModel(base_url=api.url)

Answers come from a list, in order, or from a function of the received body.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

Json: TypeAlias = Any

EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}
JSON = {"content-type": "application/json"}
NO_MORE = b'{"error": {"message": "the stub has no more"}}'


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(EVENT_STREAM))
    cut: int | None = None
    """Only this many bytes of the body are sent, then the connection is closed..."""
    abrupt: bool = False
    """...in the middle of a chunk, instead of as if the body were complete."""
    wait: float = 0.0
    """Seconds before anything is sent."""
    mute: bool = False
    """Nothing is sent, and the connection is closed."""
    hang: bool = False
    """Nothing more is sent, and the connection stays open, until the server stops."""


Policy: TypeAlias = Callable[[bytes], Answer]


class StubServer:
    """The server, on its own thread while it is open."""

    def __init__(self, answers: Sequence[Answer] | Policy, port: int = 0) -> None:
        self.bodies: list[bytes] = []
        """The requests, as they arrived over the wire."""
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        """Connections opened in total."""
        self.dropped = threading.Event()
        """Whether a client disconnected before it had received its whole answer."""
        self._policy = answers if callable(answers) else _in_order(answers)
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="stub-server", daemon=True)
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def requests(self) -> list[dict[str, Json]]:
        """The requests as JSON."""
        return [json.loads(body) for body in self.bodies]

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, backlog=4096)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            pass  # the server stops
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; returns whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        headers = {
            k.lower(): v for k, _, v in (line.partition(": ") for line in head.split("\r\n"))
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.paths.append(head.split(" ", 2)[1])
        self.headers.append(headers)
        self.bodies.append(body)
        answer = self._policy(body)
        if answer.wait:
            await asyncio.sleep(answer.wait)
        if answer.mute:
            return False
        if answer.cut is None and not answer.hang:
            writer.write(_head(answer, f"content-length: {len(answer.body)}") + answer.body)
            await writer.drain()
            return True
        return await self._send_less(answer, reader, writer)

    async def _send_less(
        self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        part = answer.body[: answer.cut]
        if answer.abrupt or answer.hang:
            chunk = f"{len(answer.body) + 1:x}\r\n".encode()  # announces more than it sends
            writer.write(_head(answer, "transfer-encoding: chunked") + chunk + part)
        else:
            writer.write(_head(answer, "connection: close") + part)
        await writer.drain()
        if answer.hang:
            await reader.read()  # returns when the client disconnects
            self.dropped.set()
        return False


def _in_order(answers: Sequence[Answer]) -> Policy:
    left = iter(answers)

    def answer(_: bytes) -> Answer:
        return next(left, None) or Answer(
            b'{"error": {"message": "the stub has no more"}}', 400, JSON
        )

    return answer


def _head(answer: Answer, length: str) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} X", length, "request-id: req_1", "x-request-id: req_1"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
