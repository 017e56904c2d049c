"""The outcomes recorded by a fork's parent: an equal intent gets the same outcome, free of cost.

Model calls are equal if their rendered requests are; tool calls, if tool, definition and arguments
are; the nth such intent gets the nth outcome. After the first intent without a recorded outcome,
all later calls are live. Which intents were answered follows from the log alone, so a crash changes
nothing.
"""

from collections import defaultdict, deque
from collections.abc import Callable
from typing import TypeAlias, TypeGuard

from pydantic_core import to_json

from playhead.actors.engine.deferred_ends import DeferredEnds
from playhead.events.codec import decode
from playhead.events.event import Event, Intent, Json, Outcome
from playhead.events.kinds.approvals import (
    ApprovalDecided,
    ApprovalRequested,
    ApprovalRuleAsked,
    RuleAnswered,
)
from playhead.events.kinds.child_runs import ChildFinished, ChildStarted
from playhead.events.kinds.forks import ForkChecked, ForkCheckRequested, RunForked
from playhead.events.kinds.guardrails import GuardrailAsked
from playhead.events.kinds.memory import MemoryRecalled
from playhead.events.kinds.model_calls import ModelCall, ModelFailed
from playhead.events.kinds.tool_calls import (
    AttemptStarted,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolRequested,
    ToolSucceeded,
)
from playhead.events.log.contract import Reader
from playhead.events.record import Record
from playhead.projections.cost.targets import CANCELED, OUTAGES, PASSES, UNREACHED
from playhead.projections.state.run_state import RunState

Key: TypeAlias = tuple[str, ...]
RequestedCall: TypeAlias = tuple[str, dict[str, Json]]
"""A call's tool and arguments."""

ACCIDENTS = frozenset({"interrupted", "cancelled", CANCELED})
"""Outcomes caused by the parent's process or people, which are not repeated in a fork; nor are
outages of its model."""


class ParentOutcomes:
    """The parents' outcomes for all forks in this process."""

    def __init__(self, log: Reader) -> None:
        self._log = log
        self._parents: dict[str, ParentRun] = {}

    def __call__(self, intent: Record, state: RunState) -> Outcome | None:
        """The parent's outcome for an intent that is in the log; None if it must be performed."""
        if state.forked is None:
            return None
        parent = self._parents.get(state.run)
        if parent is None:
            parent = self._parents[state.run] = ParentRun(self._log, state.run, state.forked)
        calls = state.calls
        return parent.outcome(
            intent, lambda call: (calls[call].requested.tool, calls[call].arguments)
        )

    def forget(self, run: str) -> None:
        """The run has ended or left this process."""
        self._parents.pop(run, None)


