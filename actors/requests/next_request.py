"""How a step asks the model: which model, with which reservation, or why not. Pure."""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple, TypedDict

from playhead.actors.requests.backoff import not_before
from playhead.actors.requests.budget_shares import over_share
from playhead.actors.requests.outage import tried, wait_for_model, waited
from playhead.events.event import Event
from playhead.events.kinds.approvals import RouterAsked
from playhead.events.kinds.context import ContextFilled
from playhead.events.kinds.model_calls import (
    BudgetNeared,
    ModelCall,
    ModelFailed,
    ModelRequested,
)
from playhead.events.kinds.runs import LimitReached
from playhead.events.kinds.steps import StepFailed
from playhead.events.model_api import Request
from playhead.events.record import Record
from playhead.events.spec.prices import PICODOLLARS
from playhead.events.spec.routing import Target
from playhead.projections.cost.pricing import most, picodollars
from playhead.projections.cost.targets import (
    FALLS_BACK,
    PASSES,
    max_tokens,
    ring,
    route_of,
    special_rates,
    target_of,
    variant,
)
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import Step

CAUTION = 1.02
"""New text may have slightly more tokens per byte than the text that the API has counted."""


class Choice(NamedTuple):
    """The chosen target, and why."""

    target: Target
    reason: str
    fallbacks: int = 0


def ask(
    state: RunState,
    step_id: str,
    *,
    attempt: int = 1,
    wait: int | None = None,
    why: str = "",
    beside: Sequence[Event] = (),
) -> Sequence[Event]:
    """The model call for the step's next reply; first the router's, if there is one.

    Args:
        state: the run.
        step_id: which step.
        attempt: from 1; a later one stays in its round.
        wait: microseconds since the epoch before which it does not start.
        why: why it is asked again, if it is.
        beside: events decided at the same time for other steps: they count for the limits too.
    """
    step = state.steps[step_id]
    if step.plan is not None:
        return []  # its context is being compressed
    if not step.task_type:
        return [RouterAsked(step=step_id, task=step.task)]
    choice = _choose(state, step, why)
    request = _rendered(state, step, choice.target, attempt)
    filled = _filled(state, step, request) if attempt == 1 else None
    if filled is not None:
        return [filled]
    asked = _request(state, step, choice, attempt, wait, request)
    over = over_limit(state, asked, beside)
    budget = state.agent.budget
    cheaper = budget.cheaper if budget.at_cap == "cheaper" else None
    if isinstance(over, LimitReached) and over.limit == "max_cost" and cheaper is not None:
        reason = f"{choice.target.model} would pass max_cost; {cheaper.model} does not"
        request = _rendered(state, step, cheaper, attempt)
        asked = _request(state, step, Choice(cheaper, reason), attempt, wait, request)
        over = over_limit(state, asked, beside)
    return [over or asked]


def ask_after_failure(
    state: RunState, step: Step, record: Record, failed: ModelFailed
) -> Sequence[Event]:
    """The next attempt: of the same model after a pause, or of the next model at once."""
    targets = ring(state.agent, step.task_type, step.rejected)
    place = 0 if step.batch is not None else step.tried % len(targets)
    if step.batch_taken:  # a fork's parent has cancelled what both waited for
        return ask(state, step.id, attempt=step.attempt + 1, why=failed.error)
    if failed.error == "interrupted":  # not the model's fault: it does not use up an attempt
        return ask(state, step.id, attempt=step.attempt + 1, why=failed.error)
    if waited(step) and place and failed.error in FALLS_BACK:
        return ask(state, step.id, attempt=step.attempt + 1, why=failed.error)
    again = next_attempt(state, record, failed, step.attempt, place, targets)
    if failed.error in PASSES and failed.retryable:
        again = None  # it passes later, and not after a short pause
    if again is None or _outlasts(state, step, failed, again):
        wait = wait_for_model(state, step, record, failed)
        if wait is not None:
            return [wait]
    if again is None:
        message = failed.message + tried(step, record)
        return [StepFailed(step=step.id, reason=failed.error, message=message)]
    return ask(state, step.id, attempt=again.attempt, wait=again.wait, why=failed.error)


