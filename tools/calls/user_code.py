"""Functions of the user's that are asked, not called by the model: rules and probes.

They run where tools run, never on the runtime's loop, and whatever they raise is an answer too.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playhead.tools.execution.handoff import NotStarted, TimedOut
from playhead.tools.execution.workers import Workers

SECONDS = 30.0
"""After so long without an answer, the function counts as failed."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the function returned, or one line about why it did not."""

    value: Any = None
    error: str | None = None


async def ask(
    name: str, function: Callable[..., Any], arguments: tuple[Any, ...], workers: Workers
) -> Said:
    """Call a sync or async function once. Raises nothing but CancelledError."""

    def call() -> Said:
        try:
            return Said(function(*arguments))
        except BaseException as error:
            return Said(error=_line(error))

    async def call_async() -> Said:
        try:
            return Said(await function(*arguments))
        except BaseException as error:
            return Said(error=_line(error))

    try:
        if inspect.iscoroutinefunction(function):
            return await workers.run_async(name, call_async, SECONDS, _forget, _nothing)
        return await workers.run_sync(name, call, SECONDS, _forget, _nothing)
    except (NotStarted, TimedOut):
        return Said(error=f"{name} gave no answer within {SECONDS:g} s")


def _line(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except BaseException:
        text = ""
    line = f"{type(error).__name__}: {text}".removesuffix(": ")[:500]
    return line.encode("utf-8", "replace").decode()


def _forget(_: Said) -> None:
    """A late answer changes nothing."""


def _nothing() -> None:
    """There is nothing to give up."""
