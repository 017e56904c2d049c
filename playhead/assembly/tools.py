"""The tools of a runtime's agents, found by name when a call is performed.

MCP servers are connected when the first agent that uses them is registered, and closed with the
last such agent or with the runtime. Their tools' definitions are pinned (mcp_pins.py).
"""

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from playhead.assembly.mcp_pins import CHANGED, Pins
from playhead.definition.agent import Agent
from playhead.events.errors import UsageError
from playhead.events.log.contract import Log
from playhead.events.log.private_files import log_around
from playhead.events.logger import ProgramLogger
from playhead.projections.plan.plan import OWN
from playhead.tools.context import Secrets, from_environment
from playhead.tools.groups import Offered, Toolset, every
from playhead.tools.lint.lint import lint
from playhead.tools.lint.shadowing import named_tools
from playhead.tools.mcp.convert import definition_of
from playhead.tools.mcp.server import Judge, Lapse, McpServer
from playhead.tools.read_result import read_result
from playhead.tools.tool import AnyTool, by_name

log = ProgramLogger("playhead.tool")

TAKEN = "another tool of the agent has its name: give the server a prefix, mcp(..., prefix=...)"

SKILLS = "(skills)"
"""Where skills are pinned, beside the names of MCP servers."""

RESERVED = "steps of plans are called so: give the server a prefix, mcp(..., prefix=...)"

SHADOWS = (
    "it speaks of {other}, which is not its server's: look at it, then `playhead approve-tools` "
    "accepts it"
)


class Toolbox:
    """Knows each agent's tools. Its methods may be called from any thread."""

    def __init__(self, pins: Pins, secrets: Secrets) -> None:
        self.secrets = secrets
        self._pins = pins
        self._tools: dict[int, dict[str, AnyTool]] = {}
        """The tools of each agent, by the `id` of its object."""
        self._agents: dict[int, weakref.ref[Agent[Any]]] = {}
        self._advised: set[str] = set()
        self._servers: list[McpServer] = []
        self._uses: dict[int, list[McpServer]] = {}
        """The servers of each agent, by the `id` of its object."""
        self._closing: list[Thread] = []
        self.lapse: Lapse | None = None
        """Called when a server's question can be answered no more."""

    def register(self, agent: Agent[Any]) -> None:
        """Add the agent's tools.

        Raises UsageError for two tools with one name, for an unreachable server, and for a tool
        whose folder contains the log.
        """
        self._uses[id(agent)] = servers_of(agent)  # first: nobody else's end may close them now
        try:
            tools = self._ready(agent)
        except BaseException:
            self.forget(id(agent))
            raise
        self._agents[id(agent)] = weakref.ref(agent)
        self._tools[id(agent)] = by_name(tools)
        if agent.name not in self._advised:  # not for each version
            self._advised.add(agent.name)
            _advise(agent.name, tools)

    def tool(self, agent: Agent[Any], name: str) -> AnyTool | None:
        """The code of an agent's tool; None if there is no tool of that name."""
        return self._tools[id(agent)].get(name)

    def forget(self, known: int) -> None:
        """The agent with that `id` is gone, and so are the servers that only it used."""
        self._agents.pop(known, None)
        self._tools.pop(known, None)
        used = self._uses.pop(known, ())
        kept = [server for servers in list(self._uses.values()) for server in servers]
        for server in used:
            if server in self._servers and server not in kept:
                self._servers.remove(server)
                self._close_later(server)

    def close(self) -> None:
        """Close the servers that were connected here."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for thread in self._closing:
            thread.join()

    def _ready(self, agent: Agent[Any]) -> list[AnyTool]:
        for server in self._uses[id(agent)]:
            if server not in self._servers:
                server.connect(self._pins.judge, self._refresh, self.secrets, self._lapsed)
                self._servers.append(server)
        keep_apart(agent, self._pins)
        judge_skills(agent, self._pins)
        tools = agent.all_tools
        for each in tools:
            _keep_from_logs(each)
        return tools

    def _close_later(self, server: McpServer) -> None:
        """Disconnecting takes time, and an agent may be forgotten on any thread."""
        connection = server.release()
        if connection is None:
            return
        self._closing = [thread for thread in self._closing if thread.is_alive()]
        self._closing.append(Thread(target=connection.close, daemon=True))
        self._closing[-1].start()

    def _lapsed(self, run: str, call: int) -> None:
        """A server's session is over, with its question (called on the server's thread)."""
        if self.lapse is not None:  # it waits for the log, and the server must not
            Thread(target=self.lapse, args=(run, call), daemon=True).start()

    def _refresh(self) -> None:
        """A server's tools have changed (called on the server's thread)."""
        for agent in [ref() for ref in list(self._agents.values())]:
            if agent is not None:
                keep_apart(agent, self._pins)
                self._tools[id(agent)] = by_name(agent.all_tools)


def ready(owned: Log, agent: Agent[Any] | None) -> Toolbox:
    """The tools of an agent that is recorded without a Runtime; its servers wait for `close`."""
    toolbox = Toolbox(Pins(owned), from_environment)
    if agent is not None:
        toolbox.register(agent)
    return toolbox


def judge_skills(agent: Agent[Any], pins: Pins, *, start: bool = True) -> None:
    """Refuse skills that are not what they were at their first use, until a person accepts them.

    At a start, raises UsageError for changed instructions: an agent does not run without them.
    """
    skills = {skill.spec.name: skill for skill in agent.loaded_skills}
    if not skills:
        return
    why = pins.judge(SKILLS, {name: skill.spec.definition for name, skill in skills.items()})
    for name, skill in skills.items():
        skill.refused = why.get(name)
        if skill.refused is not None and start:
            if skill.spec.kind == "instructions":
                msg = f"agent {agent.name!r}: {name}: {skill.refused}"
                raise UsageError(msg)
            log.warning("skill.refused", agent=agent.name, skill=name, why=skill.refused)


def _keep_from_logs(tool: AnyTool) -> None:
    """Raise UsageError for a tool whose file or folder is, or contains, a log of this process."""
    given = tool.subprocess
    places = [tool.reaches] if tool.reaches else []
    if given is not None:
        places += [Path(each) for each in (given.workspace, *given.reads, *given.writes) if each]
    for place in places:
        log = log_around(place)
        if log is not None:
            msg = (
                f"tool {tool.spec.name} works on {place}, which contains the log {log}: put the "
                "log in a separate folder, or give the tool another folder"
            )
            raise UsageError(msg)


def _advise(agent: str, tools: Sequence[AnyTool]) -> None:
    """Log the lint's findings. Advice never prevents a start, even if the lint fails."""
    try:
        findings = lint(tools)
    except Exception as error:
        log.warning("tool.lint_failed", agent=agent, error=f"{type(error).__name__}: {error}"[:500])
        return
    if findings:
        log.warning(
            "tool.lint",
            agent=agent,
            findings=len(findings),
            first=f"{findings[0].tool}: {findings[0].problem}",
            more="playhead lint-tools MODULE:AGENT",
        )


