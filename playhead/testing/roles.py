"""A role with a bug: now and then its `decide` raises, once or twice in a row."""

from collections.abc import Sequence
from random import Random

from playhead.actors.role import Job, Role
from playhead.events.event import Event
from playhead.events.record import Record
from playhead.projections.run_state import RunState


class FaultyRole(Role):
    """A Role over another one."""

    def __init__(self, role: Role, random: Random, error: float) -> None:
        self.name = role.name  # type: ignore[misc]
        self.handles = role.handles  # type: ignore[misc]
        self._role = role
        self._random = random
        self._error = error

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """As the role beneath, or raise: half of the time after it has decided."""
        draw = self._random.random()
        if draw < self._error / 2:
            msg = "simulated: a bug in a role"
            raise RuntimeError(msg)
        decided = self._role.decide(state, record)
        if draw < self._error:
            msg = "simulated: a bug in a role, late"
            raise RuntimeError(msg)
        return decided

    async def perform(self, intent: Record, job: Job, agent: str) -> Event:
        """As the role beneath."""
        return await self._role.perform(intent, job, agent)

    async def recover(self, intent: Record, job: Job, agent: str) -> Event:
        """As the role beneath."""
        return await self._role.recover(intent, job, agent)

    def cut_off(self, intent: Record, job: Job, reason: str) -> Event:
        """As the role beneath."""
        return self._role.cut_off(intent, job, reason)
