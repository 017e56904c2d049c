"""The simulated world: the agent's own model and tools, with faults before, in and after each call.

The code of tools and models really runs, on the virtual loop. Everything around it is simulated:
time, failures, and the death of the calling process.
"""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any, NoReturn

from playhead.events.errors import ModelError, ToolError
from playhead.events.event import Event
from playhead.events.kinds.model_calls import (
    ExtractionRequested,
    ModelRequested,
    SummaryRequested,
)
from playhead.events.model_api import Model, OnText, Reply, Request
from playhead.simulation.faults.ground_truth import GroundTruth, ModelCallSeen
from playhead.simulation.faults.mix import Mix
from playhead.simulation.faults.outages import outage
from playhead.simulation.faults.role import PERFORMED, Alive
from playhead.simulation.faults.valid_request import invalid_request
from playhead.tools.context import CallDeferred, InputRequired, ToolContext
from playhead.tools.options import Done, Found, NotDone
from playhead.tools.tool import AnyTool, Tool

CONTEXT = "__context__"
"""The keyword by which a wrapped tool receives its context, even if its function takes none."""

FAULTS = (
    ("overloaded", True, 529, None), ("rate_limit", True, 429, 3.0), ("timeout", True, None, None),
    ("truncated", True, None, None), ("connection", True, None, None),
    ("bad_request", False, 400, None), ("spend_limit", False, 429, None),
)  # fmt: skip
"""(error, retryable, status, retry_after); without a status, the model has done its work."""

ASKED_FOR: Mapping[type[Event], str] = {
    ModelRequested: "step", SummaryRequested: "summary", ExtractionRequested: "extraction",
}  # fmt: skip
"""The purpose of the model call, as named in crash points."""


def ask_the_world(key: str) -> Found:
    """A probe that asks the simulated world itself for a call's outcome."""
    raise NotImplementedError(key)


class FaultyModel:
    """A Model that wraps another one."""

    def __init__(
        self,
        model: Model,
        process: Alive,
        number: int,
        random: Random,
        mix: Mix,
        ledger: GroundTruth,
    ) -> None:
        self._model = model
        self._process = process
        self._number = number
        self._random = random
        self._mix = mix
        self._ledger = ledger

    async def reply(self, request: Request, on_text: OnText) -> Reply:
        """Ask the wrapped model, unless a fault happens before or after."""
        intent = PERFORMED.get()
        kind = ASKED_FOR[type(intent.event)]
        self._process.reach("model.before", kind)
        asked = self._ledger.ask(intent.run, intent.seq, request.model, self._number)
        wrong = invalid_request(request.body)
        if wrong is not None:
            self._ledger.violated("valid request", f"{asked.run} {asked.seq}: {wrong}")
        slow = self._random.random() < self._mix.model_slow
        await asyncio.sleep(self._random.random() * (200.0 if slow else 2.0))
        down = outage(self._mix.outages, self._process.elapsed, self._random)
        if down is not None:
            self._ledger.note("model is down", down.error)
            raise down
        if self._random.random() < self._mix.model_error:
            await self._fail(asked, request, on_text)
        asked.reply = reply = await self._model.reply(request, on_text)
        asked.used = reply.usage
        self._process.reach("model.in", kind)
        if slow:
            await asyncio.sleep(self._random.random())
        self._process.reach("model.after", kind)
        return reply

    async def close(self) -> None:
        """Close the wrapped model."""
        await self._model.close()

    async def _fail(self, asked: ModelCallSeen, request: Request, on_text: OnText) -> NoReturn:
        error, retryable, status, after = self._random.choice(FAULTS)
        self._ledger.note("model fails", error)
        known = None
        if status is None:
            asked.used = (await self._model.reply(request, on_text)).usage
            if self._random.random() < 0.5:
                known = asked.used.model_copy(update={"output_tokens": 0})
        raise ModelError(
            error, "simulated", status=status, retryable=retryable, retry_after=after, usage=known
        )


