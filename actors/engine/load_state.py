"""Reads a run's state from the log."""

from itertools import islice

from playhead.events.codec import decode
from playhead.events.errors import LogDamaged, UnknownRun
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Reader
from playhead.events.record import Stored
from playhead.events.spec.agent import Past
from playhead.projections.prompt.context import Context
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState

TOGETHER = 50
"""Records are decoded in chunks before folding: alternating would thrash the CPU cache."""


def load_state(log: Reader, run: str, to: int | None = None) -> RunState:
    """The state of a run after record `to` (the last by default), folded from the log.

    Raises UnknownRun, and LogDamaged if a record cannot be read or the inherited past has changed.
    """
    chain = [run]
    first = next(log.read(run, 0, 1), None)
    if first is None:
        raise UnknownRun.named(run)
    past = _past(log, first)
    pasts: list[Past] = []
    while past is not None:
        pasts.append(past)
        past = _past(log, next(log.read(past.run, 0, 1), None))
    context: Context | None = None
    for past in reversed(pasts):
        state = _folded(log, past.run, past.seq, context)
        if state.head.hash.hex() != past.hash:
            msg = f"run {chain[0]} continues {past.run}, which has changed since"
            raise LogDamaged(msg)
        context = state.conversation
    return _folded(log, run, to, context)


def _past(log: Reader, row: Stored | None) -> Past | None:
    """The past that a run with that first record continues from."""
    event = decode(row, log.body).event if row is not None else None
    return event.past if isinstance(event, RunStarted) else None


def _folded(log: Reader, run: str, to: int | None, past: Context | None) -> RunState:
    state, rows = RunState(run, past), log.read(run, 0, to)
    while records := [decode(row, log.body) for row in islice(rows, TOGETHER)]:
        for record in records:
            fold(state, record)
    return state


def load_session(log: Reader, past: Past | None) -> Context | None:
    """The context with which a new run of a session starts."""
    return None if past is None else load_state(log, past.run, past.seq).conversation
