"""Model calls beside a step's own, for a summary or for facts: routed, reserved, retried. Pure."""

from playhead.actors.requests.backoff import not_before
from playhead.actors.requests.next_request import over_limit
from playhead.events.kinds.model_calls import CallPurpose, ModelFailed, ModelRequested
from playhead.events.kinds.runs import LimitReached
from playhead.events.record import Record
from playhead.projections.cost.pricing import most
from playhead.projections.cost.targets import FALLS_BACK, ring, variant
from playhead.projections.state.run_state import RunState

TASKS = {"summary": "summarization", "extraction": "data_extraction"}
"""Purpose -> the type of task that its model is chosen by."""


def ask_beside(
    state: RunState, step: str, purpose: CallPurpose, *, attempt: int = 1, wait: int | None = None
) -> ModelRequested | str:
    """What asks, or in words the limit that forbids it: it is no reason to stop the run."""
    agent, task = state.agent, TASKS[purpose]
    targets = ring(agent, task, 0)
    place = (attempt - 1) % len(targets)
    target = targets[place]
    asked = ModelRequested(
        step=step, round=state.steps[step].round, attempt=attempt, model=target.model, request="",
        reserved_tokens=0, task=task, reason=f"routed as {task}", endpoint=target.endpoint,
        variant=variant(agent, task, target), fallbacks=len(targets) - 1 - place,
        not_before=wait, purpose=purpose,
    )  # fmt: skip
    request, reply = state.side_request(asked), state.longest(asked)
    price = agent.prices.get(target.model)
    cost = None if price is None else most(price, request.bound, reply, agent.model.cache)
    asked = asked.model_copy(
        update={
            "request": request.hash,
            "reserved_tokens": request.bound + reply,
            "reserved_cost": cost,
        }
    )
    over = over_limit(state, asked)
    if over is None:
        return asked
    return f"{over.limit} is {over.maximum:g}" if isinstance(over, LimitReached) else over.message


def ask_again(
    state: RunState, record: Record, asked: ModelRequested, failed: ModelFailed
) -> ModelRequested | str | None:
    """The next attempt; None when it was the last one."""
    retry, targets = state.agent.model.retry, ring(state.agent, asked.task, 0)
    other = failed.error in FALLS_BACK and asked.attempt % len(targets) != 0
    if not (failed.retryable or other) or asked.attempt >= max(retry.attempts, len(targets)):
        return None
    wait = None
    if failed.error != "interrupted" and not other:
        wait = not_before(record, asked.attempt, retry, failed.retry_after)
    return ask_beside(state, asked.step, asked.purpose, attempt=asked.attempt + 1, wait=wait)
