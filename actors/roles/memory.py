"""The memory role: carries what was said and learned into later runs, and keeps contexts small.

What a run remembers of its session is a pointer in RunStarted; the records that it points at give
the same context at any time.
"""

from collections.abc import Sequence
from typing import ClassVar

from playhead.actors.performing.memory_search import perform_recall
from playhead.actors.performing.services import Services
from playhead.actors.performing.tool_attempts import Attempts
from playhead.actors.remembering import extract_facts
from playhead.actors.remembering.compress import on_failure, on_filled, on_summary
from playhead.actors.remembering.recall import ask_recall, to_store
from playhead.actors.roles.role import Job, Role, RoleName
from playhead.events.event import Event
from playhead.events.kinds.context import ContextFilled
from playhead.events.kinds.facts import AnswerReached
from playhead.events.kinds.memory import MemoryRecalled, RecallRequested
from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.kinds.runs import RunStarted
from playhead.events.kinds.tool_calls import ToolSucceeded
from playhead.events.record import Record
from playhead.events.spec.memory import Scope
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import ToolCall
from playhead.tools.calls.call import given_up


class MemoryRole(Role):
    """Recall, store, compress, learn; perform the tools that do so."""

    name: ClassVar[RoleName] = "memory"
    handles: ClassVar[frozenset[str]] = frozenset({
        "context_filled", "model_answered:summary", "model_failed:summary",
        "answer_reached", "model_answered:extraction", "model_failed:extraction",
        "run_started", "memory_recalled", "tool_succeeded:memory",
    })  # fmt: skip

    def __init__(self, services: Services | None = None) -> None:
        self._services = services
        if services is not None:
            self._attempts = Attempts(services)

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        """Recall before the first step; store; compress; learn."""
        if state.ending is not None:
            return []
        if isinstance(record.event, ToolSucceeded):
            return to_store(state, record)  # in a run that is stopping too: it has been done
        return self._decide(state, record) if state.stop is None else []

    def _decide(self, state: RunState, record: Record) -> Sequence[Event]:
        match record.event:
            case RunStarted() | MemoryRecalled():
                return ask_recall(state)
            case ContextFilled() as filled:
                return on_filled(state, filled)
            case AnswerReached():
                return extract_facts.begin(state)
            case ModelAnswered() as answered:
                asked = _asked(state, record)
                if asked.purpose == "extraction":
                    return extract_facts.on_extracted(state, answered)
                return on_summary(state, asked, answered)
            case ModelFailed() as failed:
                asked = _asked(state, record)
                again = extract_facts.on_failure if asked.purpose == "extraction" else on_failure
                return again(state, record, asked, failed)
            case _:
                return []

    async def perform(self, intent: Record, job: Job, agent: str) -> Event:
        """Search what is remembered: before the first step, or as a tool that the model called."""
        assert self._services is not None
        if isinstance(intent.event, RecallRequested):
            assert isinstance(job, Scope)
            return await perform_recall(self._services, intent.event, job)
        assert isinstance(job, ToolCall)
        return await self._attempts.perform(intent, job, agent)

    async def recover(self, intent: Record, job: Job, agent: str) -> Event:
        """What was cut off may be done again."""
        return self.cut_off(intent, job, "interrupted")

    def cut_off(self, intent: Record, job: Job, reason: str) -> Event:
        """What was interrupted is asked again; what was cancelled is not wanted any more."""
        if isinstance(intent.event, RecallRequested):
            return MemoryRecalled(error=reason)
        assert isinstance(job, ToolCall)
        assert job.spec is not None
        return given_up(job.spec, reason)


def _asked(state: RunState, outcome: Record) -> ModelRequested:
    asked = state.intent_of(outcome)
    assert isinstance(asked, ModelRequested)
    return asked