def servers_of(agent: Agent[Any]) -> list[McpServer]:
    """The MCP servers among an agent's tools."""
    return [each for each in agent.tools if isinstance(each, McpServer)]


def keep_apart(agent: Agent[Any], pins: Pins) -> None:
    """Withhold server tools with taken names, and unaccepted ones that mention others' tools.

    Only from this agent: others may share the server. Its own tools take precedence over those of
    servers, and servers over later servers.
    """
    offered = agent.offered
    own = {tool.spec.name for tool in every([t for t in agent.functions if t not in offered])}
    own |= {name for name, _ in agent.other_names}
    own.add(read_result.spec.name)
    taken = set(own)
    for view in offered:
        others = own | {
            t.spec.name for each in offered if each is not view for t in each.server.tools
        }
        good, withheld = list[AnyTool](), dict[str, str]()
        for tool in view.server.tools:
            why = _shadowing(view.server, tool, taken, others, pins)
            if why is None:
                good.append(tool)
            else:
                withheld[tool.spec.original or tool.spec.name] = why
        _report(agent.name, view, withheld)
        view.judged(good, withheld)
        taken |= {tool.spec.name for tool in good}


def _report(agent: str, view: Offered, withheld: dict[str, str]) -> None:
    for tool, why in withheld.items():
        if view.withheld.get(tool) != why:
            log.warning("mcp.tool_withheld", agent=agent, server=view.name, tool=tool, why=why)


def _shadowing(
    server: Toolset, tool: AnyTool, taken: set[str], others: set[str], pins: Pins
) -> str | None:
    there = tool.spec.original or tool.spec.name
    if tool.spec.name in OWN:
        return RESERVED
    if tool.spec.name in taken:
        return TAKEN
    other = next(named_tools(tool, sorted(others)), None)
    if other is None or not isinstance(server, McpServer) or there not in server.listed:
        return None
    if pins.accepted(server.name, there, definition_of(server.listed[there])):
        return None
    return SHADOWS.format(other=other)


def connected(agent: Agent[Any], judge: Judge | None = None) -> Callable[[], None]:
    """Connect an agent's servers outside a runtime; the returned function closes them."""
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
    """A server's tool that needs review: it differs from its pin, or names another's tools."""

    server: str
    tool: str
    definition: str
    """Hash of its current definition."""
    description: str
    """Its current definition, as the server gives it."""
    why: str
    """Why it is refused."""


def changed_tools(agent: Agent[Any], pins: Pins) -> list[Changed]:
    """Connect the agent's servers and list their tools that are refused until accepted."""
    close = connected(agent, pins.judge)
    try:
        keep_apart(agent, pins)
        judge_skills(agent, pins, start=False)
        skills = [
            Changed(SKILLS, s.spec.name, s.spec.definition, s.body, s.refused)
            for s in agent.loaded_skills
            if s.refused is not None
        ]
        return skills + [
            Changed(server.name, tool, definition_of(listed), listed.description or "", why)
            for view in agent.offered
            for server in [view.server]
            if isinstance(server, McpServer)
            for tool, why in {**view.withheld, **server.refused}.items()
            if why == CHANGED or (tool in view.withheld and why not in (TAKEN, RESERVED))
            for listed in [server.listed[tool]]
        ]
    finally:
        close()
