"""Model calls besides a step's own, for a summary or for facts: the same rules, another request.

A limit that forbids one does not stop the run: the limit is returned as text.
"""

from typing import TypeVar

from playhead.actors.requests.next_request import (
    Attempt,
    Choice,
    call_fields,
    next_attempt,
    over_limit,
)
from playhead.events.kinds.model_calls import (
    ExtractionRequested,
    ModelCall,
    ModelFailed,
    SummaryRequested,
)
from playhead.events.kinds.runs import LimitReached
from playhead.events.record import Record
from playhead.projections.cost.targets import max_tokens, ring
from playhead.projections.state.run_state import RunState

SUMMARY, EXTRACTION = "summarization", "data_extraction"
"""The types of task by which their models are chosen."""

FIRST = Attempt(1, None)

CallT = TypeVar("CallT", bound=ModelCall)


def ask_summary(state: RunState, step: str, attempt: Attempt = FIRST) -> SummaryRequested | str:
    """The request for a summary of a step's older messages, or the limit that forbids it."""
    choice, own = _choose(state, SUMMARY, attempt), state.steps[step]
    request, reply = state.summary_request(own, choice.target), state.agent.memory.summary_tokens
    fields = call_fields(state, SUMMARY, choice, request, request.bound, reply)
    number, wait = attempt
    asked = SummaryRequested(step=step, round=own.round, attempt=number, not_before=wait, **fields)
    return _allowed(state, asked)


def ask_extraction(
    state: RunState, step: str, attempt: Attempt = FIRST
) -> ExtractionRequested | str:
    """The request for the facts that the run has learned, or the limit that forbids it."""
    choice, own = _choose(state, EXTRACTION, attempt), state.steps[step]
    request, reply = state.extraction_request(choice.target), max_tokens(state.agent, choice.target)
    fields = call_fields(state, EXTRACTION, choice, request, request.bound, reply)
    number, wait = attempt
    asked = ExtractionRequested(
        step=step, round=own.round, attempt=number, not_before=wait, **fields
    )
    return _allowed(state, asked)


def attempt_after(
    state: RunState, record: Record, asked: ModelCall, failed: ModelFailed
) -> Attempt | None:
    """The next attempt; None after the last one."""
    targets = ring(state.agent, asked.task, 0)
    place = asked.attempt % len(targets)
    return next_attempt(state, record, failed, asked.attempt, place, targets)


def _choose(state: RunState, task: str, attempt: Attempt) -> Choice:
    targets = ring(state.agent, task, 0)
    place = (attempt.attempt - 1) % len(targets)
    return Choice(targets[place], f"routed as {task}", len(targets) - 1 - place)


def _allowed(state: RunState, asked: CallT) -> CallT | str:
    over = over_limit(state, asked)
    if over is None:
        return asked
    return f"{over.limit} is {over.maximum:g}" if isinstance(over, LimitReached) else over.message
