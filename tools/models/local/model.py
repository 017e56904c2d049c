"""The local model: a small model on the CPU, to try and test the runtime without an API key.

llama.cpp's server runs as a child process and is started by the first call. Its grammar makes every
tool call fit the tool's schema. It needs the extra `playhead[local]`.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from playhead.events.errors import ModelError
from playhead.events.event import Block
from playhead.events.model_api import OnText, Reply, Request
from playhead.events.usage import Usage
from playhead.tools.models.errors import truncated
from playhead.tools.models.local.process import Completion, Constraint, LocalProcess
from playhead.tools.models.local.prompt import ANSWER, CALL, Prompt, call_text, render
from playhead.tools.models.stream import strict_object

NAME = "gemma-3-270m"

MAX_CALLS = 6
"""After this many calls in a row it must answer: it does not stop by itself."""

MAX_TOKENS = 400
"""Per completion, unless the request asks for fewer."""


class LocalModel:
    """A Model for demonstrations: it imitates worked examples and understands little.

    `timeout` (seconds) bounds a call, except for the start of the server in the first one.
    """

    def __init__(self, *, timeout: float = 120.0) -> None:
        self._timeout = timeout
        self._process: LocalProcess | None = None
        self._opening = asyncio.Lock()

    async def reply(self, request: Request, on_text: OnText) -> Reply:
        """Ask once: a tool call, a one-line answer, or JSON following the request's schema."""
        process = await self._open()
        try:
            async with asyncio.timeout(self._timeout):
                return await _Turn(process, request, on_text).reply()
        except TimeoutError as error:
            message = f"the local model gave no reply within {self._timeout:g} s"
            raise ModelError(error="timeout", message=message, retryable=True) from error

    @property
    def pid(self) -> int | None:
        """The child's process id; None if it is not running."""
        return self._process.pid if self._process is not None else None

    async def close(self) -> None:
        """End the child process."""
        process, self._process = self._process, None
        if process is not None:
            await process.close()

    async def _open(self) -> LocalProcess:
        async with self._opening:
            if self._process is not None and not self._process.is_alive():
                await self.close()
            if self._process is None:
                self._process = await asyncio.to_thread(LocalProcess)
            return self._process


class _Turn:
    """One reply: first whether to call a tool or to answer, then the call or the answer."""

    def __init__(self, process: LocalProcess, request: Request, on_text: OnText) -> None:
        self._process = process
        self._on_text = on_text
        self._use = f"toolu_{request.hash[:16]}"
        self._body = request.body
        self._schema = _output_schema(self._body)
        self._prompt = render(self._body, as_json=self._schema is not None)
        self._limit = min(int(self._body["max_tokens"]), MAX_TOKENS)
        self._read = self._written = 0

    async def reply(self) -> Reply:
        if await self._wants_tool() and (call := await self._call()) is not None:
            return self._made(call, "tool_use")
        return await self._answer()

    async def _wants_tool(self) -> bool:
        """After a question it is always a tool: otherwise the model would guess."""
        prompt = self._prompt
        if not prompt.tools or len(prompt.calls) >= MAX_CALLS:
            return False
        if not prompt.answering:
            return True
        grammar = f"root ::= {json.dumps(CALL)} | {json.dumps(ANSWER)}"
        return (await self._complete("", {"grammar": grammar})).text == CALL

    async def _call(self) -> Block | None:
        """The call; None if the same call was made already."""
        written = await self._complete(CALL, _json(_any_call(self._prompt)))
        if not written.whole:
            raise truncated(why="the local model did not finish a tool call")
        call = strict_object(written.text)
        if call_text(call["name"], call["arguments"]) in self._prompt.calls:
            return None
        return {
            "type": "tool_use",
            "id": self._use,
            "name": call["name"],
            "input": call["arguments"],
        }

    async def _answer(self) -> Reply:
        schema = self._schema
        constraint: Constraint = {"stop": ["\n"]} if schema is None else _json(schema)
        written = await self._complete(ANSWER, constraint, _without_indent(self._on_text))
        block: Block = {"type": "text", "text": written.text.strip()}
        return self._made(block, "end_turn" if written.whole else "max_tokens")

    async def _complete(
        self, start: str, constraint: Constraint, on_text: OnText = lambda _: None
    ) -> Completion:
        prompt = self._prompt.text + start
        written = await self._process.complete(prompt, self._limit, constraint, on_text)
        self._read = max(self._read, written.read)
        self._written += written.written
        return written

    def _made(self, block: Block, stop_reason: str) -> Reply:
        usage = Usage(input_tokens=self._read, output_tokens=self._written)
        return Reply((block,), stop_reason, usage, NAME)


def _json(schema: Mapping[str, Any]) -> Constraint:
    """JSON on one line: given the choice, this model writes blank lines forever."""
    return {"json_schema": schema, "logit_bias": [["\n" * n, False] for n in (1, 2, 3)]}


def _any_call(prompt: Prompt) -> Mapping[str, Any]:
    """The JSON schema of a call to any of the tools."""
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": tool["name"]}, "arguments": tool["input_schema"]},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in prompt.tools
    ]
    return {"oneOf": calls}


def _output_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    schema: Mapping[str, Any] | None = body.get("output_config", {}).get("format", {}).get("schema")
    return schema


def _without_indent(on_text: OnText) -> OnText:
    """Drop the space that the model writes after `Answer:`."""
    begun = False

    def tell(piece: str) -> None:
        nonlocal begun
        told = piece if begun else piece.lstrip()
        if told:
            begun = True
            on_text(told)

    return tell