class FaultyTools:
    """Wraps the agent's tools for one process."""

    def __init__(
        self, process: Alive, number: int, random: Random, mix: Mix, ledger: GroundTruth
    ) -> None:
        self._process = process
        self._number = number
        self._random = random
        self._mix = mix
        self._ledger = ledger

    def wrap(self, tool: AnyTool) -> AnyTool:
        """The same tool, with its code observed and made to fail."""
        signature = replace(tool.signature, context=CONTEXT)
        call = self._async_call(tool) if tool.signature.awaits else self._call(tool)
        call.__name__ = call.__qualname__ = tool.spec.name
        probe = None if tool.probe is None else self._probe(tool)
        rule = None if tool.needs_approval is None else self.rule("approval", tool.needs_approval)
        return Tool(call, tool.spec, signature, probe, rule, transient=tool.transient)

    def _async_call(self, tool: AnyTool) -> Callable[..., Any]:
        effect = tool.spec.effect

        async def call(**arguments: Any) -> Any:
            context: ToolContext = arguments.pop(CONTEXT)
            self._enter(tool, context)
            await asyncio.sleep(self._random.random() * 2)
            self._fail_before()
            hangs = self._random.random() < self._mix.tool_hang
            if hangs and self._random.random() < 0.3:
                await asyncio.sleep(tool.spec.timeout * 2)
            try:
                result = await tool.function(**_own(tool, context, arguments))
            except (CallDeferred, InputRequired):
                self._leave(tool, None)
                raise
            self._ledger.answer(context, result)
            self._process.reach("tool.in", effect)
            if hangs:
                await asyncio.sleep(tool.spec.timeout * 2)
            return self._leave(tool, result)

        return call

    def _call(self, tool: AnyTool) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            context: ToolContext = arguments.pop(CONTEXT)
            self._enter(tool, context)
            self._fail_before()
            result = tool.function(**_own(tool, context, arguments))
            self._ledger.answer(context, result)
            self._process.reach("tool.in", tool.spec.effect)
            return self._leave(tool, result)

        return call

    def _enter(self, tool: AnyTool, context: ToolContext) -> None:
        self._process.reach("tool.before", tool.spec.effect)
        ledger = self._ledger
        ledger.start(context, tool.spec.name, tool.spec.effect, self._number)
        self._threads = threading.active_count()

    def _leave(self, tool: AnyTool, result: Any) -> Any:
        if threading.active_count() > self._threads:
            self._ledger.violated("sealed", f"{tool.spec.name} started a thread")
        if self._random.random() < self._mix.tool_odd:
            self._fail_after()
        self._process.reach("tool.after", tool.spec.effect)
        return result

    def _fail_before(self) -> None:
        if self._random.random() < self._mix.tool_error:
            after = self._random.choice((None, 1.0))
            msg = "simulated: not now"
            raise ToolError(msg, hint="try again", retry_after=after)

    def _fail_after(self) -> NoReturn:
        error = self._random.choice((RuntimeError, KeyError, SystemExit, asyncio.CancelledError))
        msg = "simulated: it was done, and then this"
        raise error(msg)

    def _probe(self, tool: AnyTool) -> Callable[[str], Awaitable[Found]]:
        async def probe(key: str) -> Found:
            self._process.reach("probe.before", tool.spec.effect)
            if self._random.random() < self._mix.tool_odd:
                msg = "simulated: the probe fails"
                raise RuntimeError(msg)
            found = self._ask_the_world(key) if tool.probe is ask_the_world else _asked(tool, key)
            found = await found if isinstance(found, Awaitable) else found
            self._ledger.found.setdefault(key, []).append(found)
            self._process.reach("probe.after", tool.spec.effect)
            return found

        return probe

    def _ask_the_world(self, key: str) -> Found:
        if self._random.random() < self._mix.tool_odd:
            return None
        answers = [a for (k, _), found in self._ledger.answered.items() if k == key for a in found]
        return Done(answers[-1]) if answers else NotDone()

    def rule(self, kind: str, rule: Callable[..., Any]) -> Callable[..., Any]:
        """A user function that is asked a question; an output type must answer at once."""

        def before() -> None:
            self._process.reach("rule.before", kind)
            if self._random.random() < self._mix.tool_odd:
                msg = "simulated: the rule fails"
                raise RuntimeError(msg)

        def ask_at_once(*arguments: Any) -> Any:
            before()
            answer = rule(*arguments)
            self._process.reach("rule.after", kind)
            return answer

        async def ask(*arguments: Any) -> Any:
            await asyncio.sleep(self._random.random())
            before()
            said = rule(*arguments)
            answer = await said if inspect.isawaitable(said) else said
            self._process.reach("rule.after", kind)
            return answer

        return ask_at_once if kind == "output" else ask


def _own(tool: AnyTool, context: ToolContext, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as the tool's own function takes them."""
    name = tool.signature.context
    return arguments if name is None else {**arguments, name: context}


def _asked(tool: AnyTool, key: str) -> Found | Awaitable[Found]:
    assert tool.probe is not None
    return tool.probe(key)
