"""The agents of the golden logs that outlive their process, and tools that every scene may use."""

import asyncio
import os
from typing import Any, NoReturn

from playhead import Agent, ToolError, tool
from playhead.testing import ScriptedModel, call


@tool(effect="read")
def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@tool(effect="read")
def fail(why: str) -> str:
    """Fail, for a reason."""
    raise ToolError(why)


@tool(effect="read")
async def hang() -> str:
    """Never come back."""
    await asyncio.Event().wait()
    return "never"


@tool
def note(text: str) -> str:
    """Put a note on the board.

    Args:
        text: the words of the note.
    """
    return text


@tool(approval=True)
def pay(euros: int) -> str:
    """Pay an amount."""
    return f"{euros} paid"


@tool
def pull_the_plug() -> str:
    """Change the world once, and take the process along."""
    _die()


def _die() -> NoReturn:
    os._exit(9)


_asked = os.environ.get("PLAYHEAD_GOLDEN_DIES")
"""Set in the process that is to be killed."""


def _cut_off(body: dict[str, Any]) -> Any:
    if _asked:
        _die()
    return f"After {len(body['messages'])} message."


def _in_doubt(body: dict[str, Any]) -> Any:
    return call("pull_the_plug") if len(body["messages"]) == 1 else "I cannot tell."


KILLED = {
    "killed_in_a_model_call": Agent(name="killed_in_a_model_call", model=ScriptedModel(_cut_off)),
    "killed_in_a_once_call": Agent(
        name="killed_in_a_once_call", model=ScriptedModel(_in_doubt), tools=[pull_the_plug]
    ),
}
"""Scene -> the agent whose process dies in the middle of it."""
