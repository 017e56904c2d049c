"""Functions of the user that are asked rather than called by the model: rules, routers, probes.

They run where tools run, never on the runtime's loop. Whatever they raise becomes an answer too.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from playhead.events.event import Json
from playhead.events.kinds.approvals import RuleAnswered
from playhead.tools.execution.attempt import log_safely, traceback_of
from playhead.tools.execution.workers import NotStarted, TimedOut, Workers
from playhead.tools.result import ResultRefused, to_result

T = TypeVar("T")

SECONDS = 30.0
"""A function that has not answered after this long counts as failed."""

LINE = 500
"""Characters of an error that are kept."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The function failed or did not answer in time; the error is one line."""

    error: str


class Unusable(Exception):
    """The function answered, but with a value that cannot be used; the message says why."""


async def ask(
    name: str,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    workers: Workers,
    accept: Callable[[Any], T],
    seconds: float = SECONDS,
) -> T | NoAnswer:
    """Call a sync or async function once; returns what `accept` makes of its answer.

    `accept` runs on the worker too, and raises Unusable for a value that it does not take. Raises
    nothing but CancelledError.
    """

    def call() -> T | NoAnswer:
        try:
            return accept(function(*arguments))
        except BaseException as error:  # it must not end its thread
            return _failed(name, error)

    async def call_async() -> T | NoAnswer:
        try:
            return accept(await function(*arguments))
        except BaseException as error:  # it must not end its loop
            return _failed(name, error)

    try:
        if inspect.iscoroutinefunction(function):
            return await workers.run_async(name, call_async, seconds)
        return await workers.run_sync(name, call, seconds)
    except (NotStarted, TimedOut):
        return NoAnswer(f"{name} gave no answer within {seconds:g} s")


def _failed(name: str, error: BaseException) -> NoAnswer:
    if isinstance(error, Unusable):
        return NoAnswer(str(error)[:LINE])
    log_safely("user_function.failed", function=name, traceback=traceback_of(error))
    try:
        text = " ".join(str(error).split())
    except BaseException:  # whatever a hostile __str__ does
        text = ""
    line = f"{type(error).__name__}: {text}".removesuffix(": ")[:LINE]
    return NoAnswer(line.encode("utf-8", "replace").decode())


async def ask_rule(
    name: str,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    workers: Workers,
    accept: Callable[[Any], Json],
) -> RuleAnswered:
    """Ask once; the answer or the error as the event that records it."""
    found = await ask(name, function, arguments, workers, accept)
    if isinstance(found, NoAnswer):
        return RuleAnswered(error=found.error)
    return RuleAnswered(answer=found)


async def ask_function(
    name: str, function: Callable[..., Any], arguments: tuple[Any, ...], workers: Workers
) -> RuleAnswered:
    """The function's answer as JSON. A Pydantic model becomes its fields."""

    def accept(value: Any) -> Json:
        try:
            return to_result(value, None)
        except ResultRefused as error:
            msg = f"{name} returned a value that is not JSON: {error}"
            raise Unusable(msg) from error

    return await ask_rule(name, function, arguments, workers, accept)


async def ask_text(
    name: str, function: Callable[..., Any], about: object, workers: Workers
) -> RuleAnswered:
    """Ask a router for the type of a task, or for the instructions of a run."""

    def accept(value: Any) -> Json:
        if not isinstance(value, str):
            msg = f"the {name} function returned {type(value).__name__}, not a text"
            raise Unusable(msg)
        return value

    return await ask_rule(name, function, (about,), workers, accept)


Check = Callable[[Json], object]
"""Takes an answer that fits the schema. Raises ValidationError when it is not acceptable."""


async def ask_output(check: Check, answer: Json, workers: Workers) -> RuleAnswered:
    """Ask the output's type whether it accepts the answer: True, or what to tell the model."""

    def judge(answer: Json) -> Json:
        try:
            check(answer)
        except ValidationError as error:
            return _explained(error)
        return True

    return await ask_rule("output", judge, (answer,), workers, lambda verdict: verdict)


def _explained(error: ValidationError) -> str:
    """For the model: every place that is wrong, without the values."""
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    places = [f"{'.'.join(map(str, e['loc'])) or 'the answer'}: {e['msg']}" for e in wrong[:10]]
    return f"The answer was not accepted: {'; '.join(places)}. Answer again."
