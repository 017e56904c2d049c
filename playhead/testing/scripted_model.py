"""Test doubles for agents: a model that follows a script, and costs next to nothing.

ScriptedModel([call("add", a=1, b=2), "It is 3."])                # in order
ScriptedModel([[call("add", a=1, b=2), call("add", a=3, b=4)], "3 and 7."])    # two at once
ScriptedModel([ModelError("overloaded", "busy", retryable=True), "Hello."])    # a fault first
ScriptedModel(lambda body: f"You said {body['messages'][-1]}")    # a function of the request
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, TypeAlias

from playhead.events.errors import ModelError
from playhead.events.event import Block, Json
from playhead.events.model_api import OnText, Reply, Request
from playhead.events.usage import Usage

BYTES_PER_TOKEN = 4
"""Roughly the length of an English token, used for the usage of scripted replies."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call in a script; make one with `call`."""

    tool: str
    arguments: dict[str, Json]


def call(tool: str, arguments: dict[str, Json] | None = None, /, **more: Json) -> Call:
    """A tool call by the model; its arguments as a dict, by name, or both."""
    return Call(tool, {**(arguments or {}), **more})


Part: TypeAlias = str | Call | Block | BaseException
"""Text, a tool call, a literal content block, or a fault that breaks the reply off there."""

Scripted: TypeAlias = Part | Sequence[Part] | Reply
"""One reply. Its stop_reason is tool_use if it calls a tool, else end_turn."""

Script: TypeAlias = Callable[[dict[str, Any]], Scripted | Awaitable[Scripted]]
"""Maps the request's body to the reply; an async one may wait for what its test needs to see."""


class ScriptedModel:
    """A Model that follows a script: replies in order, or a function of each request.

    `latency` is in seconds and uses `sleep`, so that a virtual clock can control it. At the end of
    the script, a call fails with the ModelError `script_ended`.
    """

    def __init__(
        self,
        script: Sequence[Scripted] | Script,
        *,
        latency: float = 0.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.requests: list[Request] = []
        """The requests so far, in order; `.body` is the request as a dict."""
        self.closed = False
        self._script = script
        self._latency = latency
        self._sleep = sleep

    async def reply(self, request: Request, on_text: OnText) -> Reply:
        """The next reply of the script. Raises the fault, if the script has one there."""
        self.requests.append(request)
        turn = len(self.requests) - 1
        if self._latency:
            await self._sleep(self._latency)
        said = self._next(request, turn)
        return _play(await said if isawaitable(said) else said, request, on_text)

    def _next(self, request: Request, turn: int) -> Scripted | Awaitable[Scripted]:
        if callable(self._script):
            return self._script(request.body)
        if turn < len(self._script):
            return self._script[turn]
        message = f"the script has {len(self._script)} replies, and another one was requested"
        raise ModelError(error="script_ended", message=message)

    async def close(self) -> None:
        """Record that it was closed."""
        self.closed = True


def _play(said: Scripted, request: Request, on_text: OnText) -> Reply:
    if isinstance(said, Reply):
        for block in said.content:
            if block.get("type") == "text":
                on_text(str(block["text"]))
        return said
    parts = [said] if isinstance(said, (str, Call, dict, BaseException)) else said
    content: list[Block] = []
    for part in parts:
        if isinstance(part, BaseException):
            raise part
        block = _block(part, request, len(content))
        if block["type"] == "text":
            on_text(str(block["text"]))
        content.append(block)
    calls = any(block["type"] == "tool_use" for block in content)
    reason = "tool_use" if calls else "end_turn"
    return Reply(tuple(content), reason, _usage(request, content), request.model)


def _block(part: str | Call | Block, request: Request, index: int) -> Block:
    """A call's id derives from its request: the same run gives the same ids."""
    match part:
        case str():
            return {"type": "text", "text": part}
        case Call(tool, arguments):
            use = f"toolu_{request.hash[:12]}_{index}"
            return {"type": "tool_use", "id": use, "name": tool, "input": arguments}
        case _:
            return part


def _usage(request: Request, content: list[Block]) -> Usage:
    asked = sum(map(len, request.messages[: request.count]), len(request.head) + len(request.tail))
    said = sum(len(str(block.get("text") or block.get("input") or "")) for block in content)
    return Usage(
        input_tokens=asked // BYTES_PER_TOKEN + 1,
        output_tokens=said // BYTES_PER_TOKEN + 1,
    )
