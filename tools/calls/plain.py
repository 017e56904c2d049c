"""Plain functions of the user's in the place of the model: the strategy, or the answer itself."""

from collections.abc import Callable
from typing import Any

from playhead.events.kinds.approvals import RuleAnswered
from playhead.tools.calls.user_code import ask
from playhead.tools.execution.workers import Workers
from playhead.tools.result import ResultRefused, to_result


async def ask_plainly(
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
