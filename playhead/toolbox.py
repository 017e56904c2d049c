"""The tools of a runtime's agents: found by name when a call is performed.

MCP servers are connected when the first agent that has them is registered, and closed with the
runtime. What they say that their tools are is pinned (playhead/pins.py).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from playhead.agent import Agent
from playhead.events.program_logger import ProgramLogger
from playhead.pins import Pins
from playhead.tools.context import Secrets
from playhead.tools.lint import lint
from playhead.tools.mcp_server import Judge, McpServer
from playhead.tools.mcp_tools import definition_of
from playhead.tools.tool import AnyTool, by_name

log = ProgramLogger("playhead.tool")


class Toolbox:
    """Knows each agent's tools. Its methods may be called from any thread."""

    def __init__(self, judge: Judge, secrets: Secrets) -> None:
        self.secrets = secrets
        self._judge = judge
        self._tools: dict[str, dict[str, AnyTool]] = {}
        self._agents: dict[str, Agent[Any]] = {}
        self._servers: list[McpServer] = []

    def register(self, agent: Agent[Any]) -> None:
        """Take up the agent's tools.

        Raises UsageError for two of one name, and for a server that cannot be reached.
        """
        for server in servers_of(agent):
            if server not in self._servers:
                server.connect(self._judge, self._refresh, self.secrets)
                self._servers.append(server)
        tools = agent.all_tools
        self._agents[agent.name] = agent
        self._tools[agent.name] = by_name(tools)
        findings = lint(tools)
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

    def close(self) -> None:
        """Close the servers that were connected here."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    def _refresh(self) -> None:
        """A server has other tools than before (called on its thread)."""
        for agent in list(self._agents.values()):
            self._tools[agent.name] = by_name(agent.all_tools)


def servers_of(agent: Agent[Any]) -> list[McpServer]:
    """The MCP servers among an agent's tools."""
    return [each for each in agent.tools if isinstance(each, McpServer)]


def connected(agent: Agent[Any], judge: Judge | None = None) -> Callable[[], None]:
    """Connect an agent's servers outside of a runtime; the function returned closes them."""
    servers = servers_of(agent)

    def close() -> None:
        for server in servers:
            server.close()

    try:
        for server in servers:
            server.connect(judge)
    except BaseException:
        close()
        raise
    return close


class Changed(NamedTuple):
    """A server's tool that is not what was pinned."""

    server: str
    tool: str
    definition: str
    """Of what it is now."""
    description: str
    """What the server says now."""


def changed_tools(agent: Agent[Any], pins: Pins) -> list[Changed]:
    """Connect the agent's servers and say which of their tools are refused as changed."""
    close = connected(agent, pins.judge)
    try:
        return [
            Changed(server.name, tool, definition_of(listed), listed.description or "")
            for server in servers_of(agent)
            for tool in server.refused
            for listed in [server.listed[tool]]
        ]
    finally:
        close()
