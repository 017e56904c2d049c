"""What becomes of batches whose run is stopping: each is cancelled at its provider. Pure.

A batch that has ended meanwhile is read instead, and billed by its usage. A crash between the
intent and its outcome repeats the intent. A failure is tried again as often as any call; after the
last one the batch stays on the bill with all that was reserved, and the log says why.
"""

from collections.abc import Sequence

from playhead.actors.requests.backoff import not_before
from playhead.events.event import Event
from playhead.events.kinds.model_calls import ModelFailed, ModelRequested
from playhead.events.record import Record
from playhead.projections.state.run_state import RunState


def cancel_batches(state: RunState, record: Record) -> Sequence[Event]:
    """One call for each batch about which no other call is open."""
    calls = [each.event for each in state.open.values()]
    under_way = {call.step for call in calls if isinstance(call, ModelRequested)}
    decided: list[Event] = []
    for step in state.batches_left:
        if step.batch is None or step.id in under_way:
            continue
        wait: int | None = None
        if step.batch.cancels and isinstance(record.event, ModelFailed):
            failed, retry = record.event, state.agent.model.retry
            wait = not_before(record, step.batch.cancels, retry, failed.retry_after)
        changes = {
            "attempt": step.attempt + 1, "not_before": wait, "fallbacks": 0, "waited": False,
            "batch": step.batch.id, "batch_lost": False, "batch_cancel": True,
            "reason": "the run is stopping: its batch is cancelled",
        }  # fmt: skip
        decided.append(step.batch.asked.model_copy(update=changes))
    return decided
