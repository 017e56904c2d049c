"""The tool role: turns wishes into attempts, or refuses them; starts what was interrupted again."""

from collections.abc import Sequence
from typing import ClassVar

from playhead.actors.role import Job, Role, RoleName
from playhead.actors.world import World
from playhead.events.event import Event
from playhead.events.record import Record
from playhead.events.runs import LimitReached
from playhead.events.tool_calls import ToolFailed, ToolRefused, ToolRequested, ToolStarted
from playhead.projections.run_state import Call, RunState
from playhead.tools.arguments import check, suggest_tool
from playhead.tools.calling import call_tool, given_up
from playhead.tools.context import ToolContext

STOPPED = "not started: the run is stopping"


class Tool(Role):
    """Check a wish, and start it as often as its effect class allows."""

    name: ClassVar[RoleName] = "tool"
    handles: ClassVar[frozenset[str]] = frozenset({
        "tool_requested", "tool_failed", "cancel_requested", "time_reached", "limit_reached",
    })  # fmt: skip

    def __init__(self, world: World | None = None) -> None:
        self._world = world

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """Start, start again, or refuse."""
        match record.event:
            case ToolRequested():
                call = state.calls.get(record.seq)
                return [] if call is None else _on_wish(state, call)
            case ToolFailed():
                intent = state.intent_of(record)
                call = state.calls.get(getattr(intent, "call", 0))
                return [] if call is None else [_attempt(state, call)]
            case _:
                waiting = [call for call in state.calls.values() if call.started is None]
                return [_refused(call, "stopped", STOPPED) for call in waiting]

    async def perform(self, intent: Record, job: Job, agent: str) -> Event:
        """Perform one attempt, if the tool is still the one that was meant."""
        started = intent.event
        assert isinstance(job, Call)
        assert isinstance(started, ToolStarted)
        assert self._world is not None
        tool = self._world.tool(agent, job.wish.tool)
        if tool is None or tool.spec.definition != started.definition:
            return _changed(job.wish.tool)
        context = ToolContext(intent.run, started.call, started.attempt)
        return await call_tool(
            tool, job.wish.arguments, context, self._world.workers,
            monotonic=self._world.monotonic,
        )  # fmt: skip

    def cut_off(self, intent: Record, job: Job, reason: str) -> Event:
        """Unknown for `once`; anything else may be done again."""
        assert isinstance(job, Call)
        assert job.spec is not None
        return given_up(job.spec, reason)


def _changed(name: str) -> ToolFailed:
    message = f"{name} is not what it was when this run began: it was changed or taken away"
    hint = "Nothing was done. Go on without it; a new run gets the new definition."
    return ToolFailed(error="changed", message=message, hint=hint)


def _on_wish(state: RunState, call: Call) -> Sequence[Event]:
    if not state.may_start:
        return [_refused(call, "stopped", STOPPED)]
    if call.spec is None:
        names = [tool.name for tool in state.agent.tools]
        unknown = suggest_tool(call.wish.tool, names)
        return [_refused(call, "unknown_tool", unknown.message, unknown.hint)]
    wrong = check(call.spec, call.wish.arguments)
    if wrong is not None:
        return [_refused(call, "invalid_arguments", wrong.message, wrong.hint)]
    maximum, wanted = state.limits.max_tool_calls, state.spent.tool_calls + 1
    if maximum is not None and wanted > maximum:
        reached = LimitReached(limit="max_tool_calls", maximum=maximum, wanted=wanted)
        message = f"not started: the run may make {maximum} tool calls"
        return [reached, _refused(call, "limit", message)]
    return [_attempt(state, call)]


def _attempt(state: RunState, call: Call) -> Event:
    if not state.may_start or call.spec is None:
        return _refused(call, "stopped", STOPPED)
    return ToolStarted(call=call.seq, attempt=call.attempts + 1, definition=call.spec.definition)


def _refused(call: Call, reason: str, message: str, hint: str | None = None) -> ToolRefused:
    return ToolRefused(call=call.seq, reason=reason, message=message, hint=hint)  # type: ignore[arg-type]
