"""Calls of tools on real threads, from tests that are not async themselves."""

import asyncio
from collections.abc import Mapping
from typing import Any

from playhead.events.event import Json
from playhead.events.kinds.tool_calls import ToolFailed, ToolSucceeded
from playhead.tools.calls.call import Outcome, call_tool
from playhead.tools.context import ToolContext
from playhead.tools.execution.workers import Inline, Threads, Workers
from playhead.tools.tool import AnyTool


def call(tool: AnyTool, workers: Workers | None = None, /, **arguments: Any) -> Outcome:
    return call_with(tool, arguments, workers)


def call_with(
    tool: AnyTool, arguments: Mapping[str, Json], workers: Workers | None = None
) -> Outcome:
    async def once() -> Outcome:
        own = workers or Threads()
        try:
            return await call_tool(tool, arguments, ToolContext("run", 7), own)
        finally:
            if workers is None:
                own.close()

    return asyncio.run(once())


def call_inline(tool: AnyTool, arguments: Mapping[str, Json]) -> Outcome:
    return call_with(tool, arguments, Inline())


def result_of(outcome: Outcome) -> Any:
    assert isinstance(outcome, ToolSucceeded), outcome
    return outcome.result


def failure_of(outcome: Outcome) -> ToolFailed:
    assert isinstance(outcome, ToolFailed), outcome
    return outcome
