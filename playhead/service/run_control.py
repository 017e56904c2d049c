"""Starts runs, sends commands to them and listens to them, by id: `runtime.runs`."""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TypeVar, Unpack

from playhead.actors.append import append_event, unknown_call
from playhead.actors.engine.engine import Engine
from playhead.actors.engine.recovery import may_rest, take_up, take_up_imported
from playhead.actors.engine.turn import Trigger
from playhead.actors.planning.validate import edited_plan
from playhead.events.codec import decode
from playhead.events.errors import AnswerRefused, PlayheadError, RuntimeClosed, UsageError
from playhead.events.event import Event, Json
from playhead.events.kinds.plans import PlanStep
from playhead.events.kinds.runs import RunResumed, RunStarted, TimeReached
from playhead.events.kinds.tool_calls import CallAnswered, ToolResolved
from playhead.events.log.contract import Log
from playhead.events.log.find_run import find_run
from playhead.events.log.inbox import Command
from playhead.events.record import Record
from playhead.events.registry import ENDINGS
from playhead.events.spec.agent import AgentSpec, Status
from playhead.events.version import VERSION
from playhead.projections.state.calls.approvals import OpenApproval
from playhead.projections.state.waits import About
from playhead.projections.stored.run_list import RunRow
from playhead.projections.stored.wait_list import OpenWait
from playhead.service.answers import why_refused
from playhead.service.decider import this_process
from playhead.service.loop_thread import LoopThread
from playhead.service.run_index import RunIndex
from playhead.service.subscriptions import (
    Listening,
    PendingResult,
    Piece,
    RunEnd,
    Subscriptions,
)
from playhead.service.wait_reader import WaitReader, Wanted

T = TypeVar("T", bound=Piece)


