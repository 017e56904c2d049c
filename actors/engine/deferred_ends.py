"""How the deferred calls of a fork's parent ended: the fork needs no answer that the parent has."""

from collections.abc import Mapping

from playhead.events.codec import decode
from playhead.events.event import Outcome
from playhead.events.kinds.runs import TimeReached
from playhead.events.kinds.tool_calls import (
    AttemptStarted,
    CallAnswered,
    ToolDeferred,
    ToolSucceeded,
)
from playhead.events.kinds.waits import AnswerAwaited
from playhead.events.log.contract import Reader
from playhead.events.record import Record
from playhead.projections.state.calls.deferred import answered, unanswered


class DeferredEnds:
    """Reads a run's records, in order, for the ends of its deferred calls."""

    def __init__(self) -> None:
        self._attempts: dict[int, int] = {}
        """The seq of an intent -> its call."""
        self._deferred: dict[int, ToolDeferred] = {}
        self._waits: dict[int, int] = {}
        """The seq of a wait -> its call."""
        self._ends: dict[int, Outcome] = {}
        """Call -> how it ended."""

    def add(self, record: Record) -> None:
        """The next record."""
        match record.event:
            case AttemptStarted(call=call):
                self._attempts[record.seq] = call
            case ToolDeferred(call=call) as deferred:
                self._attempts[record.cause or 0] = call
                self._deferred[call] = deferred
            case AnswerAwaited(call=call):
                self._waits[record.seq] = call
            case CallAnswered(call=call) as answer:
                self._ends[call] = answered(answer)
            case TimeReached(due="wait", wait=int(wait)) if wait in self._waits:
                call = self._waits[wait]
                if call in self._deferred:
                    self._ends[call] = unanswered(self._deferred[call])
            case _:
                pass

    def instead(self, found: Mapping[int, Outcome]) -> dict[int, Outcome]:
        """The outcomes by intent, with that of the whole call where its attempt was answered."""
        return {
            seq: outcome
            if isinstance(outcome, ToolSucceeded)
            else self._ends.get(self._attempts.get(seq, 0), outcome)
            for seq, outcome in found.items()
        }


def answer_of_parent(log: Reader, parent: str, at: int, call: int) -> CallAnswered | None:
    """The answer that a fork's parent was given to a call after the fork was cut at `at`."""
    for row in log.read(parent, at):
        if row.kind == "call_answered":
            event = decode(row, log.body).event
            if isinstance(event, CallAnswered) and event.call == call:
                return event
    return None
