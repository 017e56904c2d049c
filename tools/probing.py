"""Asking a tool, after a crash, what became of a call that was cut off."""

import structlog

from playhead.events.tool_calls import ToolFailed, ToolSucceeded
from playhead.tools.results import ResultRefused, to_result
from playhead.tools.tool import AnyTool, Done, NotDone
from playhead.tools.user_code import ask
from playhead.tools.workers import Workers

log = structlog.get_logger("playhead.tool")


async def probe_call(
    tool: AnyTool, key: str, workers: Workers
) -> ToolSucceeded | ToolFailed | None:
    """What the tool's probe found; None when it cannot tell, or fails itself."""
    assert tool.probe is not None
    said = await ask(f"{tool.spec.name}.probe", tool.probe, (key,), workers)
    match said.value:
        case Done(result=result):
            return _found(tool, result)
        case NotDone():
            message = f"{tool.spec.name} was cut off by a crash, and had not taken effect"
            return ToolFailed(error="interrupted", message=message, hint="It may be called again.")
        case _:
            if said.error is not None:
                log.warning("tool_call.probe_failed", tool=tool.spec.name, error=said.error)
            return None


def _found(tool: AnyTool, result: object) -> ToolSucceeded | None:
    try:
        return ToolSucceeded(result=to_result(result, tool.signature.result), duration_ms=0.0)
    except ResultRefused as error:
        log.warning("tool_call.probe_failed", tool=tool.spec.name, error=str(error))
        return None
