"""The engine: opens a run's turns one at a time, commits each, then starts its effects.

    arrive -> turn -> (planner, executor, tool, memory) -> one append -> effects -> arrive

Everything here runs on one event loop; only the log and the tools have their own threads.
Nothing starts before its intent is committed, and no record is announced before that either.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context, copy_context
from typing import TypeAlias

from playhead.actors.engine.actor import Dispatch, LoopDispatcher, RoleActor
from playhead.actors.engine.appends import LONGEST_PAUSE, Appends, Pending
from playhead.actors.engine.effects import Effects, Performer
from playhead.actors.engine.load_state import load_state
from playhead.actors.engine.parent_outcomes import ParentOutcomes
from playhead.actors.engine.preconditions import unmet_precondition
from playhead.actors.engine.turn import Trigger, Turn
from playhead.actors.roles.role import Role, RoleName
from playhead.events.codec import decode
from playhead.events.errors import (
    HeadMoved,
    LogError,
    NotStorable,
    RunTakenOver,
    StorageUnavailable,
)
from playhead.events.event import Event
from playhead.events.kinds.runs import CancelRequested, RunPaused, RunResumed, TimeReached
from playhead.events.log.contract import Log
from playhead.events.logger import ProgramLogger
from playhead.events.record import Record
from playhead.events.registry import ENDINGS
from playhead.events.spec.agent import Status
from playhead.projections.prompt.context import Context as PromptContext
from playhead.projections.state.run_state import RunState

Watcher: TypeAlias = Callable[[RunState, Sequence[Record]], None]
"""Called on the loop with each turn's records once they are committed."""

Warned: TypeAlias = Callable[[str, Exception], None]
"""Called on the loop when a run waits for the storage or was dropped, with the reason."""

Redact: TypeAlias = Callable[[Event], Event]

WORDLESS = (TimeReached, CancelRequested, RunResumed)
"""These events contain only the runtime's own text: a failing redactor must not hold them up."""
IN_DOUBT = (
    "this is not tried again, and is in the log only if the failed try wrote it: when the storage "
    "works, look at the events of run {} before you say it again"
)

program_log = ProgramLogger("playhead.engine")


class Stage:
    """One run in memory: its state, the open turn, and what waits for it."""

    __slots__ = ("context", "second_try", "state", "status", "turn", "waiting")

    def __init__(self, state: RunState, context: Context | None = None) -> None:
        self.state = state
        self.context = context
        """The context variables of its caller; None for a run that was loaded from the log."""
        self.status: Status = state.status
        """As of the last turn that is in the log."""
        self.turn: Turn | None = None
        self.waiting: deque[Trigger] = deque()
        self.second_try = False
        """A role raised on the current opening record; it gets a second try."""


