"""A role under observation that may have a bug: occasionally its `decide` raises."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from random import Random
from typing import Any, Protocol, TypeAlias

from playhead.actors.engine.effects import Performer
from playhead.actors.performing.effects import AnyEffect
from playhead.actors.performing.services import Work
from playhead.actors.roles.role import Role
from playhead.events.event import Event, Outcome
from playhead.events.record import Record
from playhead.projections.state.run_state import RunState


class Alive(Protocol):
    """The process that something runs in."""

    def reach(self, place: str, kind: str) -> None:
        """A point where the process may die. Raises ProcessDied."""
        ...

    @property
    def elapsed(self) -> float:
        """Seconds since the simulated world began."""
        ...


PERFORMED: ContextVar[Record] = ContextVar("performed")
"""The intent that the current task performs."""


Decide: TypeAlias = Callable[[RunState, Record], Sequence[Event]]


class FaultyRole(Role):
    """A Role that wraps another one."""

    def __init__(self, role: Role, process: Alive, random: Random, error: float) -> None:
        self.name = role.name  # type: ignore[misc]
        self.hears = role.hears  # type: ignore[misc]
        self._role = role
        self._process = process
        self._random = random
        self._error = error

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """Like the wrapped role, or raise; half of the time after it has decided."""
        return self._stumble(self._role.decide, state, record)

    def stopping(self, state: RunState, record: Record) -> Sequence[Event]:
        """Like the wrapped role, or raise."""
        return self._stumble(self._role.stopping, state, record)

    def _stumble(self, decide: Decide, state: RunState, record: Record) -> Sequence[Event]:
        kind = "decided" if record.origin == "decided" else record.event.kind
        self._process.reach("turn", kind)
        draw = self._random.random() if self._error else 1.0
        if draw < self._error / 2:
            msg = "simulated: a bug in a role"
            raise RuntimeError(msg)
        decided = decide(state, record)
        if draw < self._error:
            msg = "simulated: a bug in a role, late"
            raise RuntimeError(msg)
        return decided


class WatchedPerformer(Performer):
    """A Performer that tells models and tools which intent they are called for."""

    async def perform(self, row: AnyEffect, work: Work[Any, Any]) -> Outcome:
        """Like the base class."""
        PERFORMED.set(work.intent)
        return await super().perform(row, work)
