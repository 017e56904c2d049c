"""Resuming a run: after a crash, after a drain, under newer code.

Recovery repeats no intent. Each open intent first gets an outcome (interrupted, or unknown for
`once`), and the roles decide from there. Recovery may itself be interrupted and started again.
"""

from collections.abc import Iterable, Sequence

from pydantic_core import from_json

from playhead.actors.engine.deferred_ends import answer_of_parent
from playhead.actors.engine.engine import Engine
from playhead.actors.engine.turn import Trigger
from playhead.events.errors import UsageError
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.runs import RunPaused, RunResumed
from playhead.events.record import Record, Stored
from playhead.events.registry import INTENTS, KINDS, OUTCOMES
from playhead.events.spec.agent import AgentSpec
from playhead.events.version import VERSION
from playhead.projections.prompt.context import CONTEXT_FORMAT
from playhead.projections.state.run_state import RunState

INTERRUPTIONS = 5
"""After this many interruptions in a row without progress, a run is paused when resumed."""

TAKEN_UP = frozenset({"run_started", "run_resumed", "run_forked"})
"""Kinds that record the code version under which the run continues."""


def may_rest(rows: Iterable[Stored], counts: bool) -> bool:
    """Whether a run, given all its rows, needs no attention before its waits end.

    Nothing is open or held, nothing was imported, it is not paused, and this code version resumed
    it last. `counts`: whether its clock runs meanwhile; a fork's end is then not known from the
    parent's wait.
    """
    open_, held, paused, code = set[int](), False, False, ""
    for row in rows:
        if counts and row.kind == "run_forked":
            return False
        if row.imported or row.kind not in KINDS or row.version != KINDS[row.kind].VERSION:
            return False
        if row.kind in INTENTS:
            open_.add(row.seq)
        elif row.kind in OUTCOMES:
            open_.discard(row.cause or 0)
        elif row.kind in TAKEN_UP:
            fields = from_json(row.data)
            code = fields.get("code", "")
            if (
                fields.get("redacted")
                or fields.get("context_format", CONTEXT_FORMAT) != CONTEXT_FORMAT
            ):
                return False
        ends = row.kind in ("run_resumed", "run_forked") and not row.held
        held = row.held or (held and not ends)
        paused = row.kind == "run_paused" or (paused and not ends)
    return not open_ and not held and not paused and code == VERSION


def take_up_imported(engine: Engine, run: str, agent: AgentSpec) -> None:
    """Continue an imported run as this agent. Called on the loop; raises like `take_up`."""
    state = _known(engine, run)
    if run in engine.taken or not state.parked:
        return
    engine.taken.add(run)
    cut_off = list(state.open.items())
    resumed = RunResumed(code=VERSION, reason="taken up by name", agent=agent)
    engine.arrive(run, Trigger(resumed, "user", "outside"))
    _recover(engine, state, cut_off)


def _known(engine: Engine, run: str) -> RunState:
    state = engine.state(run)
    if state.unsupported is not None:
        msg = f"run {run} has {state.unsupported!r}, which this Playhead cannot continue"
        raise UsageError(msg)
    return state


def _unasked(state: RunState) -> bool:
    """In a fork of an imported run: whether approval of a past call was never requested."""
    calls = state.calls.values()
    waiting = [call for call in calls if call.started is None and call.deferred is None]
    return any(call.imported and not call.approved and call.waits is None for call in waiting)


def take_up(engine: Engine, run: str) -> None:
    """Continue an open run whose agent this process has. Called on the loop.

    An imported run stays parked: `take_up_imported`.

    Raises UnknownRun, LogDamaged, and UsageError for a run of kinds that this code does not know.
    """
    if run in engine.taken:
        return
    state = _known(engine, run)
    if state.ending is not None or state.parked:
        return
    engine.taken.add(run)
    engine.let_go.pop(run, None)
    cut_off = list(state.open.items())
    decides = state.paused is None or state.stop is not None  # a paused run can be stopped
    if state.paused is None and state.stop is None and state.interrupted >= INTERRUPTIONS:
        reason = f"interrupted {state.interrupted} times without getting any further"
        engine.arrive(run, Trigger(RunPaused(reason=reason), "runtime", "outside"))
    elif decides and (state.held or state.code != VERSION):
        resumed = RunResumed(code=VERSION, reason="taken up again")
        engine.arrive(run, Trigger(resumed, "runtime", "outside"))
    elif decides and _unasked(state):
        resumed = RunResumed(code=VERSION, reason="asks again about calls of an imported run")
        engine.arrive(run, Trigger(resumed, "runtime", "outside"))
    _recover(engine, state, cut_off)
    if state.forked is not None and decides:
        _answer_like_parent(engine, state, state.forked)


def _recover(engine: Engine, state: RunState, cut_off: Sequence[tuple[int, Record]]) -> None:
    for seq, intent in cut_off:
        if seq in state.open:
            engine.effects.recover(intent, state)


def _answer_like_parent(engine: Engine, state: RunState, forked: RunForked) -> None:
    """A fork that was cut while a call waited is given the answer that its parent got since."""
    waiting = [call for call in state.calls.values() if 0 < call.deferred_at <= forked.at]
    for call in waiting:
        answer = answer_of_parent(engine.log, forked.parent, forked.at, call.seq)
        if answer is not None:
            engine.arrive(state.run, Trigger(answer, "runtime", "outside"))