def _outlasts(state: RunState, step: Step, failed: ModelFailed, again: "Attempt") -> bool:
    """Whether the server asks for more than a short pause, or the run has already waited."""
    if again.wait is None:
        return False
    return waited(step) or (failed.retry_after or 0) > state.agent.model.retry.cap


class Attempt(NamedTuple):
    """Another attempt of a model call."""

    attempt: int
    wait: int | None
    """Microseconds since the epoch before which it does not start."""


def next_attempt(
    state: RunState,
    record: Record,
    failed: ModelFailed,
    attempt: int,
    place: int,
    targets: Sequence[Target],
) -> Attempt | None:
    """The attempt after a failed one; None after the last one.

    `place`: the next target in the ring. It is 0 when all have been asked: then the first one is
    asked again, after a pause and only if the failure may pass.
    """
    retry, moves_on = state.agent.model.retry, failed.error in FALLS_BACK and place != 0
    if not (failed.retryable or moves_on) or attempt >= max(retry.attempts, len(targets)):
        return None
    if failed.error == "interrupted" or moves_on:
        return Attempt(attempt + 1, None)
    return Attempt(attempt + 1, not_before(record, attempt, retry, failed.retry_after))


def ask_after_refusal(state: RunState, step: Step) -> Sequence[Event] | None:
    """The same request to the next model; None if there is none."""
    targets = ring(state.agent, step.task_type, step.rejected)
    if step.tried % len(targets) == 0:
        return None
    return ask(state, step.id, attempt=step.attempt + 1, why="refusal")


def budget_neared(state: RunState) -> Sequence[Event]:
    """Record once that the run's cost has passed the warning threshold."""
    cap, share, spent = state.limits.max_cost, state.agent.budget.warn_at, state.spent
    if cap is None or spent.warned or spent.cost < picodollars(cap * share):
        return []
    return [BudgetNeared(cost=spent.cost, maximum=cap)]


def _rendered(state: RunState, step: Step, target: Target, attempt: int) -> Request:
    first, container = step.round + (attempt == 1) == 1, state.container_for(step, target)
    return state.request(step, target, first=first, container=container)


def _filled(state: RunState, step: Step, request: Request) -> ContextFilled | None:
    """The event that starts compression of the step's context, if it is needed first."""
    threshold = state.agent.memory.compress_at
    tokens = int(request.bound * step.tokens_per_byte * CAUTION)
    if not 0 < threshold < tokens:
        return None
    if step.context.plan(tokens, state.agent.memory) is None:
        return None
    return ContextFilled(step=step.id, tokens=tokens, threshold=threshold)


def _choose(state: RunState, step: Step, why: str) -> Choice:
    if step.batch is not None:  # nobody else knows it
        return Choice(target_of(state.agent, step.batch.asked), "asks about its batch")
    targets = ring(state.agent, step.task_type, step.rejected)
    place = step.tried % len(targets)
    left = len(targets) - 1 - place
    target, task = targets[place], step.task_type
    if why and place:
        return Choice(target, f"{targets[place - 1].model} failed: {why}", left)
    if why:
        return Choice(target, f"again after {why}", left)
    ladder = state.agent.routing[task].ladder if task in state.agent.routing else ()
    if step.rejected and len(ladder) > 1:
        return Choice(target, f"{step.rejected} rejected answers of {ladder[0].model}", left)
    reason = f"routed as {task}" if ladder else f"no route for {task}: the agent's model"
    return Choice(target, f"{reason}; {step.why}" if step.why else reason, left)


