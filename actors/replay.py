"""Replay: decides the same turns again, without network, tools, keys or user code, and compares.

Each opening record must produce exactly the records up to the next opening one. The first
difference is the divergence: an error with a location, never a guess.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeAlias

from playhead.actors.engine.load_state import load_session, load_state
from playhead.actors.engine.turn import Trigger, Turn
from playhead.actors.roles.executor import Executor
from playhead.actors.roles.memory import MemoryRole
from playhead.actors.roles.planner import Planner
from playhead.actors.roles.role import Role, RoleName
from playhead.actors.roles.tool import ToolRole
from playhead.events.codec import UnknownEvent, decode
from playhead.events.errors import LogDamaged, RedactedRun, UsageError
from playhead.events.event import Event
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Reader
from playhead.events.record import GENESIS, Record
from playhead.events.wording import same_but_for_wording
from playhead.projections.state.run_state import RunState


def pure_roles() -> Mapping[RoleName, Role]:
    """The four roles as replay needs them: they can decide, but not perform."""
    return {
        "planner": Planner(),
        "executor": Executor(),
        "tool": ToolRole(),
        "memory": MemoryRole(),
    }


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where the installed code would have decided differently."""

    seq: int
    """The first record that differs."""
    trigger: int
    """The seq of the record that opened its turn."""
    field: str
    """What differs: actor, cause, kind, a field of the event, or `missing` or `extra`."""
    recorded: Record | None
    """The record in the log; None if the turn has no further record."""
    decided: Record | None
    """The record that the installed code decides; None if it decides nothing more."""
    error: str | None = None
    """What a role raised, if that is the difference."""


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """The result of a replay."""

    run: str
    records: int
    turns: int
    divergence: Divergence | None
    """None when every turn was decided as recorded."""

    @property
    def matches(self) -> bool:
        """Whether there was no divergence."""
        return self.divergence is None


def replay(
    log: Reader, run: str, to: int | None = None, roles: Mapping[RoleName, Role] | None = None
) -> ReplayReport:
    """Decide every turn of a run again and compare the result with the log.

    Args:
        log: the log that holds the run.
        run: its id.
        to: the last record to check; the run's last by default.
        roles: the roles that decide; the four installed ones by default.

    Raises UnknownRun, RedactedRun, LogDamaged for records that cannot be read, and UsageError for a
    run with a kind that this code does not know.
    """
    roles = roles or pure_roles()
    state: RunState | None = None
    count = turns = 0
    for trigger, recorded, undecided in _turns(log, run, to):
        if isinstance(trigger.event, UnknownEvent):
            msg = f"run {run} has the kind {trigger.event.kind!r}: upgrade Playhead"
            raise UsageError(msg)
        if isinstance(trigger.event, RunStarted) and trigger.event.redacted:
            raise RedactedRun(run, "replayed")
        if state is None:
            past = trigger.event.past if isinstance(trigger.event, RunStarted) else None
            state = RunState(trigger.run, load_session(log, past))
        state.run = trigger.run
        divergence = _compare(state, trigger, recorded, {} if undecided else roles, to)
        count, turns = count + 1 + len(recorded), turns + 1
        if divergence is not None:
            return ReplayReport(trigger.run, count, turns, divergence)
    if state is None:
        load_state(log, run)
    return ReplayReport(run, count, turns, None)


RecordedTurn: TypeAlias = tuple[Record, list[Record], bool]
"""An opening record, its decided records, and whether a fork was cut in between."""


def _turns(log: Reader, run: str, to: int | None) -> Iterator[RecordedTurn]:
    trigger: Record | None = None
    decided: list[Record] = []
    for record in _read(log, run, to):
        if record.origin == "decided":
            decided.append(record)
            continue
        if trigger is not None:
            event = record.event
            yield trigger, decided, isinstance(event, RunForked) and event.undecided == trigger.seq
        trigger, decided = record, []
    if trigger is not None:
        yield trigger, decided, False


def _read(log: Reader, run: str, to: int | None) -> Iterator[Record]:
    """The records as they were sealed. Raises LogDamaged at the first altered one."""
    previous = GENESIS
    for row in log.read(run, 0, to):
        if row.hash != row.computed_hash(previous):
            msg = f"run {row.run} record {row.seq} was altered: its hash does not match"
            raise LogDamaged(msg)
        previous = row.hash
        yield decode(row, log.body)


def _compare(
    state: RunState,
    trigger: Record,
    recorded: list[Record],
    roles: Mapping[RoleName, Role],
    to: int | None,
) -> Divergence | None:
    begin = Trigger(trigger.event, trigger.actor, trigger.origin, trigger.cause)
    try:
        turn = Turn(state, begin, trigger.at, held=trigger.held)
        told: Mapping[RoleName, Role] = {
            name: _InRecordedWords(role, recorded) for name, role in roles.items()
        }
        decided = (turn.settle(told) if told else turn.records)[1:]
        decided = decided if to is None else decided[: to - trigger.seq]
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        return Divergence(trigger.seq + 1, trigger.seq, "raised", None, None, why)
    for seq, (old, new) in enumerate(zip_longest(recorded, decided), trigger.seq + 1):
        field = _difference(old, new)
        if field is not None:
            return Divergence(seq, trigger.seq, field, old, new)
    return None


class _InRecordedWords(Role):
    """A role whose decisions take their wording from the log where they are otherwise the same.

    An improved sentence therefore does not make an old log diverge, then or in later records.
    """

    def __init__(self, role: Role, recorded: Sequence[Record]) -> None:
        self.name = role.name  # type: ignore[misc]
        self.hears = role.hears  # type: ignore[misc]
        self._role = role
        self._recorded = {record.seq: record.event for record in recorded}

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """As the role decides."""
        return self._said(state.head.seq + 1, self._role.decide(state, record))

    def stopping(self, state: RunState, record: Record) -> Sequence[Event]:
        """As the role decides."""
        return self._said(state.head.seq + 1, self._role.stopping(state, record))

    def _said(self, first: int, events: Sequence[Event]) -> Sequence[Event]:
        return [self._as_recorded(seq, event) for seq, event in enumerate(events, first)]

    def _as_recorded(self, seq: int, event: Event) -> Event:
        recorded = self._recorded.get(seq)
        if recorded is None or not same_but_for_wording(recorded, event):
            return event
        return recorded


def _difference(recorded: Record | None, decided: Record | None) -> str | None:
    if recorded is None:
        return "extra"
    if decided is None:
        return "missing"
    for name in ("actor", "cause", "at"):
        if getattr(recorded, name) != getattr(decided, name):
            return name
    if recorded.event == decided.event:
        return None
    if recorded.event.kind != decided.event.kind:
        return "kind"
    fields = type(recorded.event).model_fields
    return next(
        (f for f in fields if getattr(recorded.event, f) != getattr(decided.event, f)), "kind"
    )