class Engine:
    """Drives runs in turns. Every method is called on the loop."""

    def __init__(
        self,
        log: Log,
        roles: Mapping[RoleName, Role],
        performer: Performer,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], int],
        *,
        dispatch: Dispatch | None = None,
        redact: Redact | None = None,
        keep_idle: int = 64,
        storage_seconds: float = 10.0,
    ) -> None:
        """Start an actor for each role.

        Args:
            log: receives the turns.
            roles: the four roles.
            performer: performs their effects.
            loop: the loop on which everything runs.
            now: microseconds since the epoch.
            dispatch: gives an actor its slot; a LoopDispatcher by default.
            redact: changes an event from outside or from an effect before it is sealed.
            keep_idle: idle runs that stay in memory; others are folded again when needed.
            storage_seconds: how long a turn may wait for the storage until those who wait for its
                run are told, and those who brought what it holds have it withdrawn.
        """
        self.log = log
        self.watchers: list[Watcher] = []
        self.warned: list[Warned] = []
        self.let_go: dict[str, Exception] = {}
        """Runs that this process may no longer write, and why; `take_up` resumes them."""
        self.taken: set[str] = set()
        """Runs that this process has resumed; events for other runs are held."""
        self.draining = False
        """While set, arriving events are held: nothing new starts."""
        self.roles = roles
        self._loop = loop
        self._now = now
        self._redact = redact
        self._keep_idle = keep_idle
        self._stages: dict[str, Stage] = {}
        self._timers: dict[str, tuple[tuple[int, TimeReached], asyncio.TimerHandle]] = {}
        dispatch = dispatch or LoopDispatcher()
        self._actors = {name: RoleActor.start(role, self, dispatch) for name, role in roles.items()}
        self._recordings = ParentOutcomes(log)
        self.effects = Effects(performer, loop, now, self.arrive, self._recordings)
        self._appends = Appends(log, loop, self, storage_seconds)

    def start(self, run: str, trigger: Trigger, past: PromptContext | None) -> None:
        """Start a new run with its first record, in the context variables of this call."""
        self._stages[run] = Stage(RunState(run, past), copy_context())
        self.taken.add(run)
        self.arrive(run, trigger)

    def rest(self, run: str, due: tuple[int, TimeReached] | None) -> None:
        """Resume a run that only waits: it is loaded at its due time, or when something arrives."""
        if run not in self.taken:
            self.taken.add(run)
            self._arm(run, due)

    def arrive(self, run: str, trigger: Trigger) -> None:
        """An event for a run: its turn starts when the earlier ones are committed."""
        stage = self._stages.get(run) or self._load(run)
        stage.waiting.append(trigger)
        self._next(run, stage)

    def state(self, run: str) -> RunState:
        """The run's state, including the turn being written. Raises UnknownRun."""
        return (self._stages.get(run) or self._load(run)).state

    def settled(self, run: str) -> Event | None:
        """The event with which the run has ended or is paused, according to the log.

        Raises UnknownRun.
        """
        stage = self._stages.get(run)
        if stage is None:
            last = next(self.log.read(run, self.log.head(run).seq - 1), None)
            if last is not None and last.kind in ENDINGS:
                return decode(last, self.log.body).event
            stage = self._load(run)
        return (stage.state.ending or stage.state.paused) if stage.turn is None else None

    def context(self, run: str) -> Context:
        """A copy of the context variables of the run's caller; empty if it has left memory since.

        What an approver or a webhook does runs in their own.
        """
        stage = self._stages.get(run)
        return Context() if stage is None or stage.context is None else stage.context.copy()

    @property
    def loaded(self) -> int:
        """Number of runs in memory, an upper bound of the open turns."""
        return len(self._stages)

    def status(self, run: str) -> Status:
        """The run's status according to the log. Raises UnknownRun."""
        return (self._stages.get(run) or self._load(run)).status

    async def quiet(self) -> bool:
        """Wait until every open turn is committed; False if the storage takes too long."""
        deadline = self._loop.time() + self._appends.bound
        while any(stage.turn is not None for stage in self._stages.values()):
            if not await self._appends.answered(deadline - self._loop.time()):
                return False
        return True

    def stop(self) -> None:
        """Stop the actors and the timers; nothing may arrive afterwards.

        Turns that the storage has not accepted by now are abandoned, and those who wait are told.
        """
        left = self._appends.stop()
        if left:
            runs = sorted(turn.state.run for turn in left)
            program_log.error("close.left_unwritten", runs=runs)
        for run, stage in list(self._stages.items()):
            why = "the runtime was closed while the storage failed"
            error = StorageUnavailable("the log", why, IN_DOUBT.format(run))
            self._withdraw_waiting(stage, error)
            self._withdraw_turn(stage, error)
        for run in list(self._timers):
            self._disarm(run)
        for actor in self._actors.values():
            actor.actor_stopped.set()

    def _load(self, run: str) -> Stage:
        state = load_state(self.log, run)
        self._forget_idle()
        stage = self._stages[run] = Stage(state)
        self._arm_timer(stage.state)
        return stage

    def _next(self, run: str, stage: Stage) -> None:
        while stage.turn is None and stage.waiting:
            trigger = stage.waiting.popleft()
            if trigger.command is not None and self.log.has_command(trigger.command):
                # Whoever brought it was told that the storage failed, and brings it once more.
                if trigger.told is not None:
                    trigger.told(None)
                continue
            refusal = unmet_precondition(stage.state, trigger)
            if refusal is None:
                self._open(stage, trigger)
            elif trigger.told is not None:
                trigger.told(refusal)
        if stage.turn is None and not self.effects.of(run):
            self._rest(run)

    def _rest(self, run: str) -> None:
        """Nothing is open: the run may leave memory once enough other runs are idle."""
        stage = self._stages.pop(run, None)
        if stage is None or stage.state.ending is not None:
            return
        self._stages[run] = stage
        self._forget_idle()

    def _forget_idle(self) -> None:
        idle = [r for r, s in self._stages.items() if s.turn is None and not self.effects.of(r)]
        for old in idle[: -self._keep_idle]:
            del self._stages[old]

    def _open(self, stage: Stage, trigger: Trigger, *, redact: bool = True) -> None:
        try:
            ours = trigger.actor == "runtime" and isinstance(trigger.event, WORDLESS)
            if self._redact is not None and redact and not (ours or stage.second_try):
                trigger = trigger._replace(event=self._redact(trigger.event))
            stage.turn = Turn(
                stage.state, trigger, self._now(), held=self._holds(stage.state, trigger.event)
            )
        except NotStorable as error:
            self._unstorable(stage, trigger, error)
        else:
            self._advance(stage.turn)

    def _holds(self, state: RunState, event: Event) -> bool:
        if state.run not in self.taken or self.draining:
            return True
        paused = state.paused is not None and state.stop is None
        return paused and not _ends_a_pause(event)

    def _unstorable(self, stage: Stage, trigger: Trigger, error: NotStorable) -> None:
        if trigger.origin == "effect":
            failure = self.effects.unstorable(stage.state.open[trigger.cause or 0], error)
            # Our own words are left as they are once the redactor has failed at them too.
            redact = failure != trigger.event
            self._open(stage, trigger._replace(event=failure), redact=redact)
        elif trigger.told is not None:
            trigger.told(error)

    def _advance(self, turn: Turn) -> None:
        stage = self._stages.get(turn.state.run)
        if stage is None or stage.turn is not turn:  # the run was dropped meanwhile
            return
        name = turn.next(self.roles)
        if name is not None:
            self._actors[name].tell(turn)
        else:
            self._appends.submit(turn)

    def visited(self, turn: Turn, role: Role, record: Record) -> None:
        """A role has decided: the turn continues."""
        self._advance(turn)

    def raised(self, turn: Turn, role: Role, error: Exception) -> None:
        """Drop the turn, fold the run again, and retry once; then hold the record and pause."""
        run = turn.state.run
        stage = self._stages.get(run)
        if stage is None or stage.turn is not turn:
            return
        program_log.error("role.raised", run=run, role=role.name, exc_info=error)
        stage.state = self._again(turn)
        stage.turn = None
        if not stage.second_try:
            stage.second_try = True
            self._open(stage, turn.trigger)
            return
        stage.turn = Turn(stage.state, turn.trigger, self._now(), held=True)
        why = f"{type(error).__name__}: {error}"
        stage.turn.also(RunPaused(reason="a role raised", role=role.name, error=why[:500]))
        self._advance(stage.turn)

    def _again(self, turn: Turn) -> RunState:
        if turn.append.expected.seq == 0:
            return RunState(turn.state.run, turn.state.past)
        return load_state(self.log, turn.state.run)

    def acknowledged(self, turn: Turn, position: int) -> None:
        """The turn is in the log: announce it, and start its effects."""
        run = turn.state.run
        stage = self._stages[run]
        state = stage.state
        stage.turn, stage.second_try, stage.status = None, False, state.status
        first = position - len(turn.records) + 1
        records = [r._replace(position=first + n) for n, r in enumerate(turn.records)]
        for watch in list(self.watchers):
            self._show(watch, state, records)
        if turn.trigger.told is not None:
            turn.trigger.told(None)
        self._act(state, records)
        self._next(run, stage)

    def _show(self, watch: Watcher, state: RunState, records: Sequence[Record]) -> None:
        """Call a watcher; its exceptions harm neither the run nor other watchers."""
        try:
            watch(state, records)
        except BaseException:  # SystemExit and CancelledError too: the loop is not the watcher's
            program_log.exception("watcher.raised", run=state.run)

    def _act(self, state: RunState, records: Sequence[Record]) -> None:
        for record in records:
            if record.seq in state.open and record.origin == "decided":
                self.effects.begin(record, state, self.context(state.run))
            elif record.event.kind in ENDINGS:
                self.taken.discard(state.run)
                self._recordings.forget(state.run)
                self._disarm(state.run)
        if state.stop is not None and state.stop.cancels:
            self.effects.cancel(state)
        self._arm_timer(state)

    def refused(self, turn: Turn, error: Exception) -> None:
        """The log permanently refuses the turn from this process: drop the run.

        Those who wait are told. If nothing can be written any more, all runs are dropped.
        """
        run = turn.state.run
        program_log.error("append.failed", run=run, error=str(error))
        if isinstance(error, HeadMoved):
            error = RunTakenOver(run, error.expected, error.actual)
        of_the_log = isinstance(error, LogError) and type(error) not in (LogError, RunTakenOver)
        begun = turn.append.expected.seq > 0  # who started a child hears of it otherwise
        for each in [
            run,
            *(self._ancestors(run) if begun else ()),
            *(self.taken if of_the_log else ()),
        ]:
            self._let_go(each, error)

    def _let_go(self, run: str, error: Exception) -> None:
        """Forget a run as a crash would; those who wait are told."""
        stage = self._stages.pop(run, None)
        self.taken.discard(run)
        self.let_go[run] = error
        self.effects.abandon(run)
        self._recordings.forget(run)
        self._disarm(run)
        if stage is not None:
            if stage.turn is not None:
                self._appends.forget(stage.turn)
            for trigger in (*([stage.turn.trigger] if stage.turn else ()), *stage.waiting):
                if trigger.told is not None:
                    trigger.told(error)
        self._warn(run, error)

    def _ancestors(self, run: str) -> list[str]:
        """The runs of this process that wait for this one to end, the nearest first."""
        found: list[str] = []
        stage = self._stages.get(run)
        while stage is not None and stage.state.started is not None:
            parent = stage.state.run_started.parent
            if parent is None or parent.run not in self.taken:
                break
            found.append(parent.run)
            stage = self._stages.get(parent.run)
        return found

    def _warn(self, run: str, error: Exception) -> None:
        for warned in list(self.warned):
            warned(run, error)

    def overdue(self, pending: Pending) -> None:
        """The storage delays a turn: withdraw people's commands, and tell those who wait."""
        run = pending.turn.state.run
        stage, trouble = self._stages[run], pending.trouble
        what = (trouble.log, trouble.why) if trouble is not None else ("the log", "it hangs")
        not_said = StorageUnavailable(
            *what, "nothing was recorded: say it again when the storage works"
        )
        in_doubt = StorageUnavailable(*what, IN_DOUBT.format(run))
        self._withdraw_waiting(stage, not_said)
        if not pending.hangs:
            pending.withdrawn = self._withdraw_turn(stage, in_doubt) or pending.withdrawn
        then = "run {} goes on by itself when the storage works: wait for it again"
        for each in [run, *self._ancestors(run)]:
            self._warn(each, StorageUnavailable(*what, then.format(each)))

    def _withdraw_waiting(self, stage: Stage, error: Exception) -> None:
        """Remove people's commands that no turn has started with."""
        waiting, stage.waiting = stage.waiting, deque[Trigger]()
        for trigger in waiting:
            if trigger.told is not None and _can_be_withdrawn(trigger):
                trigger.told(error)
            else:
                stage.waiting.append(trigger)

    def _withdraw_turn(self, stage: Stage, error: Exception) -> bool:
        """Tell the sender of the open turn's opening event; returns whether there is one."""
        trigger = None if stage.turn is None else stage.turn.trigger
        if stage.turn is None or trigger is None or not _can_be_withdrawn(trigger):
            return False
        stage.turn.trigger = trigger._replace(told=None)
        assert trigger.told is not None
        trigger.told(error)
        return True

    def dropped(self, turn: Turn) -> None:
        """A withdrawn turn is not in the log: the run returns to its earlier state."""
        run = turn.state.run
        stage = self._stages[run]
        if turn.append.expected.seq == 0:
            del self._stages[run]
            self.taken.discard(run)
            return
        stage.state = self._again(turn)
        stage.turn, stage.second_try = None, False
        self._next(run, stage)

    def _arm_timer(self, state: RunState) -> None:
        """Schedule TimeReached for the run's next due time."""
        due = state.due if state.ending is None and state.started is not None else None
        self._arm(state.run, due)

    def _arm(self, run: str, due: tuple[int, TimeReached] | None) -> None:
        armed = self._timers.get(run)
        if armed is not None:
            if due is not None and armed[0] == due:
                return
            armed[1].cancel()
            del self._timers[run]
        if due is not None:
            wait = max(0.0, (due[0] - self._now()) / 1_000_000)
            timer = self._loop.call_later(wait, self._fire, run, due[1], context=Context())
            self._timers[run] = (due, timer)

    def _fire(self, run: str, reached: TimeReached) -> None:
        self._timers.pop(run, None)
        try:
            self.arrive(run, Trigger(reached, "runtime", "outside"))
        except LogError as error:  # its state cannot be read at present
            program_log.warning("timer.waits", run=run, why=str(error))
            timer = self._loop.call_later(
                LONGEST_PAUSE, self._fire, run, reached, context=Context()
            )
            self._timers[run] = ((0, reached), timer)

    def _disarm(self, run: str) -> None:
        armed = self._timers.pop(run, None)
        if armed is not None:
            armed[1].cancel()


def _can_be_withdrawn(trigger: Trigger) -> bool:
    """Whether a person or a program waits until it is recorded, and can send it again."""
    return trigger.actor == "user" and trigger.told is not None


def _ends_a_pause(event: Event) -> bool:
    """Whether a paused run decides on it at once: it resumes or ends."""
    if isinstance(event, TimeReached):
        return event.due == "max_seconds"
    return event.kind in ("run_resumed", "cancel_requested")
