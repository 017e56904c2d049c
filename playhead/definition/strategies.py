"""An agent's strategy, as its author defines it; and agents as tools."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

from playhead.events.errors import UsageError
from playhead.events.spec.agent import AgentSpec, ToolSpec
from playhead.events.spec.plan import Strategy
from playhead.tools.definition.names import NAME
from playhead.tools.tool import pinned

StrategyRule: TypeAlias = Callable[[str, list[str]], Any]
"""Receives the goal and the tools' names; returns "direct", "react", "plan" or "function"."""

Task: TypeAlias = Callable[[str], Any]
"""Receives the goal and returns the answer: its run calls no model."""

StrategyChoice: TypeAlias = Literal["auto", "asked"] | Strategy


def recorded_strategy(name: str, strategy: object, function: Task | None) -> StrategyChoice:
    """The strategy as a run records it. Raises UsageError for an unknown one."""
    if callable(strategy):
        return "asked"
    if strategy == "auto":
        return "auto" if function is None else "function"
    if strategy == "function" and function is None:
        msg = f'agent {name!r}: strategy="function" needs function=, from the goal to the answer'
        raise UsageError(msg)
    for known in get_args(Strategy):
        if strategy == known:
            return known  # type: ignore[no-any-return]
    known = ", ".join(("auto", *get_args(Strategy)))
    msg = f"agent {name!r}: strategy={strategy!r} must be one of {known}, or a function"
    raise UsageError(msg)


def agent_as_tool(agent: AgentSpec, description: str) -> ToolSpec:
    """The agent as another one sees it. Raises UsageError if its name is not valid for a tool."""
    if not NAME.fullmatch(agent.name):
        msg = (
            f"agent {agent.name!r} is used as a tool: its name must have 1 to 64 of a-z, A-Z, 0-9, "
            "_ and -"
        )
        raise UsageError(msg)
    description = description or f"Another agent. {agent.instructions}".strip()
    task = "What it is to reach, with all that it must know for it."
    return _calls(agent, agent.name, description, {"task": task})


def handoff_name(agent: str) -> str:
    """The tool by which a model hands over to that agent."""
    return f"handoff_to_{agent}"


def handoff_as_tool(agent: AgentSpec, description: str) -> ToolSpec:
    """The tool that hands the conversation over. Raises UsageError as `agent_as_tool` does."""
    name = handoff_name(agent.name)
    if not NAME.fullmatch(name):
        msg = (
            f"agent {agent.name!r} is in handoffs: {name} must have 1 to 64 of a-z, A-Z, 0-9, _, -"
        )
        raise UsageError(msg)
    described = (
        f"Hand the conversation over to {agent.name}, which answers in your place. It knows what "
        f"was said so far, and your message. Use it when the request is its business. {description}"
    )
    message = "What it must know beyond what was said: what you found out, what is left to do."
    spec = _calls(agent, name, described.strip(), {"message": message})
    return pinned(spec.model_copy(update={"handoff": True}))


def _calls(agent: AgentSpec, name: str, description: str, takes: dict[str, str]) -> ToolSpec:
    reads = all(tool.effect == "read" for tool in agent.tools)
    return pinned(
        ToolSpec(
            name=name,
            description=description,
            input_schema={
                "type": "object",
                "properties": {
                    each: {"type": "string", "description": words} for each, words in takes.items()
                },
                "required": [*takes],
                "additionalProperties": False,
            },
            effect="read" if reads else "once",
            performer="agent",
            agent=agent,
        )
    )