class ParentRun:
    """The parent of one fork."""

    def __init__(self, log: Reader, fork: str, forked: RunForked) -> None:
        self._log = log
        self._parent = forked.parent
        self._forked = forked
        self._given = {given.call: given.result for given in forked.results}
        self._requested_calls: dict[int, RequestedCall] = {}
        self._questions = set[str]()
        self._past: dict[int, Outcome] = {}
        """Outcomes of intents that were open where the fork was cut."""
        self._left: dict[Key, deque[Outcome]] = defaultdict(deque)
        self._set_aside: dict[int, Outcome] = {}
        """Call -> the outcome for its next attempt."""
        self._outcomes: dict[int, Outcome | None] = {}
        """The outcomes that the fork's own intents received, by seq."""
        self._closed = False
        self._read_parent()
        self._requested_calls = {
            n: requested for n, requested in self._requested_calls.items() if n <= forked.at
        }
        self._read_own(fork)

    @property
    def answered(self) -> frozenset[int]:
        """The fork's intents, by seq, that the parent's records have answered so far."""
        return frozenset(seq for seq, outcome in self._outcomes.items() if outcome is not None)

    def outcome(self, intent: Record, requested: Callable[[int], RequestedCall]) -> Outcome | None:
        """The outcome for the intent; repeated queries give the same one."""
        if intent.seq not in self._outcomes:
            self._outcomes[intent.seq] = self._look_up(intent, requested)
        return self._outcomes[intent.seq]

    def _read_parent(self) -> None:
        intents: dict[int, Key] = {}
        found: dict[int, Outcome] = {}
        answers = DeferredEnds()
        for row in self._log.read(self._parent, self._forked.at):
            record = decode(row, self._log.body)
            self._note(record)
            answers.add(record)
            if isinstance(record.event, Intent):
                intents[record.seq] = self._key(record.event, self._requested)
            elif _counts(event := record.event) and record.cause is not None:
                found[record.cause] = event
        for seq, event in sorted(answers.instead(found).items()):
            if seq in intents:
                self._left[intents[seq]].append(event)
            else:
                self._past[seq] = event

    def _read_own(self, fork: str) -> None:
        """Read the outcomes that the fork received before this process resumed it."""
        for row in self._log.read(fork, self._forked.at + 1):
            record = decode(row, self._log.body)
            self._note(record)
            if isinstance(record.event, Intent):
                self.outcome(record, self._requested)

    def _note(self, record: Record) -> None:
        match record.event:
            case ToolRequested(tool=tool, arguments=arguments):
                self._requested_calls[record.seq] = tool, arguments
            case ApprovalRequested(about="input", binding=binding):
                self._questions.add(binding)
            case ApprovalDecided(call=call, arguments=dict(arguments), binding=binding) if (
                binding not in self._questions  # to those it is an answer
            ):
                self._requested_calls[call] = self._requested(call)[0], arguments
            case _:
                pass

    def _requested(self, call: int) -> RequestedCall:
        if call not in self._requested_calls:
            for row in self._log.read(self._parent, call - 1, call):
                self._note(decode(row, self._log.body))
        return self._requested_calls[call]

    def _look_up(self, intent: Record, requested: Callable[[int], RequestedCall]) -> Outcome | None:
        event = intent.event
        if isinstance(event, AttemptStarted | ChildStarted):
            if event.call in self._given:
                return _outcome_with(event, self._given[event.call])
            if requested(event.call)[0] in self._forked.live:
                return None
            if event.call in self._set_aside:
                return self._set_aside.pop(event.call)
        if intent.seq <= self._forked.at:
            return self._open_at_the_cut(intent)
        if isinstance(event, ForkCheckRequested):
            return ForkChecked(recorded=self._can_answer(event, requested))
        return self._next(self._key(event, requested))

    def _open_at_the_cut(self, intent: Record) -> Outcome | None:
        """After a change of the agent an open model call is made again by the new agent."""
        if isinstance(intent.event, ModelCall) and self._forked.agent is not None:
            return None
        return self._past.get(intent.seq)

    def _can_answer(
        self, asked: ForkCheckRequested, requested: Callable[[int], RequestedCall]
    ) -> bool:
        """Whether the call's next attempt can be answered; reserves the outcome for it."""
        if asked.call in self._given:
            return True
        tool, arguments = requested(asked.call)
        if tool in self._forked.live:
            return False
        key = _tool_key(tool, asked.definition, arguments)
        child = _child_key(tool, arguments)
        found = self._next(child if self._left[child] and self._forked.agent is None else key)
        if found is not None:
            self._set_aside[asked.call] = found
        return found is not None

    def _next(self, key: Key) -> Outcome | None:
        if self._closed or not self._left[key]:
            self._closed = True
            return None
        return self._left[key].popleft()

    def _key(self, event: Event, requested: Callable[[int], RequestedCall]) -> Key:
        match event:
            case ModelCall(request=request):
                return ("model", request)
            case AttemptStarted(call=call, definition=definition):
                tool, arguments = requested(call)
                return _tool_key(tool, definition, arguments)
            case ChildStarted(call=call):
                return _child_key(*requested(call))
            case ApprovalRuleAsked(call=call):
                tool, arguments = requested(call)
                return (event.kind, tool, _canonical(arguments))
            case GuardrailAsked(guardrail=guardrail, text=text):
                return (event.kind, guardrail, text)
            case _:
                fields = event.model_dump(mode="json", exclude={"not_before", "attempt"})
                return (event.kind, _canonical(fields))


def _tool_key(tool: str, definition: str, arguments: dict[str, Json]) -> Key:
    return ("tool", tool, definition, _canonical(arguments))


def _child_key(tool: str, arguments: dict[str, Json]) -> Key:
    return ("child", tool, _canonical(arguments))


def _outcome_with(started: AttemptStarted | ChildStarted, result: Json) -> Outcome:
    if isinstance(started, AttemptStarted):
        return ToolSucceeded(result=result, duration_ms=0.0)
    answer = result if isinstance(result, str) else to_json(result).decode()
    return ChildFinished(status="finished", answer=answer)


def _canonical(fields: dict[str, Json]) -> str:
    return to_json(sorted(fields.items())).decode()


def _counts(event: Event) -> TypeGuard[Outcome]:
    """Whether it is an outcome that a fork repeats."""
    return isinstance(event, Outcome) and not _accident(event)


def _accident(outcome: Outcome) -> bool:
    match outcome:
        case ModelFailed(error=error, retryable=retryable):
            return error in ACCIDENTS or (retryable and error in OUTAGES | UNREACHED | PASSES)
        case ToolFailed(error=error):
            return error in ACCIDENTS
        case ToolOutcomeUnknown(reason=reason):
            return reason == "cancelled"
        case RuleAnswered(error=error) | ForkChecked(error=error) | MemoryRecalled(error=error):
            return error in ACCIDENTS
        case _:
            return False
