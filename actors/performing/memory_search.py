"""Performing the search before a run's first step: on a worker, since it reads a file."""

from playhead.actors.performing.services import Services
from playhead.events.kinds.memory import MemoryRecalled, RecallRequested
from playhead.events.spec.memory import Scope
from playhead.tools.execution.workers import NotStarted, TimedOut

SECONDS = 30.0
"""After so long the run goes on without."""


async def perform_recall(
    services: Services, asked: RecallRequested, scope: Scope
) -> MemoryRecalled:
    """What was found. Raises nothing but CancelledError: a failure is an outcome too."""
    recollect, began = services.recollect, services.monotonic()
    if recollect is None:
        return MemoryRecalled(error="there is no index of memories here")
    scope = scope._replace(namespace=asked.namespace)

    def work() -> MemoryRecalled:
        try:
            return recollect.all(scope, asked.query, asked.limit)
        except Exception as error:  # whatever a file, or an embedder of the user's, raises
            return _failed(error)

    try:
        found = await services.workers.run_sync("recall", work, SECONDS, _late, _idle)
    except (NotStarted, TimedOut) as error:
        return _failed(error)
    took = round((services.monotonic() - began) * 1000, 3)
    return found.model_copy(update={"duration_ms": took})


def _failed(error: Exception) -> MemoryRecalled:
    said = f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode()
    return MemoryRecalled(error=said[:500])


def _late(_: MemoryRecalled) -> None:
    """Nobody waits any more."""


def _idle() -> None:
    """There is nothing to tell a search that is given up."""
