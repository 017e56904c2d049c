"""The local model's server process, from the parent's side: start, complete a text, stop."""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from pydantic_core import from_json

from playhead.events.errors import ModelError
from playhead.events.model_api import OnText
from playhead.tools.models.errors import malformed, one_line, refused, truncated
from playhead.tools.models.local.weights import weights
from playhead.tools.models.stream import EventStream

if TYPE_CHECKING:
    from httpx2 import Response

Constraint: TypeAlias = Mapping[str, Any]
"""What constrains a completion: `grammar` (GBNF), `json_schema`, or `stop` (list of texts)."""


class Completion(NamedTuple):
    """What the model wrote."""

    text: str
    whole: bool
    """It ended by itself, not because it reached the limit."""
    read: int
    """Prompt tokens."""
    written: int


class LocalProcess:
    """llama.cpp's server as a child process. Constructing it blocks until the weights are loaded.

    Raises ModelError `no_local_model` when it cannot start.
    """

    def __init__(self) -> None:
        from httpx2 import AsyncClient

        self.key = key = secrets.token_hex()
        """What requests must carry as a bearer token."""
        self._broken = False
        self.url = self._start(key)
        """Its address; requests without the key are refused."""
        headers = {"Authorization": f"Bearer {key}"}
        self._client = AsyncClient(
            base_url=self.url, headers=headers, timeout=None, trust_env=False
        )

    def _start(self, key: str) -> str:
        command = [sys.executable, "-P", "-m", "playhead.tools.models.local.server", str(weights())]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{key}\n")
        stdin.flush()
        match stdout.readline().split():
            case ["READY", url]:
                return url
            case _:
                code = self._process.wait()
                message = (
                    f"llama.cpp's server exited with {code} instead of starting; to see why, run: "
                )
                message += " ".join(command)
                raise ModelError(error="no_local_model", message=message)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether it can still be used."""
        return not self._broken and self._process.poll() is None

    async def close(self) -> None:
        """Stop it and wait until it has exited."""
        await self._client.aclose()
        self._process.kill()
        await asyncio.to_thread(self._process.communicate)

    async def complete(
        self, prompt: str, limit: int, constraint: Constraint, on_text: OnText
    ) -> Completion:
        """Continue a text by at most `limit` tokens. Raises ModelError."""
        import httpx2

        body = {"prompt": prompt, "n_predict": limit, "temperature": 0, "stream": True}
        asking = self._client.stream("POST", "/completion", json={**body, **constraint})
        try:
            async with asking as response:
                if response.status_code != 200:
                    raise refused(response.status_code, _json(await response.aread()), {})
                return await _completion(response, on_text)
        except httpx2.HTTPError as error:
            self._process.kill()  # it died or is unusable: the next call starts another
            self._broken = True
            why = one_line(error) or type(error).__name__
            message = f"the local model's server broke off: {why}"
            raise ModelError(error="connection", message=message, retryable=True) from error


async def _completion(response: "Response", on_text: OnText) -> Completion:
    events, pieces = EventStream(), list[str]()
    async for chunk in response.aiter_bytes():
        for data in events.feed(chunk):
            event = cast("dict[str, Any]", _json(data))
            if "content" not in event:
                raise refused(200, event, {})
            if event["content"]:
                pieces.append(event["content"])
                on_text(event["content"])
            if event["stop"]:
                whole = event["stop_type"] != "limit"
                read, written = event["tokens_evaluated"], event["tokens_predicted"]
                return Completion("".join(pieces), whole, read, written)
    raise truncated(why="the local model's server broke off in the middle of a reply")


def _json(data: bytes) -> object:
    try:
        return from_json(data)
    except ValueError as error:
        raise malformed(why=f"the local model's server said {one_line(data)}") from error
