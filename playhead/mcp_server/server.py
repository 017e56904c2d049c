"""The MCP server of a log: reading is the default, acting must be asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mcp.server import MCPServer

from playhead.definition.agent import Agent
from playhead.events.version import VERSION
from playhead.mcp_server.agent_tools import Start, add_agent_tools
from playhead.mcp_server.log_tools import add_log_tools

READING = (
    "The log of runs of LLM agents. Begin with list_runs; `why` says what went wrong in a run, "
    "`causes` and `context` say why a record is there and what the model was told."
)
ACTING = " Agents are tools too: a call is a run, and its result has the run's id."


def make_server(
    log: Path | None, start: Start | None = None, agents: Sequence[Agent[Any]] = ()
) -> MCPServer:
    """The server: the tools that read `log`, if it is a file, and one for each agent."""
    server = MCPServer(
        "playhead",
        version=VERSION,
        instructions=READING + (ACTING if agents else ""),
        log_level="WARNING",
    )
    if log is not None:
        add_log_tools(server, log)
    if start is not None:
        add_agent_tools(server, start, agents)
    return server
