"""Functions of the user's that are asked, not called by the model: rules and probes.

They run where tools run, never on the runtime's loop, and whatever they raise is an answer too.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from playhead.events.event import Json
from playhead.events.kinds.approvals import RuleAnswered
from playhead.tools.execution.handoff import NotStarted, TimedOut
from playhead.tools.execution.workers import Workers
from playhead.tools.result import ResultRefused, to_result

SECONDS = 30.0
"""After so long without an answer, the function counts as failed."""


@dataclass(frozen=True, slots=True)
class UserAnswer:
    """What the function returned, or one line about why it did not."""

    value: Any = None
    error: str | None = None


async def ask(
    name: str, function: Callable[..., Any], arguments: tuple[Any, ...], workers: Workers
) -> UserAnswer:
    """Call a sync or async function once. Raises nothing but CancelledError."""

    def call() -> UserAnswer:
        try:
            return UserAnswer(function(*arguments))
        except BaseException as error:
            return UserAnswer(error=_line(error))

    async def call_async() -> UserAnswer:
        try:
            return UserAnswer(await function(*arguments))
        except BaseException as error:
            return UserAnswer(error=_line(error))

    try:
        if inspect.iscoroutinefunction(function):
            return await workers.run_async(name, call_async, SECONDS, _forget, _nothing)
        return await workers.run_sync(name, call, SECONDS, _forget, _nothing)
    except (NotStarted, TimedOut):
        return UserAnswer(error=f"{name} gave no answer within {SECONDS:g} s")


def _line(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except BaseException:
        text = ""
    line = f"{type(error).__name__}: {text}".removesuffix(": ")[:500]
    return line.encode("utf-8", "replace").decode()


def _forget(_: UserAnswer) -> None:
    """A late answer changes nothing."""


def _nothing() -> None:
    """There is nothing to give up."""


async def ask_function(
    name: str, function: Callable[..., Any], arguments: tuple[Any, ...], workers: Workers
) -> RuleAnswered:
    """What the function gives, as JSON. A Pydantic model is given as its fields."""
    said = await ask(name, function, arguments, workers)
    if said.error is not None:
        return RuleAnswered(error=said.error)
    try:
        return RuleAnswered(answer=to_result(said.value, None))
    except ResultRefused as error:
        return RuleAnswered(error=f"{name} gave what is no JSON: {error}"[:500])


Check = Callable[[Json], object]
"""Takes an answer that fits the schema. Raises ValidationError when it will not do."""


async def ask_router(function: Callable[[str], Any], task: Json, workers: Workers) -> RuleAnswered:
    """Ask for the type of a task, given what is to be reached."""
    said = await ask("router", function, (task,), workers)
    if said.error is None and not isinstance(said.value, str):
        given = type(said.value).__name__
        return RuleAnswered(error=f"the router answered {given}, not the name of a type of task")
    return RuleAnswered(answer=said.value, error=said.error)


async def ask_output(check: Check, answer: Json, workers: Workers) -> RuleAnswered:
    """Ask the output's type whether it takes the answer: True, or what to tell the model."""

    def judge(answer: Json) -> Json:
        try:
            check(answer)
        except ValidationError as error:
            return _told(error)
        return True

    said = await ask("output", judge, (answer,), workers)
    return RuleAnswered(answer=said.value, error=said.error)


def _told(error: ValidationError) -> str:
    """For the model: every place that is wrong, without what stands there."""
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    places = [f"{'.'.join(map(str, e['loc'])) or 'the answer'}: {e['msg']}" for e in wrong[:10]]
    return f"The answer was not accepted: {'; '.join(places)}. Answer again."
