"""How the memory role compresses a context: by a summary where clearing is not enough. Pure.

A summary that cannot be had (no money left, no model that answers) stops nothing: what is old is
dropped then, and the context says so.
"""

from collections.abc import Sequence

from playhead.actors.requests.side_request import ask_again, ask_beside
from playhead.events.event import Event
from playhead.events.kinds.context import ContextCompressed, ContextFilled
from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.record import Record
from playhead.events.usage import text_of
from playhead.projections.prompt.compression import LOST
from playhead.projections.state.run_state import RunState


def on_filled(state: RunState, filled: ContextFilled) -> Sequence[Event]:
    """Clear, or ask for a summary."""
    plan = state.steps[filled.step].plan
    if plan is None:
        return [ContextCompressed(step=filled.step, upto=0, covers=())]
    if not plan.summarises:
        return [
            ContextCompressed(
                step=filled.step, upto=plan.upto, clears=plan.clears, covers=plan.covers
            )
        ]
    return _asked_or_lost(state, filled.step, ask_beside(state, filled.step, "summary"))


def on_summary(state: RunState, asked: ModelRequested, answered: ModelAnswered) -> Sequence[Event]:
    """The summary takes the place of what it covers."""
    text = text_of(answered.content).strip()
    if not text or answered.stop_reason == "refusal":
        return [_lost(state, asked.step, f"the model gave no summary ({answered.stop_reason})")]
    return [_compressed(state, asked.step, text, None)]


def on_failure(
    state: RunState, record: Record, asked: ModelRequested, failed: ModelFailed
) -> Sequence[Event]:
    """Ask again, or do without."""
    again = ask_again(state, record, asked, failed)
    if again is None:
        return [_lost(state, asked.step, f"{failed.error}: {failed.message}"[:200])]
    return _asked_or_lost(state, asked.step, again)


def _asked_or_lost(state: RunState, step: str, asked: ModelRequested | str) -> Sequence[Event]:
    return [_lost(state, step, asked) if isinstance(asked, str) else asked]


def _lost(state: RunState, step: str, error: str) -> Event:
    return _compressed(state, step, LOST.format(error=error), error)


def _compressed(state: RunState, step: str, summary: str, error: str | None) -> Event:
    plan = state.steps[step].plan
    assert plan is not None
    return ContextCompressed(
        step=step, upto=plan.upto, summary=summary, clears=plan.clears, covers=plan.covers,
        error=error,
    )  # fmt: skip
