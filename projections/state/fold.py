"""How each kind of event changes the state of its run: in place, in O(1) per record.

The folds are in modules by subject; this is their table.
"""

from playhead.events.event import Event, Intent, Outcome
from playhead.events.kinds.facts import (
    FactLearned,
    FactRetracted,
    LearningsPromoted,
)
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.memory import (
    Embedded,
    MemoryForgotten,
    MemoryRecalled,
    MemoryStored,
    NamespaceForgotten,
    RecallRequested,
)
from playhead.events.kinds.notices import NoticeSent
from playhead.events.kinds.runs import StrategyChosen
from playhead.events.kinds.schedules import (
    FiringsMissed,
    ScheduleCancelled,
    ScheduleFired,
    ScheduleSet,
)
from playhead.events.kinds.tool_calls import ToolPinned
from playhead.events.log.contract import Head
from playhead.events.record import Record
from playhead.projections.state.calls.fold_model_calls import MODEL_OUTCOMES, MODELS
from playhead.projections.state.calls.fold_tool_calls import CALL_OUTCOMES, CALLS
from playhead.projections.state.fold_runs import RUNS
from playhead.projections.state.fold_steps import STEPS
from playhead.projections.state.guarded import GUARDRAILS
from playhead.projections.state.run_state import FoldFunction, FoldOutcome, RunState
from playhead.projections.state.waits import fold_waits


def _recalled(
    state: RunState, record: Record, event: MemoryRecalled, _: RecallRequested, intent: int
) -> None:
    if event.error == "interrupted":
        state.interruption(record, intent)  # it is asked again
    else:
        state.recalled = record


def fold(state: RunState, record: Record) -> None:
    """Fold the run's next record into the state."""
    event = record.event
    if state.waits:
        _stand_still(state, record)
    state.run = record.run  # in a fork's inherited past, its parent's
    state.head = Head(record.seq, record.hash)
    state.at = record.at
    if record.held:
        state.held.append(record)
    if record.origin != "decided":
        if not state.held:
            state.ended.clear()
            state.closed.clear()
        if not isinstance(event, RunForked):
            state.last = record
    elif state.unused and record.actor == "executor":
        state.unused.pop(getattr(event, "step", None) or "", None)  # it is acted on
    if isinstance(event, Outcome):
        _fold_outcome(state, record, event)
    else:
        _fold_event(state, record, event)
    _fold_waits(state, record)


def _stand_still(state: RunState, record: Record) -> None:
    """The clock of a run that only waits is stopped; a fork's clock was stopped anyway."""
    if state.only_waits and not isinstance(record.event, RunForked):
        state.waited += record.at - state.at


def _fold_waits(state: RunState, record: Record) -> None:
    """A step whose wait is over asks its model again."""
    for wait in fold_waits(state.waits, record):
        if wait.step is not None and state.may_start:
            state.ready[wait.step] = None


def _fold_event(state: RunState, record: Record, event: Event) -> None:
    folder = FOLDS.get(type(event))
    if isinstance(event, Intent):
        state.open[record.seq] = record
    elif folder is None:
        state.unsupported = state.unsupported or event.kind
    if folder is not None:
        folder(state, record, event)
    if record.imported:
        state.parked = True


def _fold_outcome(state: RunState, record: Record, event: Outcome) -> None:
    intent = state.open.pop(record.cause or 0)
    asked = intent.event
    if isinstance(asked, Intent):
        state.ended[record.seq] = intent
        OUTCOME_FOLDS[type(event)](state, record, event, asked, intent.seq)


def _nothing(*_: object) -> None:
    """The kind changes nothing that decisions depend on."""


UNSEEN: tuple[type[Event], ...] = (
    StrategyChosen, ToolPinned, FactLearned, FactRetracted, MemoryStored,
    MemoryForgotten, NamespaceForgotten, LearningsPromoted, ScheduleSet, ScheduleCancelled,
    ScheduleFired, FiringsMissed, NoticeSent,
)  # fmt: skip

FOLDS: dict[type[Event], FoldFunction] = {
    **RUNS, **STEPS, **MODELS, **CALLS, **GUARDRAILS, **dict.fromkeys(UNSEEN, _nothing),
}  # fmt: skip
"""Intents need no fold of their own: being open is all that some of them change."""

OUTCOME_FOLDS: dict[type[Outcome], FoldOutcome] = {
    **MODEL_OUTCOMES, **CALL_OUTCOMES, MemoryRecalled: _recalled, Embedded: _nothing,
}  # fmt: skip
