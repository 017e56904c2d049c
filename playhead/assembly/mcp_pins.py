"""What MCP servers said that their tools are, at first use: another word needs a person's yes.

The pins lie in the runtime's own stream of the log, one event each; the last one of a tool counts.
"""

import time
from collections.abc import Mapping

from playhead.actors.append import append_event
from playhead.events.kinds.codec import decode
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
        """Why tools (by their names there) are refused; new ones are pinned."""
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
        """Whether a person has looked at exactly this definition and accepted it."""
        pin = pins_of(self._log, server).get(tool)
        return pin is not None and pin.approved and pin.definition == definition

    def pin(self, server: str, tool: str, definition: str, *, approved: bool = False) -> None:
        """Say what the tool is from now on."""
        event = ToolPinned(server=server, tool=tool, definition=definition, approved=approved)
        append_event(self._log, event, time.time_ns() // 1000)


def pins_of(log: Reader, server: str) -> dict[str, ToolPinned]:
    """Tool -> its last pin, of one server."""
    found = dict[str, ToolPinned]()
    for row in log.read(RUNTIME_STREAM):
        if row.kind == "tool_pinned" and not row.imported:
            event = decode(row, log.body).event
            if isinstance(event, ToolPinned) and event.server == server:
                found[event.tool] = event
    return found
