"""How the memory role compresses a context: by a summary if clearing is not enough. Pure.

A missing summary (budget exhausted, no model that answers) does not stop the run: the older part
is then dropped, and the context says so.
"""

from collections.abc import Sequence

from playhead.actors.requests.side_request import ask_summary, attempt_after
from playhead.events.event import Event
from playhead.events.kinds.context import ContextCompressed, ContextFilled
from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed, SummaryRequested
from playhead.events.record import Record
from playhead.events.usage import text_of
from playhead.projections.prompt.compression import LOST
from playhead.projections.state.run_state import RunState


def on_filled(state: RunState, filled: ContextFilled) -> Sequence[Event]:
    """Clear results, or ask for a summary."""
    plan = state.steps[filled.step].plan
    if plan is None:
        return [ContextCompressed(step=filled.step, upto=0, covers=())]
    if not plan.summarises:
        return [
            ContextCompressed(
                step=filled.step, upto=plan.upto, clears=plan.clears, covers=plan.covers
            )
        ]
    return _asked_or_lost(state, filled.step, ask_summary(state, filled.step))


def on_outcome(
    state: RunState, record: Record, asked: SummaryRequested, ended: ModelAnswered | ModelFailed
) -> Sequence[Event]:
    """The summary replaces what it covers; without one, ask again or continue without it."""
    if isinstance(ended, ModelAnswered):
        text = text_of(ended.content).strip()
        if not text or ended.stop_reason == "refusal":
            return [_lost(state, asked.step, f"the model gave no summary ({ended.stop_reason})")]
        return [_compressed(state, asked.step, text, None)]
    again = attempt_after(state, record, asked, ended)
    if again is None:
        return [_lost(state, asked.step, f"{ended.error}: {ended.message}"[:200])]
    return _asked_or_lost(state, asked.step, ask_summary(state, asked.step, again))


def _asked_or_lost(state: RunState, step: str, asked: SummaryRequested | str) -> Sequence[Event]:
    return [_lost(state, step, asked) if isinstance(asked, str) else asked]


def _lost(state: RunState, step: str, error: str) -> Event:
    return _compressed(state, step, LOST.format(error=error), error)


def _compressed(state: RunState, step: str, summary: str, error: str | None) -> Event:
    plan = state.steps[step].plan
    if plan is None:
        return ContextCompressed(step=step, upto=0, covers=())
    return ContextCompressed(
        step=step, upto=plan.upto, summary=summary, clears=plan.clears, covers=plan.covers,
        error=error,
    )  # fmt: skip
