"""One call of a tool, from the requested call to the event that ends its attempt.

`ToolCalls.call` is the whole path: a cached result, the tool's limits, then `call_tool`, which
checks the arguments and lets an `Attempt` run on a worker, or in a process of its own. `probe_call`
asks a tool's probe what became of an attempt that was cut off.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from signal import Signals
from typing import Annotated, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from playhead.events.event import Json
from playhead.events.kinds.tool_calls import (
    ToolDeferred,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolSucceeded,
)
from playhead.events.spec.agent import ToolSpec
from playhead.events.spec.tool import Rate
from playhead.tools.calls.user_functions import NoAnswer, ask
from playhead.tools.context import ToolContext
from playhead.tools.execution.attempt import Answer, Attempt, Monotonic, log_safely, milliseconds
from playhead.tools.execution.workers import NotStarted, TimedOut, Workers
from playhead.tools.options import Done, NotDone
from playhead.tools.result import ResultRefused, to_result
from playhead.tools.sandbox.sandbox import ProcessEnd
from playhead.tools.tool import AnyTool, canonical
from playhead.tools.validation.arguments import check

Outcome: TypeAlias = Answer

ANSWER: TypeAdapter[ToolSucceeded | ToolFailed | ToolOutcomeUnknown | ToolDeferred] = TypeAdapter(
    Annotated[
        ToolSucceeded | ToolFailed | ToolOutcomeUnknown | ToolDeferred, Field(discriminator="kind")
    ]
)

CACHED = 1024
"""Results kept; the least recently used are dropped first."""


class ToolCalls:
    """Performs calls; holds the cache and the limits that they share. Used on one event loop."""

    def __init__(self, workers: Workers, monotonic: Monotonic) -> None:
        self._workers = workers
        self._monotonic = monotonic
        self._cache = ResultCache(monotonic)
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._windows: dict[str, RateWindow] = {}

    async def call(
        self, tool: AnyTool, arguments: Mapping[str, Json], context: ToolContext
    ) -> Outcome:
        """One attempt. Raises nothing but CancelledError, when its own task is cancelled."""
        spec = tool.spec
        shared = spec.cache is not None and spec.cache.shared
        owner = f"tool {tool.serial}" if shared else context.run
        cached = self._cache.get(spec, arguments, owner)
        if cached is not None:
            return cached
        try:
            async with self._limits(spec):
                outcome = await call_tool(
                    tool, arguments, context, self._workers, monotonic=self._monotonic
                )
        except RateLimited as limited:
            return ToolFailed(
                error="rate_limited",
                message=f"{spec.name} was not called: its {limited}",
                hint="Nothing was done. Do something else first.",
                retry_after=round(limited.after, 3),
                retryable=True,
            )
        self._cache.put(spec, arguments, owner, outcome)
        return outcome

    @asynccontextmanager
    async def _limits(self, spec: ToolSpec) -> AsyncGenerator[None]:
        """Wait until the call may start, first come first served; its timeout does not run yet.

        Raises RateLimited when it would have to wait for longer than its own timeout.
        """
        async with AsyncExitStack() as held:
            if spec.concurrency is not None:
                slots = self._slots.setdefault(spec.definition, asyncio.Semaphore(spec.concurrency))
                await held.enter_async_context(slots)
            if spec.rate is not None:
                window = self._windows.setdefault(spec.definition, RateWindow(spec.rate))
                await asyncio.sleep(window.reserve(self._monotonic(), spec.timeout))
            yield


async def call_tool(
    tool: AnyTool,
    arguments: Mapping[str, Json],
    context: ToolContext,
    workers: Workers,
    *,
    monotonic: Monotonic = time.monotonic,
) -> Outcome:
    """Perform one attempt. Raises nothing but CancelledError, when its own task is cancelled.

    A cancelled attempt may have taken effect: `given_up(tool.spec, "cancelled")` is its outcome.
    """
    spec = tool.spec
    wrong = check(spec, arguments)
    if wrong is not None:
        return ToolFailed(error="invalid_arguments", message=wrong.message, hint=wrong.hint)
    began = monotonic()
    if spec.sandbox is not None:
        ended = await workers.sandbox.run(tool, arguments, context)
        outcome = _from_sandbox(tool, context, ended, milliseconds(began, monotonic))
        return outcome.model_copy(update={"confined": ended.confined})
    attempt = Attempt(tool, arguments, context, monotonic)
    try:
        if tool.signature.awaits:
            return await workers.run_async(
                spec.name, attempt.perform_async, spec.timeout, attempt.late, context.give_up
            )
        answer = await workers.run_sync(
            spec.name, attempt.perform, spec.timeout, attempt.late, context.give_up
        )
        return await _awaited(attempt, workers) if answer is None else answer
    except NotStarted:
        return ToolFailed(
            error="busy",
            message=f"{spec.name} did not start: no worker was free for it",
            hint="Nothing was done. The same call may work later.",
            retryable=True,
            duration_ms=milliseconds(began, monotonic),
        )
    except TimedOut:
        return given_up(spec, "timeout", milliseconds(began, monotonic))


async def _awaited(attempt: Attempt, workers: Workers) -> Outcome:
    """What a sync function gives that returned something to await."""
    spec, context = attempt.tool.spec, attempt.context
    left = max(spec.timeout - (attempt.monotonic() - attempt.began), 0.0)
    try:
        return await workers.run_async(
            spec.name, attempt.perform_async, left, attempt.late, context.give_up
        )
    except NotStarted as error:  # the function itself did run
        raise TimedOut from error


def given_up(spec: ToolSpec, reason: str, duration_ms: float | None = None) -> Outcome:
    """The outcome of an attempt without an answer. `reason`: timeout, cancelled or interrupted."""
    if spec.effect == "once":
        return ToolOutcomeUnknown(reason=reason)
    words = {
        "timeout": f"gave no answer within {spec.timeout:g} s and was given up",
        "cancelled": "was cancelled before it gave an answer",
        "interrupted": "was cut off before it gave an answer",
    }
    smaller = reason == "timeout"
    return ToolFailed(
        error=reason,
        message=f"{spec.name} {words.get(reason, reason)}",
        hint="Ask for less at once, or continue without it." if smaller else None,
        retryable=True if reason == "timeout" else None,
        duration_ms=duration_ms,
    )


def _from_sandbox(tool: AnyTool, context: ToolContext, ended: ProcessEnd, took: float) -> Outcome:
    """The outcome of a call that ran in a process of its own, whose output is not trusted."""
    spec = tool.spec
    if ended.printed:
        where = {"tool": spec.name, "run": context.run, "call": context.call}
        log_safely("tool_call.printed", **where, text=ended.printed.decode("utf-8", "replace"))
    if ended.reason == "timeout":
        return given_up(spec, "timeout", took)
    if ended.answer:
        try:
            return _checked(ended.answer, took, context)
        except (ValidationError, ResultRefused, ValueError, RecursionError) as error:
            message = f"{spec.name} gave no valid answer: {str(error).partition(chr(10))[0][:200]}"
            hint = "This is a fault of the tool, not of your call."
            return ToolFailed(error="invalid_result", message=message, hint=hint, duration_ms=took)
    if ended.started and spec.effect == "once":
        return ToolOutcomeUnknown(reason=ended.reason or "died")
    if ended.started:
        hint = "Ask for less at once, try other arguments, or continue without it."
    else:
        hint = "Nothing was done. Continue without it, and say that it cannot run here."
    return ToolFailed(
        error=ended.reason or "died", message=f"{spec.name} {_death(ended)}", hint=hint,
        duration_ms=took,
    )  # fmt: skip


def _checked(answer: bytes, took: float, context: ToolContext) -> Answer:
    found: Answer = ANSWER.validate_json(answer)
    if isinstance(found, ToolSucceeded):
        found = found.model_copy(update={"result": to_result(found.result, None)})
    if isinstance(found, ToolOutcomeUnknown):
        return found
    if isinstance(found, ToolDeferred):
        found = found.model_copy(update={"call": context.call})
    return found.model_copy(update={"duration_ms": took})


def _death(ended: ProcessEnd) -> str:
    """What happened to a process that gave no answer."""
    match ended.reason, ended.status:
        case "refused", _:
            return f"was not started: {ended.why}"
        case "startup", _:
            return "did not start in time: its module takes too long to import"
        case "too_large", _:
            return "wrote too much and was killed"
        case "lost", _:
            return "could not be stopped; some of its processes may still be running"
        case _, int(status) if status >= 128 or status < 0:
            number = status - 128 if status >= 128 else -status
            name = next((s.name for s in Signals if s == number), str(number))
            return f"was killed by {name} before it gave an answer (too much memory or time?)"
        case _:
            return f"ended with exit status {ended.status} before it gave an answer"


async def probe_call(
    tool: AnyTool,
    context: ToolContext,
    workers: Workers,
    *,
    monotonic: Monotonic = time.monotonic,
) -> Outcome:
    """What became of an attempt that was cut off, as far as the tool's probe can tell.

    A call that never took effect is a ToolFailed `interrupted`, for `once` too: it may be tried
    again. A probe that fails or hangs cannot tell. Raises nothing but CancelledError.
    """
    probe, spec = tool.probe, tool.spec
    if probe is None:
        return given_up(spec, "interrupted")
    began = monotonic()

    def accept(found: object) -> Outcome:
        match found:
            case Done(result=result):
                value = to_result(result, tool.signature.result)
                return ToolSucceeded(result=value, duration_ms=milliseconds(began, monotonic))
            case NotDone():
                return ToolFailed(
                    error="interrupted",
                    message=f"{spec.name} was cut off before it took effect",
                    hint="Nothing was done. The same call may be made again.",
                )
            case _:
                return given_up(spec, "interrupted")

    found = await ask(f"{spec.name}.probe", probe, (context.key,), workers, accept, spec.timeout)
    return given_up(spec, "interrupted") if isinstance(found, NoAnswer) else found


class RateLimited(Exception):
    """The tool may not be called for longer than a call would wait. Nothing was done."""

    def __init__(self, rate: Rate, after: float) -> None:
        self.rate = rate
        self.after = after
        super().__init__(f"{rate.calls} calls in {rate.seconds:g} s are used up")


class RateWindow:
    """The start times of the last calls: at most `calls` of them in any `seconds`."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._starts: deque[float] = deque(maxlen=rate.calls)

    def reserve(self, now: float, patience: float) -> float:
        """Reserve the next start; returns the seconds until then. Raises RateLimited."""
        start = now
        if len(self._starts) == self._rate.calls:
            start = max(now, self._starts[0] + self._rate.seconds)
        if start - now > patience:
            raise RateLimited(self._rate, start - now)
        self._starts.append(start)
        return start - now


