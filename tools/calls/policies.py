"""A call as its tool's policy has it: from the cache, through the gates, then performed."""

from collections.abc import Mapping

from playhead.events.event import Json
from playhead.events.kinds.tool_calls import ToolFailed
from playhead.tools.calls.cache import ResultCache
from playhead.tools.calls.call import Outcome, call_tool
from playhead.tools.calls.limits import Gates, RateLimited
from playhead.tools.context import ToolContext
from playhead.tools.execution.attempt import Monotonic
from playhead.tools.execution.workers import Workers
from playhead.tools.tool import AnyTool


class Policies:
    """Performs calls; holds what is shared between them. Used on one event loop."""

    def __init__(self, workers: Workers, monotonic: Monotonic) -> None:
        self._workers = workers
        self._monotonic = monotonic
        self._gates = Gates(monotonic)
        self._cache = ResultCache(monotonic)

    async def call(
        self, tool: AnyTool, arguments: Mapping[str, Json], context: ToolContext
    ) -> Outcome:
        """One attempt. Raises nothing but CancelledError, when its own task is cancelled."""
        spec = tool.spec
        known = self._cache.get(spec, arguments, context.run)
        if known is not None:
            return known
        try:
            async with self._gates.through(spec):
                outcome = await call_tool(
                    tool, arguments, context, self._workers, monotonic=self._monotonic
                )
        except RateLimited as limited:
            return ToolFailed(
                error="rate_limited",
                message=f"{spec.name} was not called: its {limited}",
                hint="Nothing was done. Do something else first.",
                retry_after=round(limited.after, 3),
                retryable=True,
            )
        self._cache.put(spec, arguments, context.run, outcome)
        return outcome
