"""Everything that must hold in every simulated run, and how it is checked."""

from random import Random

from playhead.actors.engine.load_state import load_state
from playhead.projections.state.calls.approvals import open_approvals
from playhead.projections.state.run_state import RunState
from playhead.simulation.invariants.decisions import DECISION_PROMISES
from playhead.simulation.invariants.effects import EFFECT_PROMISES
from playhead.simulation.invariants.evidence import Evidence
from playhead.simulation.invariants.limits import BUDGET_PROMISES
from playhead.simulation.invariants.log import LOG_PROMISES
from playhead.simulation.invariants.state_fingerprint import fingerprint
from playhead.simulation.invariants.waits import WAIT_PROMISES
from playhead.simulation.process.process import Process

INVARIANTS = LOG_PROMISES + EFFECT_PROMISES + DECISION_PROMISES + BUDGET_PROMISES + WAIT_PROMISES


def check_all(evidence: Evidence, random: Random) -> None:
    """Check every invariant; violations go into the ledger."""
    for invariant in INVARIANTS:
        try:
            for what in invariant(evidence):
                evidence.ledger.violated(invariant.__name__, what)
        except Exception as error:
            evidence.ledger.violated(invariant.__name__, f"raised {error!r}")


def check_process(process: Process, end: str) -> None:
    """What is only visible in a process: its folded states, and the size of its mailboxes."""
    if process.dispatcher.over is not None:
        more = f"{process.dispatcher.over} messages waited, more than one for each run"
        process.ledger.violated("bounded_inboxes", more)
    _check_let_go(process)
    if end != "idle":
        return
    for what in sorted(process.untold):
        process.ledger.violated("everybody_is_told", f"{what}: its sender waits forever")
    for run in filter(process.log.stream, process.index.open_runs()):
        live = fingerprint(process.engine.state(run))
        folded = fingerprint(load_state(process.log, run))
        if live != folded:
            process.ledger.violated("projection_is_fold", f"{run}: {live} is not {folded}")
        _check_idle(process, process.engine.state(run))


def check_waits(process: Process) -> None:
    """Nothing is left to do: a wait whose time is known would have ended."""
    for run in filter(process.log.stream, process.index.open_runs()):
        state = process.engine.state(run)
        if run not in process.engine.taken or state.paused is not None or state.stop is not None:
            continue
        for wait in state.waits.values():
            if wait.until is not None:
                what = f"{run}: wait {wait.seq} for {wait.about} goes on after its time"
                process.ledger.violated("a_wait_ends_at_its_time", what)


def _awaits_answer(state: RunState) -> bool:
    return any(wait.about == "answer" and wait.until is None for wait in state.waits.values())


def _check_let_go(process: Process) -> None:
    """A run is dropped if the log permanently refuses it or a child of it; never for less."""
    for run in process.engine.let_go:
        refused = process.log.refused
        if not any(each == run or each.startswith(f"{run}.") for each in refused):
            process.ledger.violated("let_go_only_when_refused", f"{run} was let go")


def _check_idle(process: Process, state: RunState) -> None:
    """An idle run has ended, is paused, or waits for a person or a child."""
    broken = state.paused is not None and state.paused.role is not None
    waits = state.paused is not None or bool(open_approvals(state)) or _awaits_answer(state)
    parent = any(intent.event.kind == "child_started" for intent in state.open.values())
    still = not broken and not parent and (state.stop is not None or not waits)
    if still and state.run in process.engine.taken:
        process.ledger.violated("no_run_stands_still", f"{state.run} after {state.head.seq}")