class ResultCache:
    """Results of `read` tools, reused for equal calls until they expire.

    Keyed by the tool's definition, the arguments, and their owner: the run, or the tool's object if
    it shares results (another object may hold another tenant's connection). Kept in memory: a
    cached result is recorded as an event, so replay needs no cache.
    """

    def __init__(self, monotonic: Monotonic, entries: int = CACHED) -> None:
        self._monotonic = monotonic
        self._entries = entries
        self._kept: OrderedDict[bytes, tuple[float, ToolSucceeded]] = OrderedDict()

    def get(
        self, spec: ToolSpec, arguments: Mapping[str, Json], owner: str
    ) -> ToolSucceeded | None:
        """The result of an equal call, marked as cached; None when none is still valid."""
        if spec.cache is None:
            return None
        key = _key(spec, arguments, owner)
        until, found = self._kept.get(key, (0.0, None))
        if found is None:
            return None
        if self._monotonic() >= until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return found.model_copy(update={"cached": True, "duration_ms": 0.0})

    def put(
        self, spec: ToolSpec, arguments: Mapping[str, Json], owner: str, outcome: object
    ) -> None:
        """Keep a success."""
        if spec.cache is None or not isinstance(outcome, ToolSucceeded):
            return
        until = self._monotonic() + spec.cache.ttl
        self._kept[_key(spec, arguments, owner)] = (until, outcome)
        if len(self._kept) > self._entries:
            self._kept.popitem(last=False)


def _key(spec: ToolSpec, arguments: Mapping[str, Json], owner: str) -> bytes:
    return sha256(canonical([spec.name, spec.definition, dict(arguments), owner])).digest()
