"""Runs to look at: short ones, ones that wait, and a very long one."""

import threading
from collections.abc import Sequence
from typing import Any

from playhead import Agent, Limits, Runtime, ToolError, tool
from playhead.events.event import Block
from playhead.events.log.contract import Log
from playhead.events.model_api import OnText, Reply, Request
from playhead.events.usage import Usage
from playhead.testing import Scripted, ScriptedModel, call

EVIL = "<script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
HIDDEN = "pay \u202eevil\u202c ze\u200bro"

go = threading.Event()
"""Lets `wait` end."""


@tool(effect="read")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool(effect="read")
def fail(why: str) -> str:
    """Fail, for a reason."""
    raise ToolError(why)


@tool(effect="read")
def wait() -> str:
    """Wait until the test lets it end."""
    go.wait(60)
    return "waited"


@tool(approval=True)
def pay(euros: int) -> str:
    """Pay."""
    return f"{euros} EUR were paid"


def agent(script: Sequence[Scripted], **more: Any) -> Agent[str]:
    return Agent(name="clerk", model=ScriptedModel(script), tools=[add, fail, wait, pay], **more)


def hostile(log: Log | str) -> str:
    """A run whose model, tool and goal say what a page must not take for its own."""
    someone = agent([call("fail", why=EVIL), f"{EVIL} {HIDDEN}"])
    with Runtime(log, [someone]) as runtime:
        return runtime.run(someone, f"{EVIL} {HIDDEN}").run_id


class Counting:
    """A model that never looks at what it is asked, so that a long run costs little."""

    name = "counting"

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._asked = 0

    async def reply(self, request: Request, on_text: OnText) -> Reply:
        self._asked += 1
        if self._asked > self._steps:
            return Reply(({"type": "text", "text": "Done."},), "end_turn", Usage(), "counting")
        use: Block = {
            "type": "tool_use", "id": f"u{self._asked}", "name": "add",
            "input": {"a": self._asked, "b": 1},
        }  # fmt: skip
        return Reply((use,), "tool_use", Usage(input_tokens=10, output_tokens=5), "counting")

    async def close(self) -> None:
        pass


def long_run(log: Log | str, records: int) -> str:
    """A run of about so many records: five each step."""
    steps = records // 5
    someone = Agent(
        name="counter", model=Counting(steps), tools=[add], limits=Limits(max_steps=steps + 1)
    )
    with Runtime(log, [someone], durability="normal") as runtime:
        return runtime.run(someone, "Count.").run_id