class RunControl:
    """The runs of one log, while an engine drives them. Its methods may be called from any thread.

    `run` is always a complete id; `find` gives it.
    """

    def __init__(
        self,
        log: Log,
        index: RunIndex,
        thread: LoopThread,
        engine: Engine,
        subscriptions: Subscriptions,
        agents: Callable[[str, str], AgentSpec | None],
    ) -> None:
        self.index = index
        """The open runs, and the last one of each session."""
        self._log = log
        self._thread = thread
        self._engine = engine
        self._subscriptions = subscriptions
        self._waits = WaitReader(log)
        self._agents = agents
        self._closed = False

    def find(self, given: str) -> str:
        """The id for an id, its beginning, or `last`. Raises UnknownRun."""
        self._thread.check()
        return find_run(self._log, given)

    def start(self, run: str, started: RunStarted, most: int, traceparent: str | None) -> None:
        """Start a run, if fewer than `most` are open. It is in the log when this returns.

        `run`: an id that no run in the log has.

        Raises AdmissionRefused, SessionBusy, NotStorable and StorageUnavailable.
        """
        self.check_may_wait()
        past = self.index.admit(run, started.agent.name, started.session, most)
        trigger, committed = _trigger(started.model_copy(update={"past": past}), traceparent)
        try:
            context = self.index.context(started.session, past)
            self._on_loop(lambda: self._engine.start(run, trigger, context))
            committed.result()
        except BaseException:
            self.index.forget(run)
            raise

    def take_up(self, run: str) -> None:
        """Continue a run from the end of the log; one that only waits is not even loaded."""
        self.check_open()
        waits = self._waits.as_last_read(run)
        # Records since then are held, and `may_rest` sees them.
        if waits and may_rest(self._log.read(run), any(wait.counts for wait in waits)):
            times = [time for wait in waits for time in wait.times]
            due = min(times, key=lambda time: time[0], default=None)
            self._on_loop(lambda: self._engine.rest(run, due))
        else:
            self._on_loop(partial(take_up, self._engine, run))
        for wait in waits:
            if wait.bound is not None:  # what it is bound to went with the process before this one
                trigger, _ = _trigger(wait.over)
                self._on_loop(partial(self._engine.arrive, run, trigger))

    def lapse(self, run: str, call: int) -> None:
        """A question of a call's tool can be answered no more; does nothing if none is open."""
        with suppress(PlayheadError):
            self.tell(run, TimeReached(due="approval", call=call))

    def tell(self, run: str, event: Event, *, command: str | None = None) -> None:
        """Append an event from outside.

        Raises UsageError if it does not apply, StorageUnavailable if the log could not be written
        for too long: it is then not recorded later, unless the last failed try had written it.
        """
        self.check_may_wait()
        trigger, committed = _trigger(event, command=command)
        self._on_loop(lambda: self._engine.arrive(run, trigger))
        try:
            committed.result()
        except AnswerRefused as refused:
            raise why_refused(self._log, run, refused) from None

    def resume(self, run: str) -> None:
        """Continue a run that is paused, or that this process has dropped.

        One that waits for its model asks at once.

        An imported run is resumed with the local agent of the same name, and earlier approvals do
        not count. Raises UsageError if there is no such agent.
        """
        if run in self._engine.let_go:
            self.take_up(run)
        if self._parked(run):
            self._take_up_imported(run)
        else:
            self.tell(run, RunResumed(code=VERSION, reason="resumed by the caller"))

    def _parked(self, run: str) -> bool:
        return self._thread.call(lambda: self._engine.state(run).parked)

    def _take_up_imported(self, run: str) -> None:
        self.check_open()
        state = self._thread.call(lambda: self._engine.state(run))
        if state.run_started.parent is not None:
            msg = f"run {run} was imported, and started by another run: take that one up"
            raise UsageError(msg)
        agent = self._agents(run, state.agent.name)
        if agent is None:
            msg = f"run {run} was imported, and its agent {state.agent.name!r} is not known here"
            raise UsageError(msg)
        self._on_loop(partial(take_up_imported, self._engine, run, agent))

    def waits(
        self, run: str | None = None, about: About | None = None, limit: int | None = None
    ) -> list[OpenWait]:
        """The waits of open runs, oldest run first.

        `run`: of one run. `about`: "call" or "plan", decided by a person; "answer", of a deferred
        call; "time", which has not come; or "model", which is down. `limit`: the maximum number.
        """
        self.check_open()
        return self._waits.waits(run, about, limit)

    def find_runs(self, **wanted: Unpack[Wanted]) -> list[RunRow]:
        """See `Runtime.find_runs`."""
        self.check_open()
        return self._waits.runs(**wanted)

    def was_moved(self, run: str) -> bool:
        """Whether a run with an idempotency key is in an archive now."""
        return self._waits.was_moved(run)

    def approvals(self, run: str | None = None) -> list[OpenApproval]:
        """The open approvals of one run, or of all open runs."""
        self._thread.check()
        self.check_open()
        return self._waits.approvals(run)

    def edited_plan(self, run: str, steps: Sequence[Mapping[str, Json]]) -> tuple[PlanStep, ...]:
        """Changed steps for a plan under review, checked and completed. Raises UsageError."""
        text = json.dumps({"steps": [dict(step) for step in steps]})
        return self._thread.call(lambda: edited_plan(text, self._engine.state(run)))

    def complete(self, run: str, call: int, result: Json = None) -> None:
        """Give the answer of a deferred call: its result, as the model will read it.

        An answer that comes while the tool is still being called is kept for its end. Raises
        AnswerRefused, whose `reason` says whether the call waits for no answer, has it, expired,
        its run has ended, or the result is of the wrong type; UnknownRun; and the errors of `tell`.
        """
        self.tell(run, CallAnswered(call=call, result=result, by=this_process()))

    def fail(self, run: str, call: int, message: str, hint: str | None = None) -> None:
        """Say that what a deferred call began has failed, and how; the model reads both texts.

        Raises like `complete`.
        """
        self.tell(run, CallAnswered(call=call, error=message, hint=hint, by=this_process()))

    def resolve(self, run: str, call: int, *, succeeded: bool, note: str = "") -> None:
        """Record what happened to a call with an unknown outcome: in its run, or after its end."""
        self._resolve(run, ToolResolved(run=run, call=call, succeeded=succeeded, note=note))

    def _resolve(self, run: str, event: ToolResolved, command: str | None = None) -> None:
        self.check_may_wait()
        unknown_call(self._log, run, event.call)
        if self.status(run) in ENDINGS.values():
            append_event(self._log, event, time.time_ns() // 1000, command)
        else:
            self.tell(run, event, command=command)

    def serve(self, command: Command) -> None:
        """Execute a command from another process."""
        run, event = self.find(command.run), command.event()
        if isinstance(event, RunResumed) and self._parked(run):
            msg = f"run {run} was imported: the process that has its agent takes it up, by name"
            raise UsageError(msg)
        if isinstance(event, ToolResolved):
            self._resolve(run, event, command.id)
        else:
            self.tell(run, event, command=command.id)

    def agent(self, run: str) -> str:
        """The name of a run's agent. Raises UnknownRun."""
        return self._thread.call(lambda: self._engine.state(run)).agent.name

    def status(self, run: str) -> Status:
        """running, paused, finished, failed or cancelled. Raises UnknownRun."""
        return self._thread.call(lambda: self._engine.status(run))

    def outcome(self, run: str) -> Future[RunEnd]:
        """The result of a run, once it has ended; RunNotFinished if there is no answer.

        Cancelling the future ends the waiting; the run continues.
        """
        self._thread.check()
        waiting = PendingResult(run, self._records)
        engine = self._engine
        self._thread.call(lambda: waiting.begin(self._subscriptions, engine.settled, engine.let_go))
        return waiting.answer

    def listen(self, run: str, *kinds: type[T]) -> Listening[T]:
        """Records, text or both, in the order in which they arrive, from the first record on."""
        self._thread.check()
        records = partial(self._records, run)
        return Listening(self._thread, self._subscriptions, run, records, *kinds)

    def check_open(self) -> None:
        """Raise RuntimeClosed once it is closing, InheritedByFork in a forked process."""
        self._thread.check()
        if self._closed:
            raise RuntimeClosed

    def check_may_wait(self) -> None:
        """Raise CalledOnLoop if the call would deadlock, and the errors of `check_open`."""
        self.check_open()
        self._thread.check_may_wait()

    def settle(self, seconds: float) -> None:
        """Refuse new calls; let open effects end, and write everything."""
        self._closed = True
        self._thread.wait_for(partial(self._settle, seconds))
        self._waits.close()

    def _on_loop(self, work: Callable[[], None]) -> None:
        """Run something on the loop, unless the engine is closing by then."""

        def unless_closing() -> None:
            self.check_open()
            work()

        self._thread.call(unless_closing)

    async def _settle(self, seconds: float) -> None:
        self._engine.draining = True
        writes = await self._engine.quiet()  # effects started by these turns are settled too
        await self._engine.effects.settle(seconds)
        if writes:
            await self._engine.quiet()
        self._engine.stop()

    def _records(self, run: str, after: int = 0) -> Iterator[Record]:
        return (decode(row, self._log.body) for row in self._log.read(run, after))


def new_run_id() -> str:
    """The date and random characters: unique enough for any log."""
    return f"{time.strftime('%y%m%d', time.gmtime())}-{secrets.token_hex(4)}"


def _trigger(
    event: Event, traceparent: str | None = None, *, command: str | None = None
) -> tuple[Trigger, Future[None]]:
    """An outside event, and the future that ends once it is committed or refused."""
    committed: Future[None] = Future()
    trigger = Trigger(
        event, "user", "outside", traceparent=traceparent, command=command,
        told=_teller(committed),
    )  # fmt: skip
    return trigger, committed


def _teller(committed: "Future[None]") -> Callable[[Exception | None], None]:
    def told(error: Exception | None) -> None:
        if error is None:
            committed.set_result(None)
        else:
            committed.set_exception(error)

    return told
