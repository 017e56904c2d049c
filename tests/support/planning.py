"""Models that propose a test's plans, and tools whose results can be computed."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from playhead import Agent, PlanRules, ToolContext, tool
from playhead.events.event import Json
from playhead.events.model_api import Request
from playhead.testing import ScriptedModel

Steps = Sequence[Mapping[str, Any]]

entered: list[tuple[str, str, Any]] = []
"""(key of the call, name, given) of each call of `work`."""


def result_of(name: str, given: Json, items: int) -> Json:
    """The result of `work`."""
    nested: list[Json] = [{"v": f"{name}.{n}", "n": n} for n in range(items)]
    return {"name": name, "items": nested, "given": given, "deep": {"list": [[1, 2], name]}}


@tool(effect="read")
async def work(
    context: ToolContext, name: str, given: Any = None, items: int = 2, seconds: float = 1.0
) -> Any:
    """Do some work.

    Args:
        context: of the call.
        name: who works.
        given: what to work with.
        items: how many items come out.
        seconds: how long it takes.
    """
    entered.append((context.key, name, given))
    await asyncio.sleep(seconds)
    return result_of(name, given, items)


def step(id: str, **more: Any) -> dict[str, Any]:  # noqa: A002
    """A step that works, unless specified otherwise."""
    name = id + "/${item.v}" if "for_each" in more else id
    given = {"name": name, **more.pop("arguments", {})}
    fields = {"id": id, "description": f"do {id}", "tool": "work", "arguments": given}
    if more.get("tool", "work") != "work":
        fields["arguments"] = {k: v for k, v in given.items() if k != "name"}
    return {**fields, **more}


def is_planning(body: Mapping[str, Any]) -> bool:
    """Whether the request asks for a plan."""
    return "You split a goal" in json.dumps(body.get("system", ""))


def text_of(body: Mapping[str, Any]) -> str:
    """The text of the whole request."""
    return json.dumps(body["messages"], ensure_ascii=False)


def task_of(body: Mapping[str, Any]) -> str:
    """The step's goal: the last words of its first message."""
    return str(body["messages"][0]["content"][-1]["text"])


def planner(
    *plans: Steps | str, otherwise: Callable[[Mapping[str, Any]], Any] | None = None
) -> ScriptedModel:
    """Proposes the plans in order (the last one repeatedly); otherwise answers `done`."""
    asked = [0]

    def reply(body: Mapping[str, Any]) -> Any:
        if not is_planning(body):
            return "done" if otherwise is None else otherwise(body)
        found = plans[min(asked[0], len(plans) - 1)]
        asked[0] += 1
        return found if isinstance(found, str) else json.dumps({"steps": list(found)})

    return ScriptedModel(reply)


def agent_of(*plans: Steps | str, tools: Sequence[Any] = (work,), **more: Any) -> Agent[Any]:
    """An agent that proposes these plans."""
    otherwise = more.pop("otherwise", None)
    rules = PlanRules(**more.pop("rules", {}))
    model = planner(*plans, otherwise=otherwise)
    return Agent(name="boss", model=model, tools=tools, strategy="plan", plan=rules, **more)


def requests_of(agent: Agent[Any]) -> list[Request]:
    """The requests received by the agent's scripted model."""
    assert isinstance(agent.model, ScriptedModel)
    return agent.model.requests


@tool(effect="read")
async def rest(seconds: float) -> str:
    """Rest.

    Args:
        seconds: how long.
    """
    await asyncio.sleep(seconds)
    return "rested"
