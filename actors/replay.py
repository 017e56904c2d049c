"""Replay: the same turns again, without network, tools, keys or user code; then compare.

Each opening record must give exactly the records up to the next opening one. The first difference
is the divergence: an error with a place, never a guess.
"""

from collections.abc import Iterator, Mapping
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
from playhead.events.errors import LogDamaged, RedactedRun, UsageError
from playhead.events.event import Event
from playhead.events.kinds.codec import UnknownEvent, decode
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.model_calls import ModelRequested
from playhead.events.kinds.plans import PlanRevised
from playhead.events.kinds.runs import RunFailed, RunStarted, StrategyChosen
from playhead.events.kinds.steps import StepFailed
from playhead.events.log.contract import Reader
from playhead.events.record import GENESIS, Record
from playhead.projections.state.run_state import RunState

WORDING: Mapping[type[Event], str] = {
    ModelRequested: "reason",
    PlanRevised: "reason",
    RunFailed: "message",
    StepFailed: "message",
    StrategyChosen: "reason",
}
"""Event -> the field in which a decision says for people why: it is not compared, so that an old
run does not diverge because a sentence was bettered. Where such words decide something after all
(a failure that the model reads), the hash of the next request differs, and that is compared."""


def pure_roles() -> Mapping[RoleName, Role]:
    """The four roles as replay needs them: able to decide, unable to reach the world."""
    return {
        "planner": Planner(),
        "executor": Executor(),
        "tool": ToolRole(),
        "memory": MemoryRole(),
    }


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where the installed code would have acted differently."""

    seq: int
    """The first record that differs."""
    trigger: int
    """The seq of the record that opened its turn."""
    field: str
    """What differs: actor, cause, kind, a field of the event, or `missing` or `extra`."""
    recorded: Record | None
    """What the log has; None where it has nothing more in this turn."""
    decided: Record | None
    """What the installed code decides; None where it decides nothing more."""
    error: str | None = None
    """What a role raised, if that is how it differs."""


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay found."""

    run: str
    records: int
    turns: int
    divergence: Divergence | None
    """None when every turn was decided as recorded."""

    @property
    def matches(self) -> bool:
        """Whether nothing diverged."""
        return self.divergence is None


def replay(
    log: Reader, run: str, to: int | None = None, roles: Mapping[RoleName, Role] | None = None
) -> ReplayReport:
    """Decide every turn of a run again and compare with what the log has.

    Args:
        log: where the run is.
        run: its id.
        to: the last record to look at; its last by default.
        roles: who decides; the installed four by default.

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
"""An opening record, the decided ones up to the next, and whether a fork was cut in between."""


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
    """The records, as they were sealed. Raises LogDamaged at the first that was altered."""
    previous = GENESIS
    for row in log.read(run, 0, to):
        if row.hash != row.computed_hash(previous):
            msg = f"run {row.run} record {row.seq} was altered: its hash does not fit"
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
        decided = (turn.settle(roles) if roles else turn.records)[1:]
        decided = decided if to is None else decided[: to - trigger.seq]
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        return Divergence(trigger.seq + 1, trigger.seq, "raised", None, None, why)
    for seq, (old, new) in enumerate(zip_longest(recorded, decided), trigger.seq + 1):
        field = _difference(old, new)
        if field is not None:
            return Divergence(seq, trigger.seq, field, old, new)
    return None


def _difference(recorded: Record | None, decided: Record | None) -> str | None:
    if recorded is None:
        return "extra"
    if decided is None:
        return "missing"
    for name in ("actor", "cause", "at"):
        if getattr(recorded, name) != getattr(decided, name):
            return name
    old, new = recorded.event, decided.event
    if old == new:
        return None
    if type(old) is not type(new):
        return "kind"
    wording = WORDING.get(type(old))
    fields = (name for name in type(old).model_fields if name != wording)
    return next((name for name in fields if getattr(old, name) != getattr(new, name)), None)
