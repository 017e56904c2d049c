"""The tools of a runtime's agents: found by name when a call is performed."""

from typing import Any

from playhead.agent import Agent
from playhead.events.program_logger import ProgramLogger
from playhead.tools.lint import lint
from playhead.tools.tool import AnyTool, by_name

log = ProgramLogger("playhead.tool")


class Toolbox:
    """Knows each agent's tools."""

    def __init__(self) -> None:
        self._tools: dict[str, dict[str, AnyTool]] = {}

    def register(self, agent: Agent[Any]) -> None:
        """Take up the agent's tools. Raises UsageError for two of one name."""
        self._tools[agent.name] = by_name(agent.all_tools)
        findings = lint(agent.all_tools)
        if findings:
            log.warning(
                "tool.lint",
                agent=agent.name,
                findings=len(findings),
                first=f"{findings[0].tool}: {findings[0].problem}",
                more="playhead lint-tools MODULE:AGENT",
            )

    def tool(self, agent: str, name: str) -> AnyTool | None:
        """The code of an agent's tool; None when there is none of that name."""
        return self._tools[agent].get(name)
