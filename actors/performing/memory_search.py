"""Performs the search before a run's first step: on a worker thread, because it reads a file."""

from playhead.actors.performing.services import Services, Work
from playhead.events.kinds.memory import MemoryRecalled, RecallRequested
from playhead.events.spec.memory import Scope
from playhead.projections.state.run_state import RunState
from playhead.tools.execution.workers import NotStarted, TimedOut

SECONDS = 30.0
"""After this many seconds the run continues without a result."""


def scope_of(state: RunState, _: RecallRequested) -> Scope:
    """The scope in which the run may recall."""
    return state.scope


async def perform_recall(services: Services, work: Work[RecallRequested, Scope]) -> MemoryRecalled:
    """The search result. Raises only CancelledError: a failure is an outcome too."""
    recollect, began, asked = services.recollect, services.monotonic(), work.event
    if recollect is None:
        return MemoryRecalled(error="there is no index of memories here")
    scope = work.job._replace(namespace=asked.namespace)

    def search() -> MemoryRecalled:
        try:
            return recollect.all(scope, asked.query, asked.limit, asked.tokens)
        except BaseException as error:  # a file, or a user's embedder, may raise anything
            return _failed(error)

    try:
        found = await services.workers.run_sync("recall", search, SECONDS, _late, _idle)
    except (NotStarted, TimedOut) as error:
        return _failed(error)
    took = round((services.monotonic() - began) * 1000, 3)
    return found.model_copy(update={"duration_ms": took})


def recall_cut_off(_: RecallRequested, __: Scope, reason: str) -> MemoryRecalled:
    """An interrupted search is repeated; a cancelled one is no longer needed."""
    return MemoryRecalled(error=reason)


def recall_broken(_: str, message: str) -> MemoryRecalled:
    """The run continues without it."""
    return MemoryRecalled(error=message)


def _failed(error: BaseException) -> MemoryRecalled:
    said = f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode()
    return MemoryRecalled(error=said[:500])


def _late(_: MemoryRecalled) -> None:
    """Ignores the result: nothing waits for it any more."""


def _idle() -> None:
    """Does nothing: an abandoned search needs no notification."""
