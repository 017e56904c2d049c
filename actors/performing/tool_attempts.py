"""Performing one attempt of a tool call, for whichever role performs it."""

from functools import partial

from playhead.actors.performing.services import Services
from playhead.events.event import Event
from playhead.events.kinds.tool_calls import ToolFailed, ToolStarted
from playhead.events.record import Record
from playhead.projections.state.step_state import ToolCall
from playhead.tools.calls.call import ToolCalls, given_up, probe_call
from playhead.tools.context import ToolContext
from playhead.tools.tool import AnyTool


class Attempts:
    """The attempts that one role performs, and what their policies hold between them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._policies = ToolCalls(services.workers, services.monotonic)

    async def perform(self, intent: Record, call: ToolCall, agent: str) -> Event:
        """Perform one attempt, if the tool is still the one that was meant."""
        tool = same_tool(self._services, call, agent)
        if tool is None:
            return _changed(call.requested.tool)
        return await self._policies.call(tool, call.arguments, self._context(intent, call))

    async def recover(self, intent: Record, call: ToolCall, agent: str) -> Event:
        """Ask the tool's probe what became of the call; without an answer it is cut off."""
        assert call.spec is not None
        tool = self._services.tool(agent, call.requested.tool)
        if tool is None or tool.probe is None:
            return given_up(call.spec, "interrupted")
        workers, monotonic = self._services.workers, self._services.monotonic
        return await probe_call(tool, self._context(intent, call), workers, monotonic=monotonic)

    def _context(self, intent: Record, call: ToolCall) -> ToolContext:
        assert isinstance(intent.event, ToolStarted)
        services, recollect = self._services, self._services.recollect
        knows = recollect is not None and bool(call.scope.namespace)
        return ToolContext(
            call.run, call.seq, intent.event.attempt, services.secrets, services.results,
            partial(recollect.memories, call.scope) if knows and recollect is not None else None,
        )  # fmt: skip


def same_tool(services: Services, call: ToolCall, agent: str) -> AnyTool | None:
    """The tool's code, if it is the one that was meant when the run began."""
    assert call.spec is not None
    tool = services.tool(agent, call.requested.tool)
    return tool if tool is not None and tool.spec.definition == call.spec.definition else None


def _changed(name: str) -> ToolFailed:
    message = f"{name} is not what it was when this run began: it was changed or taken away"
    hint = "Nothing was done. Go on without it; a new run gets the new definition."
    return ToolFailed(error="changed", message=message, hint=hint)
