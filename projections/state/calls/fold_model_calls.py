"""How a model call begins and ends, and what it cost."""

from playhead.events.kinds import model_calls
from playhead.events.record import Record
from playhead.events.usage import text_of
from playhead.projections.cost.pricing import charge
from playhead.projections.cost.targets import FALLS_BACK
from playhead.projections.prompt.context import sent_back
from playhead.projections.state.run_state import FoldFunction, RunState


def _model_requested(state: RunState, record: Record, event: model_calls.ModelRequested) -> None:
    step = state.steps[event.step]
    state.open[record.seq] = record
    state.spent.model_calls += 1
    state.spent.steps += event.opens_round
    step.model_calls += 1
    state.spent.reserved[record.seq] = event.reserved_tokens
    if event.reserved_cost is not None:
        state.spent.reserved_cost[record.seq] = event.reserved_cost
    if event.purpose != "step":
        state.requests[record.seq] = state.side_request(event)
        return
    state.requests[record.seq] = state.request(step, state.target(event), first=event.round == 1)
    step.context.settle()
    step.tried = 0 if event.attempt == 1 else step.tried
    step.round, step.attempt, step.unread = event.round, event.attempt, False
    state.ready.pop(step.id, None)


def _model_answered(state: RunState, record: Record, event: model_calls.ModelAnswered) -> None:
    step = state.step_of(record)
    asked, request = state.intent_of(record), state.requests[record.cause or 0]
    _model_ended(state, record, event)
    state.interrupted = 0
    assert isinstance(asked, model_calls.ModelRequested)
    if asked.purpose != "step":
        return
    step.used = (request.head, event.usage.input_total, request.bound)
    step.tokens_a_byte = max(0.01, min(1.0, event.usage.input_total / max(1, request.bound)))
    if event.stop_reason == "refusal":
        step.tried += 1
        return  # the API wants a refusal left out of the conversation
    step.empty = 0 if sent_back(event.content) else step.empty + 1
    step.said = text_of(event.content)
    step.context.assistant(event.content, record.seq)


def _model_failed(state: RunState, record: Record, event: model_calls.ModelFailed) -> None:
    asked = state.intent_of(record)
    assert isinstance(asked, model_calls.ModelRequested)
    if event.error == "interrupted":
        state.interruption(record)
    elif event.error in FALLS_BACK and asked.purpose == "step":
        state.steps[asked.step].tried += 1
    _model_ended(state, record, event)


def _model_ended(
    state: RunState, record: Record, event: model_calls.ModelAnswered | model_calls.ModelFailed
) -> None:
    """Count what it used; where that is not known, all that was set aside for it."""
    cause, spent = record.cause or 0, state.spent
    asked = state.intent_of(record)
    assert isinstance(asked, model_calls.ModelRequested)
    tokens, reserved = spent.reserved.pop(cause, 0), spent.reserved_cost.pop(cause, None)
    price = state.agent.prices.get(asked.model)
    usage, cost, *_ = charge(event, price, reserved, state.longest(asked))
    if usage is not None:
        tokens = usage.total
    spent.tokens += tokens
    state.steps[asked.step].tokens += tokens
    spent.cost += cost or 0
    spent.unpriced += cost is None
    state.requests.pop(cause, None)


def _budget_neared(state: RunState, _: Record, event: model_calls.BudgetNeared) -> None:
    state.spent.warned = True


MODELS: dict[str, FoldFunction] = {
    "model_requested": _model_requested,
    "model_answered": _model_answered,
    "model_failed": _model_failed,
    "budget_neared": _budget_neared,
}
