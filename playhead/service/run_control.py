"""Speaking to runs and hearing from them, by their id: what a Run asks of its runtime."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future

from playhead.actors.append import append_event, unknown_call
from playhead.actors.engine.engine import Engine
from playhead.actors.engine.turn import Trigger
from playhead.actors.planning.validate import edited_plan
from playhead.events.errors import UsageError
from playhead.events.event import Event, Json
from playhead.events.kinds.codec import decode
from playhead.events.kinds.plans import PlanStep
from playhead.events.kinds.registry import ENDINGS
from playhead.events.kinds.runs import RunResumed
from playhead.events.kinds.tool_calls import ToolResolved
from playhead.events.log.contract import Log
from playhead.events.log.inbox import Command
from playhead.events.record import Record
from playhead.events.spec.agent import Status
from playhead.events.version import VERSION
from playhead.projections.state.calls.approvals import OpenApproval, open_approvals
from playhead.service.loop_thread import LoopThread
from playhead.service.run_index import RunIndex, find_run
from playhead.service.subscriptions import (
    Listening,
    PendingResult,
    RunEnd,
    Subscriptions,
    TextChunk,
)


class RunControl:
    """The part of a Runtime through which people and programs reach its runs."""

    _log: Log
    _engine: Engine
    _thread: LoopThread
    _subscriptions: Subscriptions
    _index: RunIndex
    _closed: bool

    def resume(self, run: str) -> None:
        """Go on with a run that is paused."""
        self.tell(run, RunResumed(code=VERSION, reason="resumed by the caller"))

    def tell(self, run: str, event: Event, *, command: str | None = None) -> None:
        """Append something that somebody outside says. Raises UsageError when it cannot apply."""
        self._check_open()
        committed: Future[None] = Future()
        trigger = Trigger(event, "user", "outside", command=command, told=teller(committed))
        self._thread.call(lambda: self._engine.arrive(run, trigger))
        committed.result()

    def approvals(self, run: str | None = None) -> list[OpenApproval]:
        """What waits for a person: of one run, or of all that are open."""
        runs = self._index.open_runs() if run is None else [run]
        engine = self._engine
        states = self._thread.call(lambda: [engine.state(each) for each in runs])
        return [waiting for state in states for waiting in open_approvals(state)]

    def edited_plan(self, run: str, steps: Sequence[Mapping[str, Json]]) -> tuple[PlanStep, ...]:
        """Other steps for a plan under review, checked and completed. Raises UsageError."""
        text = json.dumps({"steps": [dict(step) for step in steps]})
        return self._thread.call(lambda: edited_plan(text, self._engine.state(run)))

    def resolve(self, run: str, call: int, *, succeeded: bool, note: str = "") -> None:
        """Say what became of a call whose outcome is unknown: in its run, or after its end."""
        event = ToolResolved(run=run, call=call, succeeded=succeeded, note=note)
        self._resolve_call(run, event, None)

    def _resolve_call(self, run: str, event: ToolResolved, command: str | None) -> None:
        unknown_call(self._log, run, event.call)
        if self.status(run) in ENDINGS.values():
            append_event(self._log, event, time.time_ns() // 1000, command)
        else:
            self.tell(run, event, command=command)

    def _serve(self, command: Command) -> None:
        run, event = find_run(self._log, command.run), command.event()
        if (
            isinstance(event, RunResumed)
            and self._thread.call(lambda: self._engine.state(run)).parked
        ):
            msg = f"run {run} was imported: the process that has its agent takes it up, by name"
            raise UsageError(msg)
        if isinstance(event, ToolResolved):
            self._resolve_call(run, event, command.id)
        else:
            self.tell(run, event, command=command.id)

    def status(self, run: str) -> Status:
        """running, paused, finished, failed or cancelled. Raises UnknownRun."""
        return self._thread.call(lambda: self._engine.status(run))

    def outcome(self, run: str) -> Future[RunEnd]:
        """What a run gave, once it has ended; RunNotFinished when that is no answer."""
        waiting = PendingResult(run, self._records)
        self._thread.call(lambda: waiting.begin(self._subscriptions, self._engine.settled))
        return waiting.answer

    def listen_records(self, run: str) -> Listening[Record]:
        """Every record of a run, those to come included."""
        return Listening(self._subscriptions, run, lambda: self._records(run), Record)

    def listen_text(self, run: str) -> Listening[TextChunk]:
        """The model's text as it comes."""
        return Listening(self._subscriptions, run, lambda: self._records(run), TextChunk)

    def listen(self, run: str) -> Listening[Record | TextChunk]:
        """Records and text in the order in which they come, from the run's first record on."""
        return Listening(self._subscriptions, run, lambda: self._records(run), Record, TextChunk)

    def _check_open(self) -> None:
        if self._closed:
            msg = "the runtime is closed"
            raise UsageError(msg)

    def _records(self, run: str, after: int = 0) -> Iterator[Record]:
        return (decode(row, self._log.body) for row in self._log.read(run, after))


def teller(committed: "Future[None]") -> Callable[[Exception | None], None]:
    """For an Opening's `told`: ends the future once the turn is committed, or is not."""

    def told(error: Exception | None) -> None:
        if error is None:
            committed.set_result(None)
        else:
            committed.set_exception(error)

    return told
