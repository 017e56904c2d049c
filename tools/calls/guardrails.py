"""Asks a guardrail's own function for its verdict on a text."""

from collections.abc import Callable
from typing import Any

from playhead.events.event import Json
from playhead.events.kinds.approvals import RuleAnswered
from playhead.events.spec.guardrails import Verdict
from playhead.tools.calls.user_functions import Unusable, ask_rule
from playhead.tools.execution.workers import Workers
from playhead.tools.result import repaired


async def ask_guardrail(
    name: str, function: Callable[[str], Any], text: str, workers: Workers
) -> RuleAnswered:
    """The function's verdict as JSON; anything but a Verdict or True is an error."""

    def accept(value: object) -> Json:
        if value is True:
            return Verdict.allow().model_dump()
        if not isinstance(value, Verdict):
            msg = f"guardrail {name} returned {type(value).__name__}, not a Verdict or True"
            raise Unusable(msg)
        return value.model_copy(update={"text": repaired(value.text)}).model_dump()

    return await ask_rule(name, function, (text,), workers, accept)
