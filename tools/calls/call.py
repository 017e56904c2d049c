"""Performing tool calls: one attempt, from recorded arguments to the event that ends it.

And asking a tool's probe what became of an attempt that was cut off.
"""

import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from signal import Signals
from typing import Annotated, TypeAlias, cast

from pydantic import Field, TypeAdapter, ValidationError

from playhead.events.event import Json
from playhead.events.kinds.tool_calls import ToolFailed, ToolOutcomeUnknown, ToolSucceeded
from playhead.events.spec.agent import ToolSpec
from playhead.tools.calls.cache import ResultCache
from playhead.tools.calls.limits import RateLimited, ToolLimits
from playhead.tools.context import ToolContext
from playhead.tools.execution.attempt import (
    Answer,
    Attempt,
    Monotonic,
    log_safely,
    milliseconds,
    traceback_of,
)
from playhead.tools.execution.handoff import NotStarted, TimedOut
from playhead.tools.execution.workers import Workers
from playhead.tools.options import Done, Found, NotDone
from playhead.tools.result import ResultRefused, to_result
from playhead.tools.sandbox.sandbox import ProcessEnd
from playhead.tools.tool import AnyTool
from playhead.tools.validation.arguments import check

Outcome: TypeAlias = Answer

ANSWER: TypeAdapter[Answer] = TypeAdapter(Annotated[Answer, Field(discriminator="kind")])


async def call_tool(
    tool: AnyTool,
    arguments: Mapping[str, Json],
    context: ToolContext,
    workers: Workers,
    *,
    monotonic: Monotonic = time.monotonic,
) -> Outcome:
    """Perform one attempt. Raises nothing but CancelledError, when its own task is cancelled.

    A cancelled attempt may have happened: `given_up(tool.spec, "cancelled")` is its outcome.
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
        return await workers.run_sync(
            spec.name, attempt.perform, spec.timeout, attempt.late, context.give_up
        )
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


def given_up(spec: ToolSpec, reason: str, duration_ms: float | None = None) -> Outcome:
    """What became of an attempt whose answer nobody has: timeout, cancelled or interrupted."""
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
        hint="Ask for less at once, or go on without it." if smaller else None,
        retryable=True if reason == "timeout" else None,
        duration_ms=duration_ms,
    )


def _from_sandbox(tool: AnyTool, context: ToolContext, ended: ProcessEnd, took: float) -> Outcome:
    """The outcome of a call that had a process of its own; what that says is not trusted."""
    spec = tool.spec
    if ended.printed:
        where = {"tool": spec.name, "run": context.run, "call": context.call}
        log_safely("tool_call.printed", **where, text=ended.printed.decode("utf-8", "replace"))
    if ended.reason == "timeout":
        return given_up(spec, "timeout", took)
    if ended.answer:
        try:
            return _checked(ended.answer, took)
        except (ValidationError, ResultRefused, ValueError, RecursionError) as error:
            message = f"{spec.name} gave no proper answer: {str(error).partition(chr(10))[0][:200]}"
            hint = "This is a fault of the tool, not of your call."
            return ToolFailed(error="invalid_result", message=message, hint=hint, duration_ms=took)
    if ended.started and spec.effect == "once":
        return ToolOutcomeUnknown(reason=ended.reason or "died")
    if ended.started:
        hint = "Ask for less at once, try other arguments, or go on without it."
    else:
        hint = "Nothing was done. Go on without it, and say that it cannot be run here."
    return ToolFailed(
        error=ended.reason or "died", message=f"{spec.name} {_death(ended)}", hint=hint,
        duration_ms=took,
    )  # fmt: skip


def _checked(answer: bytes, took: float) -> Answer:
    found: Answer = ANSWER.validate_json(answer)
    if isinstance(found, ToolSucceeded):
        found = found.model_copy(update={"result": to_result(found.result, None)})
    if isinstance(found, ToolOutcomeUnknown):
        return found
    return found.model_copy(update={"duration_ms": took})


def _death(ended: ProcessEnd) -> str:
    """What became of a process that gave no answer."""
    match ended.reason, ended.status:
        case "refused", _:
            return f"was not started: {ended.why}"
        case "startup", _:
            return "did not come up in time: its module takes too long to import"
        case "too_large", _:
            return "wrote too much, and was killed"
        case "lost", _:
            return "could not be brought to its end; processes of it may be left"
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
    finish = partial(_found, tool, began, monotonic)
    ask = partial(_ask, probe, context.key, finish)
    ask_async = partial(_ask_async, probe, context.key, finish)
    try:
        if inspect.iscoroutinefunction(probe):
            found = await workers.run_async(
                spec.name, ask_async, spec.timeout, _ignore, context.give_up
            )
        else:
            found = await workers.run_sync(spec.name, ask, spec.timeout, _ignore, context.give_up)
    except (NotStarted, TimedOut):
        return given_up(spec, "interrupted")
    return found


def _ask(probe: Callable[[str], object], key: str, finish: Callable[[Found], Outcome]) -> Outcome:
    try:
        return finish(cast("Found", probe(key)))
    except BaseException as error:  # a probe must not end its thread
        return _cannot_tell(error, finish)


async def _ask_async(
    probe: Callable[[str], object], key: str, finish: Callable[[Found], Outcome]
) -> Outcome:
    try:
        return finish(await cast("Awaitable[Found]", probe(key)))
    except BaseException as error:  # a probe must not end its loop
        return _cannot_tell(error, finish)


def _cannot_tell(error: BaseException, finish: Callable[[Found], Outcome]) -> Outcome:
    log_safely("tool_probe.traceback", traceback=traceback_of(error))
    return finish(None)


def _found(tool: AnyTool, began: float, monotonic: Monotonic, found: Found) -> Outcome:
    match found:
        case Done(result=result):
            value = to_result(result, tool.signature.result)
            return ToolSucceeded(result=value, duration_ms=milliseconds(began, monotonic))
        case NotDone():
            return ToolFailed(
                error="interrupted",
                message=f"{tool.spec.name} was cut off before it took effect",
                hint="Nothing was done. The same call may be made again.",
            )
        case _:
            return given_up(tool.spec, "interrupted")


def _ignore(_: object) -> None:
    """An answer of a probe that comes too late tells nothing any more."""


class ToolCalls:
    """Performs calls; holds what is shared between them. Used on one event loop."""

    def __init__(self, workers: Workers, monotonic: Monotonic) -> None:
        self._workers = workers
        self._monotonic = monotonic
        self._limits = ToolLimits(monotonic)
        self._cache = ResultCache(monotonic)

    async def call(
        self, tool: AnyTool, arguments: Mapping[str, Json], context: ToolContext
    ) -> Outcome:
        """One attempt. Raises nothing but CancelledError, when its own task is cancelled."""
        spec = tool.spec
        known = self._cache.get(spec, arguments, context.run)
        if known is not None:
            return known
        try:
            async with self._limits.through(spec):
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
        self._cache.put(spec, arguments, context.run, outcome)
        return outcome
