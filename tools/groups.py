"""Tools grouped under one name, and the selection of the tools that a run may see."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from playhead.events.errors import UsageError
from playhead.tools.read_result import read_result
from playhead.tools.tool import AnyTool, by_name
from playhead.tools.validation.did_you_mean import nearest


@runtime_checkable
class Toolset(Protocol):
    """Anything that holds tools: a group, or an MCP server once it is connected."""

    @property
    def name(self) -> str:
        """The name by which a run selects it."""
        ...

    @property
    def tools(self) -> Sequence[AnyTool]:
        """Its current tools."""
        ...


@dataclass(frozen=True, slots=True)
class ToolGroup:
    """Tools under one name: `Agent(tools=[group("crm", search, update), calculator])`."""

    name: str
    tools: tuple[AnyTool, ...]


class Offered:
    """A server's tools as one agent is offered them: the server itself is shared by many agents."""

    def __init__(self, server: Toolset) -> None:
        self.server = server
        self.withheld: dict[str, str] = {}
        """The tools (by their names on the server) that this agent is not offered, and why."""
        self._judged: tuple[AnyTool, ...] | None = None

    @property
    def name(self) -> str:
        """The server's name."""
        return self.server.name

    @property
    def tools(self) -> Sequence[AnyTool]:
        """Those that were found good for this agent; before anybody judged, all of the server's."""
        return self.server.tools if self._judged is None else self._judged

    def judged(self, good: Iterable[AnyTool], withheld: dict[str, str]) -> None:
        """Offer these, until the next verdict: what the server lists meanwhile has to wait."""
        self._judged, self.withheld = tuple(good), withheld


AnyTools: TypeAlias = Sequence[AnyTool | Toolset]


def group(name: str, *tools: AnyTool) -> ToolGroup:
    """Make a group. Raises UsageError if two tools have the same name."""
    by_name(tools)
    return ToolGroup(name, tools)


def every(tools: AnyTools) -> list[AnyTool]:
    """All tools, including those of groups, plus `read_result` where results may be cut.

    Raises UsageError if two tools have the same name.
    """
    found = list[AnyTool]()
    for each in tools:
        found += each.tools if isinstance(each, Toolset) else [each]
    named = by_name(found)
    own = read_result.spec.name
    if own not in named and any(tool.spec.max_chars is not None for tool in found):
        found.append(read_result)
    return found


def chosen(tools: AnyTools, only: Iterable[str] | None) -> list[AnyTool]:
    """The tools with these names, and those of the groups with these names; None means all.

    Raises UsageError for a name that is neither a tool nor a group.
    """
    if only is None:
        return every(tools)
    groups = {each.name: each for each in tools if isinstance(each, Toolset)}
    named = by_name(every(tools))
    wanted = set[str]()
    for name in only:
        if name not in groups and name not in named:
            close = nearest(name, [*groups, *named])
            more = f": did you mean {close!r}?" if close else f" (there are: {', '.join(named)})"
            msg = f"tools=: the agent has no tool or group {name!r}{more}"
            raise UsageError(msg)
        wanted |= {tool.spec.name for tool in groups[name].tools} if name in groups else {name}
    if any(named[name].spec.max_chars is not None for name in wanted):
        wanted.add(read_result.spec.name)
    return [tool for name, tool in named.items() if name in wanted]
