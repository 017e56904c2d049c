"""The memory role: carries facts and memories into later runs, and keeps contexts small.

A run refers to its session's past by a pointer in RunStarted; the records that it points to always
give the same context.
"""

from collections.abc import Sequence
from typing import ClassVar

from playhead.actors.remembering import compress, extract_facts
from playhead.actors.remembering.recall import ask_recall, to_store
from playhead.actors.roles.role import Role, RoleName, heard, outcomes_of
from playhead.events.event import Address, Event
from playhead.events.kinds.context import ContextFilled
from playhead.events.kinds.facts import AnswerReached
from playhead.events.kinds.guardrails import GuardrailDecided
from playhead.events.kinds.memory import MemoryRecalled, RecallRequested
from playhead.events.kinds.model_calls import (
    ExtractionRequested,
    ModelAnswered,
    ModelFailed,
    SummaryRequested,
)
from playhead.events.kinds.runs import RunStarted
from playhead.events.kinds.tool_calls import MemoryToolStarted, ToolSucceeded
from playhead.events.record import Record
from playhead.projections.state.run_state import RunState


class MemoryRole(Role):
    """Recall, store, compress, learn."""

    name: ClassVar[RoleName] = "memory"
    hears: ClassVar[frozenset[Address]] = (
        heard(RunStarted, ContextFilled, AnswerReached, GuardrailDecided)
        | outcomes_of((SummaryRequested, ExtractionRequested, RecallRequested))
        | outcomes_of((MemoryToolStarted,), ToolSucceeded)
    )

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """Recall before the first step; store; compress; learn."""
        match record.event, state.asked(record):
            case ((RunStarted() | GuardrailDecided() | MemoryRecalled()), _):
                return _recall(state, record)
            case ToolSucceeded(), _:
                return to_store(state, record)
            case ContextFilled() as filled, _:
                return compress.on_filled(state, filled)
            case AnswerReached(), _:
                return extract_facts.begin(state) if extract_facts.extraction_due(state) else []
            case (ModelAnswered() | ModelFailed()) as ended, SummaryRequested() as asked:
                return compress.on_outcome(state, record, asked, ended)
            case (ModelAnswered() | ModelFailed()) as ended, ExtractionRequested() as asked:
                return extract_facts.on_outcome(state, record, asked, ended)
            case _:
                return []

    def stopping(self, state: RunState, record: Record) -> Sequence[Event]:
        """Store even when stopping: the tool has already succeeded."""
        return to_store(state, record)


def _recall(state: RunState, record: Record) -> Sequence[Event]:
    """Recall at the start; where guardrails judge the goal, at the verdict that releases it."""
    released = state.goal_released
    late = isinstance(record.event, RunStarted) and released  # the verdict is in the same turn
    early = isinstance(record.event, GuardrailDecided) and released != record.seq
    return [] if late or early else ask_recall(state)
