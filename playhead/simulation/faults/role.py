"""A role that is watched and may have a bug: now and then its `decide` raises."""

from collections.abc import Sequence
from contextvars import ContextVar
from random import Random
from typing import Protocol

from playhead.actors.roles.role import Job, Role
from playhead.events.event import Event
from playhead.events.record import Record
from playhead.projections.state.run_state import RunState


class Alive(Protocol):
    """The process that something belongs to."""

    def reach(self, place: str, kind: str) -> None:
        """A place where it may die. Raises ProcessDied."""
        ...


PERFORMED: ContextVar[Record] = ContextVar("performed")
"""The intent that the current task performs."""


class FaultyRole(Role):
    """A Role over another one."""

    def __init__(self, role: Role, process: Alive, random: Random, error: float) -> None:
        self.name = role.name  # type: ignore[misc]
        self.handles = role.handles  # type: ignore[misc]
        self._role = role
        self._process = process
        self._random = random
        self._error = error

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """As the role beneath, or raise: half of the time after it has decided."""
        kind = "decided" if record.origin == "decided" else record.event.kind
        self._process.reach("turn", kind)
        draw = self._random.random() if self._error else 1.0
        if draw < self._error / 2:
            msg = "simulated: a bug in a role"
            raise RuntimeError(msg)
        decided = self._role.decide(state, record)
        if draw < self._error:
            msg = "simulated: a bug in a role, late"
            raise RuntimeError(msg)
        return decided

    async def perform(self, intent: Record, job: Job, agent: str) -> Event:
        """As the role beneath; what it reaches knows for which intent."""
        PERFORMED.set(intent)
        return await self._role.perform(intent, job, agent)

    async def recover(self, intent: Record, job: Job, agent: str) -> Event:
        """As the role beneath."""
        return await self._role.recover(intent, job, agent)

    def cut_off(self, intent: Record, job: Job, reason: str) -> Event:
        """As the role beneath."""
        return self._role.cut_off(intent, job, reason)
