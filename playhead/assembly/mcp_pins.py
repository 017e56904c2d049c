"""The recorded definitions of MCP servers' tools: a changed definition needs approval.

The pins are events in the runtime stream of the log; the last one of a tool counts.
"""

import time
from collections.abc import Mapping

from playhead.actors.append import append_event
from playhead.events.codec import decode
from playhead.events.kinds.tool_calls import ToolPinned
from playhead.events.log.contract import RUNTIME_STREAM, Log, Reader

CHANGED = (
    "it is not what it was when it was first used: look at it, then `playhead approve-tools` "
    "accepts the new definition"
)


class Pins:
    """The pins of one log."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def judge(self, server: str, definitions: Mapping[str, str]) -> dict[str, str]:
        """Why tools (by their names on the server) are refused; new tools are pinned."""
        known = {tool: pin.definition for tool, pin in pins_of(self._log, server).items()}
        for tool, definition in definitions.items():
            if tool not in known:
                self.pin(server, tool, definition)
        return {
            tool: CHANGED
            for tool, definition in definitions.items()
            if known.get(tool, definition) != definition
        }

    def accepted(self, server: str, tool: str, definition: str) -> bool:
        """Whether a person reviewed exactly this definition and accepted it."""
        pin = pins_of(self._log, server).get(tool)
        return pin is not None and pin.approved and pin.definition == definition

    def pin(self, server: str, tool: str, definition: str, *, approved: bool = False) -> None:
        """Record the tool's definition from now on."""
        event = ToolPinned(server=server, tool=tool, definition=definition, approved=approved)
        append_event(self._log, event, time.time_ns() // 1000)


def pins_of(log: Reader, server: str) -> dict[str, ToolPinned]:
    """Tool -> its latest pin, for one server."""
    found = dict[str, ToolPinned]()
    for row in log.read(RUNTIME_STREAM):
        if row.kind == "tool_pinned" and not row.imported:
            event = decode(row, log.body).event
            if isinstance(event, ToolPinned) and event.server == server:
                found[event.tool] = event
    return found
