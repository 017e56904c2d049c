"""Promises about waits: runs survive outages, and every wait is in the list.

Each function is one promise: it yields a line for each violation.
"""

from collections.abc import Iterator

from playhead.actors.engine.load_state import load_state
from playhead.events.kinds.model_calls import ModelFailed
from playhead.events.kinds.steps import StepFailed
from playhead.events.kinds.waits import OutageWaitStarted
from playhead.projections.cost.targets import OUTAGES
from playhead.projections.stored.run_list import RunList
from playhead.projections.stored.view import Views
from playhead.projections.stored.wait_list import WaitList, find_waits
from playhead.simulation.invariants.evidence import Evidence, Promise


def an_outage_fails_no_step_before_its_time(e: Evidence) -> Iterator[str]:
    """A step fails because its model is down only after asking for as long as the limit says."""
    for run in e.records:
        limit = load_state(e.log, run).limits.max_outage_seconds * 1_000_000
        first: dict[str, int] = {}
        for record in e.records[run]:
            match record.event:
                case OutageWaitStarted(step=step, since=since):
                    first.setdefault(step, since)
                case StepFailed(step=step, reason=reason) if reason in OUTAGES:
                    cause = e.records[run][(record.cause or 1) - 1].event
                    lasted = record.at - first.get(step, record.at)
                    if isinstance(cause, ModelFailed) and cause.retryable and lasted < limit:
                        yield f"{run} {record.seq}: failed after {lasted / 1_000_000:.0f} s"
                case _:
                    pass


def a_wait_is_in_the_list_as_long_as_it_lasts(e: Evidence) -> Iterator[str]:
    """The stored list of waits contains exactly those of each run's state."""
    with Views.of(e.log, [RunList(), WaitList(e.log)]) as views:
        listed = find_waits(views.connection)
    for run in e.records:
        mine = [each.wait for each in listed if each.run == run]
        state = load_state(e.log, run)
        if mine != list(state.waits.values()):
            yield f"{run}: {mine} is listed, and it waits for {list(state.waits.values())}"


def nothing_is_open_in_an_outage(e: Evidence) -> Iterator[str]:
    """A step that waits for its model has no open request."""
    for run, records in e.records.items():
        asked: dict[int, str] = {}
        for record in records:
            match record.event:
                case OutageWaitStarted(step=step):
                    if step in asked.values():
                        yield f"{run} {record.seq}: a request of {step} is open"
                case event if event.kind == "model_requested":
                    asked[record.seq] = str(getattr(event, "step", ""))
                case _ if record.origin == "effect":
                    asked.pop(record.cause or 0, None)
                case _:
                    pass


WAIT_PROMISES: tuple[Promise, ...] = (
    an_outage_fails_no_step_before_its_time, a_wait_is_in_the_list_as_long_as_it_lasts,
    nothing_is_open_in_an_outage,
)  # fmt: skip
