"""An agent with what one run has instead: instructions, model, limits, tools or output."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from playhead.definition.agent import Agent
from playhead.definition.strategies import handoff_name
from playhead.events.spec.agent import Limits
from playhead.tools.groups import chosen

FIELDS = ("instructions", "limits", "output")


def for_one_run(agent: Agent[Any], options: Mapping[str, Any]) -> Agent[Any]:
    """The agent as this run has it; the agent itself if its options change nothing.

    Tools that are named are the agent's own; others are given as they are. Raises UsageError.
    """
    changes = {name: options[name] for name in FIELDS if options.get(name) is not None}
    if "limits" in changes:
        changes["limits"] = Limits.model_validate(changes["limits"])
    if options.get("model") is not None:
        changes |= {"model": options["model"], "routing": None, "fallback": ()}
    tools = options.get("tools")
    if tools is not None and not all(isinstance(tool, str) for tool in tools):
        names = [tool for tool in tools if isinstance(tool, str)]
        agents = [t for t in agent.tools if isinstance(t, Agent) and t.name in names]
        handoffs = [each for each in agent.handoffs if handoff_name(each.name) in names]
        changes["handoffs"] = handoffs
        called = {*(a.name for a in agents), *(handoff_name(a.name) for a in handoffs)}
        own = chosen(agent.functions, set(names) - called)
        changes["tools"] = [*own, *agents, *(tool for tool in tools if not isinstance(tool, str))]
    return replace(agent, **changes) if changes else agent


def named(options: Mapping[str, Any]) -> list[str] | None:
    """The names of the tools that the run may use, if it is given only names."""
    tools = options.get("tools")
    if tools is None or not all(isinstance(tool, str) for tool in tools):
        return None
    return list(tools)
