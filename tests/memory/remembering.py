"""An agent that remembers what it is told to, and looks up what it is asked for."""

from typing import Any

from playhead import Agent, MemoryRules
from playhead.testing import ScriptedModel, call
from playhead.testing.scripted_model import Scripted
from playhead.toolkit import memory_tools

ACME = MemoryRules(namespace="acme")


def texts(body: dict[str, Any]) -> list[str]:
    """The texts of a request's first message."""
    return [block["text"] for block in body["messages"][0]["content"] if block["type"] == "text"]


def reply(body: dict[str, Any]) -> Scripted:
    """`remember: X` and `recall: X` are done; then the tool's answer is said."""
    last = body["messages"][-1]["content"]
    if last[0]["type"] == "tool_result":
        return f"Done: {last[0]['content']}"
    goal = texts(body)[-1] if len(body["messages"]) > 1 else _goal(body)
    word, _, rest = goal.partition(": ")
    if word == "remember":
        return call("remember", text=rest, metadata={"kind": "note"})
    return call("recall", query=rest) if word == "recall" else "Nothing to do."


def _goal(body: dict[str, Any]) -> str:
    return next(t for t in reversed(texts(body)) if not t.startswith("<"))


def assistant(rules: MemoryRules = ACME, name: str = "assistant") -> Agent[str]:
    """Follows its goal to the letter."""
    return Agent(name=name, model=ScriptedModel(reply), tools=[memory_tools], memory=rules)
