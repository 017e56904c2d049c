"""The real small model in its real child process. What it says is its own affair: no test asks."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from jsonschema_rs import is_valid

from playhead.events.errors import ModelError
from playhead.events.model_api import Reply, Request
from playhead.tools.models.local.model import LocalModel
from playhead.tools.models.local.process import LocalProcess
from playhead.tools.models.local.weights import FILE, find_local, weights
from tests.support.rendered import request_of

pytestmark = pytest.mark.skipif(find_local() is not None, reason=str(find_local()))

T = TypeVar("T")
CALCULATOR: dict[str, Any] = {
    "name": "calculator",
    "description": "Calculate.",
    "input_schema": {
        "type": "object",
        "properties": {"expression": {"type": "string"}},
        "required": ["expression"],
        "additionalProperties": False,
    },
}
PAINT: dict[str, Any] = {
    "name": "paint",
    "description": "Paint a wall.",
    "input_schema": {
        "type": "object",
        "properties": {
            "colour": {"enum": ["red", "green"]},
            "coats": {"type": "integer", "minimum": 1, "maximum": 3},
        },
        "required": ["colour", "coats"],
        "additionalProperties": False,
    },
}


class Session:
    """One model and the loop that it lives on."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.model = LocalModel(timeout=600)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def ask(self, request: Request) -> tuple[Reply, str]:
        pieces: list[str] = []
        return self.run(self.model.reply(request, pieces.append)), "".join(pieces)


@pytest.fixture(scope="module")
def local() -> Iterator[Session]:
    session = Session()
    yield session
    session.run(session.model.close())
    session.runner.close()


def test_a_question_is_met_with_a_call_that_fits_the_schema(local: Session) -> None:
    for tool in (CALCULATOR, PAINT):
        reply, told = local.ask(request_of("What is 17 * 23?", tools=[tool]))
        (block,) = reply.content
        assert (block["type"], block["name"], reply.stop_reason) == (
            "tool_use",
            tool["name"],
            "tool_use",
        )
        assert is_valid(tool["input_schema"], block["input"])
        assert told == ""
        assert reply.usage.input_tokens > 0
        assert reply.usage.output_tokens > 0


def test_a_result_is_met_with_an_answer_that_is_streamed(local: Session) -> None:
    goal = "What is 17 * 23?"
    made = {
        "type": "tool_use",
        "id": "t1",
        "name": "calculator",
        "input": {"expression": "17 * 23"},
    }
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "391"}
    reminder = {"type": "text", "text": f"<goal>\n{goal}\n</goal>"}
    reply, told = local.ask(request_of(goal, [made], [result, reminder], tools=[CALCULATOR]))
    assert reply.stop_reason == "end_turn"
    assert told.strip() == reply.content[0]["text"] != ""


def test_an_answer_by_a_schema_is_json_that_fits_it(local: Session) -> None:
    schema = {
        "type": "object",
        "properties": {"product": {"type": "integer"}},
        "required": ["product"],
        "additionalProperties": False,
    }
    output = {"format": {"type": "json_schema", "schema": schema}}
    reply, _ = local.ask(request_of("What is 6 * 7?", output_config=output))
    assert is_valid(schema, json.loads(str(reply.content[0]["text"])))


def test_the_reply_is_never_longer_than_asked(local: Session) -> None:
    reply, _ = local.ask(request_of("Tell me a long story.", max_tokens=2))
    assert reply.stop_reason == "max_tokens"
    assert reply.usage.output_tokens <= 2
    with pytest.raises(ModelError, match="did not finish a tool call"):
        local.ask(request_of("What is 6 * 7?", tools=[CALCULATOR], max_tokens=2))


def test_many_at_once_are_served(local: Session) -> None:
    async def together() -> list[Reply]:
        requests = [request_of(f"What is {n} * 3?", max_tokens=2) for n in range(6)]
        return await asyncio.gather(*(local.model.reply(r, lambda _: None) for r in requests))

    assert len(local.run(together())) == 6


def test_a_server_that_died_is_started_anew(local: Session) -> None:
    short = request_of("What is 6 * 7?", max_tokens=1)
    local.ask(short)
    first = local.model.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    failed: list[ModelError] = []
    try:
        local.ask(short)
    except ModelError as error:  # the kill had not been noticed yet
        failed.append(error)
        local.ask(short)
    assert all(error.retryable for error in failed)
    assert local.model.pid != first


def test_it_answers_nobody_without_the_key() -> None:
    process = LocalProcess()
    try:
        answer = httpx2.post(f"{process.url}/completion", json={"prompt": "hi", "n_predict": 1})
        assert answer.status_code == 401
    finally:
        asyncio.run(process.close())
    assert not process.is_alive()


PARENT = """
from playhead.tools.models.local.process import LocalProcess
process = LocalProcess()
print(process.url, flush=True)
input()
"""


def test_it_ends_with_its_parent_even_if_that_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        url = re.fullmatch(r"http://127.0.0.1:(\d+)\n", parent.stdout.readline())
        assert url is not None
        port = int(url[1])
        connection = socket.create_connection(("127.0.0.1", port))
        parent.kill()
        parent.wait()
    while True:
        with connection, suppress(ConnectionResetError):
            connection.settimeout(60)
            connection.recv(1)  # returns when the server is gone, or tired of a silent client
        try:
            connection = socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            return


def test_weights_that_were_damaged_in_the_cache_are_put_right(tmp_path: Path) -> None:
    path = weights(tmp_path)
    with path.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\0damage\0")
    damaged = path.read_bytes()
    assert weights(tmp_path) == path
    assert path.read_bytes() != damaged
    assert [p.name for p in tmp_path.iterdir()] == [FILE]
