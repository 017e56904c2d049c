"""Performing tool calls: one attempt, from recorded arguments to the event that ends it.

And asking a tool's probe what became of an attempt that was cut off.
"""

import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeAlias, cast

from playhead.events.event import Json
from playhead.events.spec import ToolSpec
from playhead.events.tool_calls import ToolFailed, ToolOutcomeUnknown, ToolSucceeded
from playhead.tools.arguments import check
from playhead.tools.attempt import (
    Answer,
    Attempt,
    Monotonic,
    log_safely,
    milliseconds,
    traceback_of,
)
from playhead.tools.context import ToolContext
from playhead.tools.results import to_result
from playhead.tools.ticket import NotStarted, TimedOut
from playhead.tools.tool import AnyTool, Done, Found, NotDone
from playhead.tools.workers import Workers

Outcome: TypeAlias = Answer | ToolOutcomeUnknown


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
    attempt = Attempt(tool, arguments, context, monotonic)
    began = monotonic()
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
        duration_ms=duration_ms,
    )


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
