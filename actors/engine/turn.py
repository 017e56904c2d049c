"""A turn: one external event, the roles' decisions on it, and their decisions on those.

The turn carries the run's state from role to role, so nothing is shared and each record is folded
once. It ends when nothing more is added and becomes one append on the expected head. Replay drives
the same turns without actors: `Turn.settle`.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from playhead.actors.performing.effects import DECIDERS
from playhead.actors.roles.role import ORDER, Role, RoleName
from playhead.events.codec import seal
from playhead.events.event import Event, Intent
from playhead.events.kinds.model_calls import cancels_batch
from playhead.events.kinds.runs import RunResumed, RunStarted
from playhead.events.log.contract import Append
from playhead.events.record import Origin, Record, Stored
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState


class Trigger(NamedTuple):
    """What opens a turn, before it becomes a record."""

    event: Event
    actor: str
    origin: Origin
    cause: int | None = None
    command: str | None = None
    traceparent: str | None = None
    told: Callable[[Exception | None], None] | None = None
    """Called once on the loop: with None when committed, else with the error of the append."""


class Turn:
    """One opening record on its way through the roles."""

    __slots__ = ("_expected", "_queue", "_role", "_rows", "bodies", "records", "state", "trigger")

    def __init__(self, state: RunState, trigger: Trigger, at: int, *, held: bool = False) -> None:
        """Seal and fold the opening record. Raises NotStorable, with the state unchanged.

        Args:
            state: the run so far; changed in place.
            trigger: what happened.
            at: now, in microseconds since the epoch; never recorded before the last record's time.
            held: fold it, but let no role decide on it.
        """
        self.state = state
        self.trigger = trigger
        self.records: list[Record] = []
        """The records that the turn appends, the opening record first."""
        self.bodies: dict[str, bytes] = {}
        self._rows: list[Stored] = []
        self._expected = state.head
        self._role = 0
        waiting = list(state.held) if isinstance(trigger.event, RunResumed) else []
        record = self._add(
            Record(
                state.run, state.head.seq + 1, max(at, state.at), trigger.actor, trigger.origin,
                trigger.cause, trigger.event, held, trigger.command, trigger.traceparent,
            )
        )  # fmt: skip
        self._queue: list[Record] = [] if held else [*waiting, record]
        """Records still to decide on, first in, first out."""

    @property
    def append(self) -> Append:
        """The turn as one append."""
        first, parent = self.records[0].event, None
        if isinstance(first, RunStarted) and first.parent is not None:
            parent = first.parent.run
        return Append(
            self.state.run, self._expected, tuple(self._rows), self.bodies, parent=parent
        )  # fmt: skip

    def also(self, event: Event) -> None:
        """Append an event of the runtime's in the same turn, after the opening record."""
        seq, at = self.state.head.seq + 1, self.state.at
        self._add(Record(self.state.run, seq, at, "runtime", "outside", seq - 1, event))

    def next(self, roles: Mapping[RoleName, Role]) -> RoleName | None:
        """The role that sees the current record next; None when the turn is complete.

        Once a run has ended, no role sees a record: the ending record is the last.
        """
        while self._queue and self.state.ending is None:
            record = self._queue[0]
            intent = self.state.asked(record)
            address = type(record.event), None if intent is None else type(intent)
            while self._role < len(ORDER):
                name = ORDER[self._role]
                if address in roles[name].hears:
                    return name
                self._role += 1
            self._role = 0
            del self._queue[0]
        return None

    def visit(self, role: Role) -> Record:
        """Show the current record to the role and add its decisions; returns the record."""
        record, state = self._queue[0], self.state
        decide = role.decide if state.stop is None else role.stopping
        for event in decide(state, record):
            self._permit(role, event)
            decided = Record(
                state.run, state.head.seq + 1, state.at, role.name, "decided", record.seq, event
            )
            self._queue.append(self._add(decided))
        self._role += 1
        return record

    def _permit(self, role: Role, event: Event) -> None:
        """Raise PermissionError if this role, or any role by now, may not decide the event."""
        state = self.state
        if state.ending is not None:
            msg = f"{role.name} may not decide {event.kind}: the run has ended"
        elif isinstance(event, Intent) and state.stop is not None and not cancels_batch(event):
            msg = f"{role.name} may not decide {event.kind}: the run is stopping"
        elif role.name not in DECIDERS.get(type(event), ()):
            msg = f"{role.name} may not decide {event.kind}"
        else:
            return
        raise PermissionError(msg)

    def settle(self, roles: Mapping[RoleName, Role]) -> list[Record]:
        """Drive the turn to its end without actors; the records that it would append."""
        while (name := self.next(roles)) is not None:
            self.visit(roles[name])
        return self.records

    def _add(self, record: Record) -> Record:
        row, bodies = seal(record, self.state.head.hash)
        record = record._replace(hash=row.hash)
        fold(self.state, record)
        self._rows.append(row)
        self.records.append(record)
        self.bodies.update(bodies)
        return record