def _request(
    state: RunState, step: Step, choice: Choice, attempt: int, wait: int | None, request: Request
) -> ModelRequested:
    sent = request.bound
    if step.used is not None and step.used[0] == request.head:
        sent = step.used[1] + max(0, request.bound - step.used[2])
    round_, reply = step.round + (attempt == 1), max_tokens(state.agent, choice.target)
    fields = call_fields(state, step.task_type, choice, request, sent, reply)
    return ModelRequested(
        step=step.id, round=round_, attempt=attempt, not_before=wait, waited=waited(step),
        container=state.container_for(step, choice.target), batch=_batch(state, step),
        batch_job=_batch_job(state, step, round_, request), batch_lost=_batch_lost(step), **fields,
    )  # fmt: skip


def _batch_job(state: RunState, step: Step, round_: int, request: Request) -> str:
    """The id of the submission: the same however often a batch is asked about it."""
    if not route_of(state.agent, step.task_type).batch:
        return ""
    known = step.lost_job if step.batch is None else step.batch.job
    if known:
        return known
    named = f"{state.run}:{step.id}:{round_}:{request.hash}"
    return sha256(named.encode()).hexdigest()[:40]


def _batch_lost(step: Step) -> bool:
    return bool(step.lost_job) or (step.batch is not None and not step.batch.id)


def _batch(state: RunState, step: Step) -> str | None:
    if not route_of(state.agent, step.task_type).batch:
        return None
    return "" if step.batch is None else step.batch.id


class CallFields(TypedDict):
    """The fields of every model call that identify its target and its reservation."""

    model: str
    request: str
    reserved_tokens: int
    reserved_cost: int | None
    task: str
    reason: str
    endpoint: str
    variant: int
    fallbacks: int


def call_fields(
    state: RunState, task: str, choice: Choice, request: Request, sent: int, reply: int
) -> CallFields:
    """The fields that every model call has; `sent` and `reply` are upper bounds in tokens."""
    agent, target = state.agent, choice.target
    cache, rates = agent.model.cache, special_rates(agent, target, task)
    price = agent.prices.get(target.model)
    return CallFields(
        model=target.model, request=request.hash, reserved_tokens=sent + reply,
        reserved_cost=None if price is None else most(price, sent, reply, cache, rates),
        task=task, reason=choice.reason, endpoint=target.endpoint,
        variant=variant(agent, task, target), fallbacks=choice.fallbacks,
    )  # fmt: skip


def over_limit(
    state: RunState, asked: ModelCall, beside: Sequence[Event] = ()
) -> LimitReached | StepFailed | None:
    """The limit that a call would exceed, or why that cannot be determined."""
    limits, spent = state.limits, state.spent
    if asked.batch is not None and state.steps[asked.step].batch is not None:
        return None  # its batch has its reservation
    over = over_share(state.steps[asked.step], asked)
    if over is not None:
        return over
    calls = [asked, *(event for event in beside if isinstance(event, ModelCall))]
    tokens = sum(call.reserved_tokens for call in calls)
    rounds = sum(call.opens_round for call in calls)
    wanted = (
        ("max_steps", limits.max_steps, spent.steps_at_most + rounds),
        ("max_model_calls", limits.max_model_calls, spent.model_calls_at_most + len(calls)),
        ("max_tokens", limits.max_tokens, spent.tokens_at_most + tokens),
    )
    for limit, maximum, total in wanted:
        if maximum is not None and total > maximum:
            return LimitReached(limit=limit, maximum=maximum, wanted=total)
    if limits.max_cost is None:
        return None
    if asked.reserved_cost is None or spent.unpriced:
        message = f"max_cost is set and {asked.model} has no known price: give the agent prices="
        return StepFailed(step=asked.step, reason="unknown_price", message=message)
    cost = spent.cost_at_most + sum(call.reserved_cost or 0 for call in calls)
    if cost > picodollars(limits.max_cost):
        wanted_dollars = cost / PICODOLLARS
        return LimitReached(limit="max_cost", maximum=limits.max_cost, wanted=wanted_dollars)
    return None
