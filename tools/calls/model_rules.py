"""Functions of the user's about the model: which type of task it is, whether an answer will do."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from playhead.events.event import Json
from playhead.events.kinds.approvals import RuleAnswered
from playhead.tools.calls.user_code import ask
from playhead.tools.execution.workers import Workers

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
