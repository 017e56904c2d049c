"""The memory role: carries what was said and learned into later runs, and keeps contexts small.

What a run remembers of its session is a pointer in RunStarted; the records that it points at give
the same context at any time.
"""

from collections.abc import Sequence
from itertools import islice
from typing import ClassVar

from playhead.actors.performing.memory_search import perform_recall
from playhead.actors.performing.services import Services
from playhead.actors.performing.tool_attempts import Attempts
from playhead.actors.remembering import extract_facts
from playhead.actors.remembering.compress import on_failure, on_filled, on_summary
from playhead.actors.remembering.recall import ask_recall, to_store
from playhead.actors.roles.role import Job, Role, RoleName
from playhead.events.errors import LogDamaged, UnknownRun
from playhead.events.event import Event
from playhead.events.kinds.codec import decode
from playhead.events.kinds.memory import (
    AnswerReached,
    ContextFilled,
    MemoryRecalled,
    RecallRequested,
)
from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.kinds.runs import RunStarted
from playhead.events.kinds.tool_calls import ToolSucceeded
from playhead.events.log.contract import Reader
from playhead.events.record import Record
from playhead.events.spec.agent import Past
from playhead.events.spec.memory import Scope
from playhead.projections.prompt.context import Context
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import ToolCall
from playhead.tools.calls.call import given_up

TOGETHER = 50
"""Records decoded before they are folded; one by one, each drives the other out of the cache."""


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


def recollect(log: Reader, run: str, to: int | None = None) -> RunState:
    """The state of a run after record `to` (its last by default), folded from the log.

    Raises UnknownRun, or LogDamaged when a record cannot be read or a past is not what it was.
    """
    chain = [run]
    first = next(log.read(run, 0, 1), None)
    if first is None:
        msg = f"no run {run!r} in this log (`playhead runs` lists them)"
        raise UnknownRun(msg)
    past = _past(log, first.run)
    pasts: list[Past] = []
    while past is not None:
        pasts.append(past)
        past = _past(log, past.run)
    context: Context | None = None
    for past in reversed(pasts):
        state = _folded(log, past.run, past.seq, context)
        if state.head.hash.hex() != past.hash:
            msg = f"run {chain[0]} continues {past.run}, which has changed since"
            raise LogDamaged(msg)
        context = state.conversation
    return _folded(log, run, to, context)


def _past(log: Reader, run: str) -> Past | None:
    row = next(log.read(run, 0, 1), None)
    event = decode(row, log.body).event if row is not None else None
    return event.past if isinstance(event, RunStarted) else None


def _folded(log: Reader, run: str, to: int | None, past: Context | None) -> RunState:
    state, rows = RunState(run, past), log.read(run, 0, to)
    while records := [decode(row, log.body) for row in islice(rows, TOGETHER)]:
        for record in records:
            fold(state, record)
    return state


def recall_session(log: Reader, past: Past | None) -> Context | None:
    """The context that a new run of a session starts from."""
    return None if past is None else recollect(log, past.run, past.seq).conversation
