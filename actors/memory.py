"""The memory role: carries what a session said into its next run, and keeps contexts small.

What a run remembers of its session is a pointer in RunStarted; the records that it points at give
the same context at any time.
"""

from collections.abc import Sequence
from typing import ClassVar

from playhead.actors import learning
from playhead.actors.compressing import on_failure, on_filled, on_summary
from playhead.actors.role import Role, RoleName
from playhead.events.errors import LogDamaged, UnknownRun
from playhead.events.event import Event
from playhead.events.kinds import decode
from playhead.events.learning import AnswerReached, ContextFilled
from playhead.events.log import Reader
from playhead.events.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.record import Record
from playhead.events.runs import RunStarted
from playhead.events.spec import Past
from playhead.projections.context import Context
from playhead.projections.fold import fold
from playhead.projections.run_state import RunState


class Memory(Role):
    """Remember."""

    name: ClassVar[RoleName] = "memory"
    handles: ClassVar[frozenset[str]] = frozenset({
        "context_filled", "model_answered:summary", "model_failed:summary",
        "answer_reached", "model_answered:extraction", "model_failed:extraction",
    })  # fmt: skip

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """Compress; learn."""
        if not state.may_start:
            return []
        match record.event:
            case ContextFilled() as filled:
                return on_filled(state, filled)
            case AnswerReached():
                return learning.begin(state)
            case ModelAnswered() as answered:
                asked = _asked(state, record)
                if asked.purpose == "extraction":
                    return learning.on_extracted(state, answered)
                return on_summary(state, asked, answered)
            case ModelFailed() as failed:
                asked = _asked(state, record)
                again = learning.on_failure if asked.purpose == "extraction" else on_failure
                return again(state, record, asked, failed)
            case _:
                return []


def _asked(state: RunState, outcome: Record) -> ModelRequested:
    asked = state.intent_of(outcome)
    assert isinstance(asked, ModelRequested)
    return asked


def recollect(log: Reader, run: str, to: int | None = None) -> RunState:
    """The state of a run after record `to` (its last by default), folded from the log.

    Raises UnknownRun, or LogDamaged when a record cannot be read or a past is not what it was.
    """
    chain = [run]
    first = next(log.read(run, 0, 1), None)
    if first is None:
        msg = f"no run {run!r} in this log (`playhead runs` lists them)"
        raise UnknownRun(msg)
    past = _past(log, first.run)
    pasts: list[Past] = []
    while past is not None:
        pasts.append(past)
        past = _past(log, past.run)
    context: Context | None = None
    for past in reversed(pasts):
        state = _folded(log, past.run, past.seq, context)
        if state.head.hash.hex() != past.hash:
            msg = f"run {chain[0]} continues {past.run}, which has changed since"
            raise LogDamaged(msg)
        context = state.conversation
    return _folded(log, run, to, context)


def _past(log: Reader, run: str) -> Past | None:
    row = next(log.read(run, 0, 1), None)
    event = decode(row, log.body).event if row is not None else None
    return event.past if isinstance(event, RunStarted) else None


def _folded(log: Reader, run: str, to: int | None, past: Context | None) -> RunState:
    state = RunState(run, past)
    for row in log.read(run, 0, to):
        fold(state, decode(row, log.body))
    return state


def recall_session(log: Reader, past: Past | None) -> Context | None:
    """The context that a new run of a session starts from."""
    return None if past is None else recollect(log, past.run, past.seq).conversation
