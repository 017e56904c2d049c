"""Agents for the tests of the command line, found by reference: `tests.cli.agents:adder`.

They depend on the conversation alone, so that they go on in another process. What happened in the
world stands in files of the working folder.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

from playhead import Agent, CallDeferred, PlanRules, tool
from playhead.events.errors import ModelError
from playhead.testing import ScriptedModel, call

HERE = "tests.cli.agents"


@tool(effect="read")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def write(line: str) -> str:
    """Write a line into the file `written`."""
    with Path("written").open("a") as file:
        file.write(f"{line}\n")
    return "written"


@tool(effect="read", timeout=600)
async def wait() -> str:
    """Wait for the file `go`, for ever if it is not there at once."""
    if not Path("go").exists():
        await asyncio.Event().wait()
    return "here we go"


@tool
async def hang() -> str:
    """Do something once, and never come back."""
    await asyncio.Event().wait()
    return "never"


@tool(approval=True)
def pay(euros: int) -> str:
    """Pay an amount."""
    Path("paid").write_text(str(euros))
    return f"{euros} paid"


@tool
def ask(part: str) -> int:
    """Ask somebody for a price."""
    raise CallDeferred("ticket 1")


def _asking(body: dict[str, Any]) -> Any:
    if len(body["messages"]) == 1:
        return call("ask", part="p")
    return str(body["messages"][-1]["content"][0]["content"])


def _unsure(_: dict[str, Any]) -> bool:
    msg = "the price list is out of date"
    raise SystemExit(msg)


@tool(name="pay", approval=_unsure)
def pay_unsure(euros: int) -> str:
    """Pay an amount."""
    return f"{euros} paid"


def results(body: dict[str, Any]) -> int:
    """How many tool results the model has seen."""
    blocks = [b for m in body["messages"] for b in m["content"] if isinstance(m["content"], list)]
    return sum(b["type"] == "tool_result" for b in blocks)


def _adding(body: dict[str, Any]) -> Any:
    return "It is 21." if results(body) else ["I shall add.", call("add", a=17, b=4)]


def _paying(body: dict[str, Any]) -> Any:
    return "Settled." if results(body) else call("pay", euros=40)


def _hanging(body: dict[str, Any]) -> Any:
    return "I do not know." if results(body) else call("hang")


def _waiting(body: dict[str, Any]) -> Any:
    return [call("write", line="once"), call("wait"), "Done."][results(body)]


def _counting(body: dict[str, Any]) -> Any:
    return call("add", a=results(body), b=1)


def _hacking(_: dict[str, Any]) -> Any:
    return "\x1b[2J\x1b]0;owned\x07 all \u202etext"


def _locked_out(_: dict[str, Any]) -> Any:
    return ModelError("authentication", "the API key was refused", status=401)


async def _deaf(_: dict[str, Any]) -> Any:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


def _agent(name: str, script: Any) -> Agent[str]:
    return Agent(name=name, model=ScriptedModel(script), tools=[add, write, wait, pay, hang])


adder = _agent("adder", _adding)
hanger = _agent("hanger", _hanging)
payer = _agent("payer", _paying)
unsure = Agent[str](name="unsure", model=ScriptedModel(_paying), tools=[pay_unsure])
asker = Agent[str](name="asker", model=ScriptedModel(_asking), tools=[ask])
waiter = _agent("waiter", _waiting)
deaf = _agent("deaf", _deaf)
runaway = _agent("runaway", _counting)
hacker = _agent("hacker", _hacking)
locked_out = _agent("locked_out", _locked_out)
no_agent = "a string"


def _planning(body: dict[str, Any]) -> Any:
    if "You split a goal" in json.dumps(body.get("system", "")):
        step = {"id": "twice", "tool": "add", "arguments": {"a": 17, "b": 4}}
        return json.dumps({"steps": [step]})
    return "Planned and done."


planning = Agent(
    name="planning",
    model=ScriptedModel(_planning),
    tools=[add],
    strategy="plan",
    plan=PlanRules(review="always"),
)

boss = Agent(
    name="boss",
    model=ScriptedModel(
        lambda body: "All done." if results(body) else call("waiter", task="write, then wait")
    ),
    tools=[waiter],
)
