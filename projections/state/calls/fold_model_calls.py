"""How a model call begins and ends, and what it cost."""

from dataclasses import replace

from playhead.events.event import Event, Outcome
from playhead.events.kinds.model_calls import (
    BudgetNeared,
    ExtractionRequested,
    ModelAnswered,
    ModelCall,
    ModelFailed,
    ModelRequested,
    SummaryRequested,
    cancels_batch,
    in_batch,
)
from playhead.events.kinds.waits import OutageWaitStarted
from playhead.events.record import Record
from playhead.events.usage import text_of
from playhead.projections.cost.pricing import charge
from playhead.projections.cost.targets import (
    CANCELED,
    FALLS_BACK,
    OUTAGES,
    PASSES,
    PENDING,
    UNREACHED,
    longest,
    target_of,
)
from playhead.projections.prompt.context import sent_back
from playhead.projections.state.guarded import guard_reply
from playhead.projections.state.run_state import FoldFunction, FoldOutcome, RunState
from playhead.projections.state.step_state import Batch, Outage


def _asked(state: RunState, record: Record, event: ModelCall) -> None:
    """Reserve what the call may use; one that asks about a batch takes over its reservation."""
    spent, step = state.spent, state.steps[event.step]
    if event.batch is not None and step.batch is not None:
        spent.reserved.pop(step.batch.intent, None)
        spent.reserved_cost.pop(step.batch.intent, None)
    else:
        spent.model_calls += 1
        step.model_calls += 1
    spent.steps += event.opens_round
    state.spent.reserved[record.seq] = event.reserved_tokens
    if event.reserved_cost is not None:
        state.spent.reserved_cost[record.seq] = event.reserved_cost


def _model_requested(state: RunState, record: Record, event: ModelRequested) -> None:
    _asked(state, record, event)
    step, target = state.steps[event.step], target_of(state.agent, event)
    head = state.head_of(step, target, first=event.round == 1, container=event.container)
    if step.batch is None:  # else its request is that of the submission
        step.context.settle()
        step.sent = (head.content, step.context.bound(head))
        step.unread = False
    step.tried = 0 if event.attempt == 1 else step.tried
    step.outage = None if event.attempt == 1 else step.outage
    step.round, step.attempt = event.round, event.attempt
    step.handed = None
    state.ready.pop(step.id, None)


def _model_answered(
    state: RunState, record: Record, event: ModelAnswered, asked: ModelCall, intent: int
) -> None:
    step = state.steps[asked.step]
    _model_ended(state, asked, intent, event)
    state.interrupted = 0
    state.answered = True
    if not isinstance(asked, ModelRequested):
        return
    step.outage = None
    if (container := event.envelope.get("container")) is not None:
        state.containers[asked.endpoint] = container
    head, bound = step.sent
    step.used = (head, event.usage.input_total, bound)
    step.tokens_per_byte = max(0.01, min(1.0, event.usage.input_total / max(1, bound)))
    if event.stop_reason == "refusal":
        step.tried += 1
        return  # the API requires that a refusal is left out of the conversation
    step.empty = 0 if sent_back(event.content) else step.empty + 1
    step.said = text_of(event.content)
    step.context.assistant(event.content, record.seq)
    if state.agent.guardrails:
        guard_reply(state, step, record, event)


def _model_failed(
    state: RunState, record: Record, event: ModelFailed, asked: ModelCall, intent: int
) -> None:
    if event.error == "interrupted":
        state.interruption(record, intent)
    elif event.error in FALLS_BACK and isinstance(asked, ModelRequested):
        state.steps[asked.step].tried += 1
    if isinstance(asked, ModelRequested) and event.error != "interrupted":
        step = state.steps[asked.step]
        step.outage = _outage(state, step.outage, event, record.at)
    _model_ended(state, asked, intent, event)


def _outage(state: RunState, before: Outage | None, failed: ModelFailed, at: int) -> Outage | None:
    """A failure may begin an outage; any failure that may pass continues one."""
    if not failed.retryable:
        return None
    if before is not None:  # what is known to pass does not use up the time that an outage has
        since = at if failed.error in PASSES else before.since
        return replace(before, since=since, tries=before.tries + 1)
    reached = state.answered or state.past is not None or state.run_started.parent is not None
    down = failed.error in OUTAGES | PASSES or (reached and failed.error in UNREACHED)
    return Outage(at, 1) if down else None


def _outage_wait_started(state: RunState, _: Record, event: OutageWaitStarted) -> None:
    step = state.steps[event.step]
    state.interrupted = 0  # the process survived a whole attempt
    if step.outage is not None:
        step.outage = replace(step.outage, waits=step.outage.waits + 1)


def _model_ended(
    state: RunState, asked: ModelCall, intent: int, event: ModelAnswered | ModelFailed
) -> None:
    """Count what it used; if that is unknown, everything that was reserved for it."""
    spent, step = state.spent, state.steps[asked.step]
    step.batch_taken = False
    if isinstance(event, ModelFailed) and in_batch(asked, event):
        step.batch = _held(state, step.batch, asked, intent, event)
        return
    inherited = step.batch is not None and step.batch.inherited
    step.batch_taken = inherited and isinstance(event, ModelFailed) and event.error == CANCELED
    step.batch = None
    lost = isinstance(event, ModelFailed) and event.status is None and not event.unbilled
    step.lost_job = asked.batch_job if lost else ""
    tokens, reserved = spent.reserved.pop(intent, 0), spent.reserved_cost.pop(intent, None)
    prices, longest_reply = state.agent.prices.get, longest(state.agent, asked)
    usage, cost, *_ = charge(event, prices, asked.model, reserved, longest_reply)
    if usage is not None:
        tokens = usage.total
    spent.tokens += tokens
    state.steps[asked.step].tokens += tokens
    spent.cost += cost or 0
    spent.unpriced += cost is None


def _held(
    state: RunState, before: Batch | None, asked: ModelCall, intent: int, failed: ModelFailed
) -> Batch:
    """The batch of a call that has no reply yet."""
    held = Batch(
        intent, asked, failed.batch or asked.batch or "", asked.batch_job,
        inherited=before is not None and before.inherited,
        cancels=0 if before is None else before.cancels,
    )  # fmt: skip
    if not cancels_batch(asked) or failed.error == "interrupted":
        return held
    tries, retry = held.cancels + 1, state.agent.model.retry
    done = failed.error == PENDING or not failed.retryable or tries >= retry.attempts
    return replace(held, cancels=tries, cancel_done=done)


def _budget_neared(state: RunState, _: Record, event: BudgetNeared) -> None:
    state.spent.warned = True


MODELS: dict[type[Event], FoldFunction] = {
    ModelRequested: _model_requested,
    SummaryRequested: _asked,
    ExtractionRequested: _asked,
    BudgetNeared: _budget_neared,
    OutageWaitStarted: _outage_wait_started,
}

MODEL_OUTCOMES: dict[type[Outcome], FoldOutcome] = {
    ModelAnswered: _model_answered,
    ModelFailed: _model_failed,
}
