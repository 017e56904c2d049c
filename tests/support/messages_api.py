"""The Messages API over real HTTP on a free local port, with injectable faults.

    with MessagesApi([message(text("Hello"))]) as api:
        AnthropicModel(base_url=api.url)

Answers come from a list, in order, or from a function of the received body. `counting` is the
policy of the benchmarks; `python -m tests.support.messages_api` serves it from its own process.
"""

import argparse
import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = Any
Block: TypeAlias = dict[str, Json]

EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}
JSON = {"content-type": "application/json"}
PIECE = 7
"""Characters per delta, chosen so that names, escapes and emoji are split."""


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
    hang: bool = False
    """Nothing more is sent, and the connection stays open, until the server stops."""


Policy: TypeAlias = Callable[[bytes], Answer]


def sse(events: Iterable[dict[str, Json]]) -> bytes:
    return b"".join(
        f"event: {e['type']}\ndata: {json.dumps(e, ensure_ascii=False)}\n\n".encode()
        for e in events
    )


def text(words: str) -> Block:
    return {"type": "text", "text": words}


def call(tool: str, arguments: dict[str, Json] | str, use: str = "toolu_1") -> Block:
    """A tool call; arguments given as text are sent unchanged, whether valid JSON or not."""
    return {"type": "tool_use", "id": use, "name": tool, "input": arguments}


def message(
    *blocks: Block,
    stop_reason: str | None = None,
    output_tokens: int = 7,
    usage: dict[str, Json] | None = None,
    **more: dict[str, Json],
) -> Answer:
    """A streamed reply of these blocks; `usage` is that of its input, `more` as below."""
    calls = any(block["type"] == "tool_use" for block in blocks)
    reason = stop_reason or ("tool_use" if calls else "end_turn")
    return Answer(sse(message_events(blocks, reason, output_tokens, usage, **more)))


def message_events(
    blocks: Sequence[Block],
    stop_reason: str | None,
    output_tokens: int = 7,
    usage: dict[str, Json] | None = None,
    *,
    start: dict[str, Json] | None = None,
    delta: dict[str, Json] | None = None,
    beside: dict[str, Json] | None = None,
    final: dict[str, Json] | None = None,
) -> Iterator[dict[str, Json]]:
    """The events of a reply.

    More fields can be given for the message of its start, for the delta at its end, for what lies
    beside that delta, and for the final usage.
    """
    usage = usage or {
        "input_tokens": 11, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3,
    }  # fmt: skip
    first: dict[str, Json] = {
        **{"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-stub"},
        **(start or {}),
        "content": [],
        "stop_reason": None,
        "usage": {**usage, "output_tokens": 1},
    }
    yield {"type": "message_start", "message": first}
    yield {"type": "ping"}
    for index, block in enumerate(blocks):
        opened, deltas = _deltas(block)
        yield {"type": "content_block_start", "index": index, "content_block": opened}
        for each in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": each}
        yield {"type": "content_block_stop", "index": index}
    stop = {"stop_reason": stop_reason, "stop_sequence": None, **(delta or {})}
    counted = {"output_tokens": output_tokens, **(final or {})}
    yield {"type": "message_delta", "delta": stop, "usage": counted, **(beside or {})}
    yield {"type": "message_stop"}


def _deltas(block: Block) -> tuple[Block, list[dict[str, Json]]]:
    match block["type"]:
        case "text":
            deltas = [{"type": "text_delta", "text": p} for p in _pieces(block["text"])]
            if block.get("citations"):
                cited = [{"type": "citations_delta", "citation": c} for c in block["citations"]]
                return {**block, "text": "", "citations": []}, [*deltas, *cited]
            return {**block, "text": ""}, deltas
        case "compaction":
            delta = {"type": "compaction_delta", **{k: v for k, v in block.items() if k != "type"}}
            return {"type": "compaction", "content": None, "encrypted_content": None}, [delta]
        case "thinking":
            pieces = _pieces(block["thinking"])
            deltas = [{"type": "thinking_delta", "thinking": p} for p in pieces]
            signature = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*deltas, signature]
        case "tool_use" | "server_tool_use":
            given = block["input"]
            pieces = _pieces(given if isinstance(given, str) else json.dumps(given))
            deltas = [{"type": "input_json_delta", "partial_json": p} for p in pieces]
            return {**block, "input": {}}, deltas
        case _:
            return block, []


def _pieces(whole: str) -> list[str]:
    return [whole[i : i + PIECE] for i in range(0, len(whole), PIECE)]


def failure(
    status: int,
    error: str = "",
    said: str = "no",
    *,
    headers: dict[str, str] | None = None,
    details: dict[str, Json] | None = None,
) -> Answer:
    """An HTTP error; without an error type its body is text, like a proxy's."""
    told = {"type": error, "message": said, **({"details": details} if details else {})}
    body = json.dumps({"type": "error", "error": told}) if error else said
    kind = JSON if error else {"content-type": "text/plain"}
    return Answer(body.encode(), status, {**kind, **(headers or {})})


def counting(steps: int, wait: float = 0.0) -> Policy:
    """Calls add(a=k, b=1) until there are `steps` results, then answers. Keeps no state."""

    def answer(body: bytes) -> Answer:
        k = body.count(b'"tool_result"')
        if k < steps:
            words = text(f"Step {k}: I add one to the counter.")
            reply = message(words, call("add", {"a": k, "b": 1}, f"toolu_{k:08d}"))
        else:
            reply = message(text(f"Done. The counter is {k}."))
        return Answer(reply.body, wait=wait)

    return answer


class MessagesApi:
    """The server, on its own thread while it is open."""

    def __init__(self, answers: Sequence[Answer] | Policy, port: int = 0) -> None:
        self.bodies: list[bytes] = []
        """The requests, as they arrived over the wire."""
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        """Connections opened in total."""
        self.dropped = threading.Event()
        """Whether a client disconnected before it had received its whole answer."""
        self._policy = answers if callable(answers) else _in_order(answers)
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="messages-api", daemon=True)
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def requests(self) -> list[dict[str, Json]]:
        """The requests as JSON."""
        return [json.loads(body) for body in self.bodies]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> "MessagesApi":
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
        self.headers.append(headers)
        self.bodies.append(body)
        answer = self._policy(body)
        if answer.wait:
            await asyncio.sleep(answer.wait)
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
        return next(left, None) or failure(400, "invalid_request_error", "the stub has no more")

    return answer


def _head(answer: Answer, length: str) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} X", length, "request-id: req_1"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def main() -> None:
    """Serve the counting policy until standard input ends; the first line printed is the URL."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--wait", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    with MessagesApi(counting(given.steps, given.wait), given.port) as api:
        print(api.url, flush=True)  # noqa: T201
        try:
            while input():
                pass
        except EOFError:
            pass


if __name__ == "__main__":
    main()
