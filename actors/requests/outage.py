"""An outage that lasts longer than the retries: the run waits, and asks again later. Pure.

The pauses grow from 5 seconds to 5 minutes, each with jitter derived from the failure's record,
so that a thousand runs do not return at once and a replay finds the same times.
"""

from playhead.actors.requests.backoff import jittered
from playhead.events.kinds.model_calls import ModelFailed
from playhead.events.kinds.waits import OutageWaitStarted
from playhead.events.record import Record
from playhead.projections.cost.targets import PASSES
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import Outage, Step

FIRST, LONGEST = 5.0, 300.0
"""Seconds of the first pause and of the longest."""


def wait_for_model(
    state: RunState, step: Step, record: Record, failed: ModelFailed
) -> OutageWaitStarted | None:
    """The wait after a failure; None for one that will not pass, or that has lasted too long."""
    if step.outage is not None and failed.error in PASSES:
        return _until_it_passes(step, step.outage, record, failed)
    outage, longest = step.outage, state.limits.max_outage_seconds
    if outage is None or longest == 0:
        return None
    end = outage.since + int(longest * 1_000_000)
    if record.at >= end and outage.waits:  # a clock that jumped ends nothing before the first wait
        return None
    pause = jittered(record, min(LONGEST, FIRST * 2 ** min(outage.waits, 16)))
    until = record.at + int(max(pause, failed.retry_after or 0.0) * 1_000_000)
    return OutageWaitStarted(
        step=step.id, error=failed.error, message=failed.message, since=outage.since,
        until=until if record.at >= end else min(until, end), tries=outage.tries,
    )  # fmt: skip


def _until_it_passes(
    step: Step, outage: Outage, record: Record, failed: ModelFailed
) -> OutageWaitStarted:
    """A quota leaves nothing, or a batch has not ended: no limit of outages applies."""
    until = record.at + int((failed.retry_after or FIRST) * 1_000_000)
    return OutageWaitStarted(
        step=step.id, error=failed.error, message=failed.message, since=record.at, until=until,
        tries=outage.tries,
    )  # fmt: skip


def waited(step: Step) -> bool:
    """Whether the step's model is down and the run has already waited for it."""
    return step.outage is not None and step.outage.waits > 0


def tried(step: Step, record: Record) -> str:
    """How often, and for how long, an unresponsive model was asked; text for people."""
    outage = step.outage
    if outage is not None and outage.waits:
        seconds = (record.at - outage.since) / 1_000_000
        return f" (tried {outage.tries} times over {seconds / 60:.0f} min)"
    return "" if step.attempt == 1 else f" (tried {step.attempt} times)"
