"""The engine: opens a run's turns one at a time, commits each, then starts its effects.

    arrive -> turn -> (planner, executor, tool, memory) -> one append -> effects -> arrive

Everything here happens on one event loop; only the log and the tools have threads of their own.
Nothing starts before its intent is committed, and nobody hears of a record before that either.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from playhead.actors.engine.actor import Dispatch, LoopDispatcher, RoleActor
from playhead.actors.engine.effects import Effects, Performer
from playhead.actors.engine.load_state import load_state
from playhead.actors.engine.parent_outcomes import ParentOutcomes
from playhead.actors.engine.preconditions import unmet_precondition
from playhead.actors.engine.turn import Trigger, Turn
from playhead.actors.roles.role import Role, RoleName
from playhead.events.errors import NotStorable
from playhead.events.event import Event
from playhead.events.kinds.codec import decode
from playhead.events.kinds.registry import ENDINGS
from playhead.events.kinds.runs import CancelRequested, RunPaused, RunResumed, TimeReached
from playhead.events.log.contract import Log
from playhead.events.logger import ProgramLogger
from playhead.events.record import Record
from playhead.events.spec.agent import Status
from playhead.projections.prompt.context import Context
from playhead.projections.state.run_state import RunState

Watcher: TypeAlias = Callable[[RunState, Sequence[Record]], None]
"""Told, on the loop, each turn's records once they are committed."""

Redact: TypeAlias = Callable[[Event], Event]

WORDLESS = (TimeReached, CancelRequested, RunResumed)
"""Nothing in them is anybody's but the runtime's: a redactor that fails must not hold them up."""

program_log = ProgramLogger("playhead.engine")


class Stage:
    """One run in memory: its state, the turn under way, and what waits for it."""

    __slots__ = ("second_try", "state", "status", "turn", "waiting")

    def __init__(self, state: RunState) -> None:
        self.state = state
        self.status: Status = state.status
        """As of the last turn that is in the log."""
        self.turn: Turn | None = None
        self.waiting: deque[Trigger] = deque()
        self.second_try = False
        """A role raised on the opening record under way; it gets one more chance."""


class Engine:
    """Runs in turns. Every method is called on the loop."""

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
    ) -> None:
        """Start an actor for each role.

        Args:
            log: where the turns go.
            roles: the four roles.
            performer: reaches the world for them.
            loop: where everything happens.
            now: microseconds since the epoch.
            dispatch: gives an actor its slot; a LoopDispatcher by default.
            redact: changes an event from outside or from an effect before it is sealed.
            keep_idle: runs with nothing under way that stay in memory; others are folded again.
        """
        self.log = log
        self.watchers: list[Watcher] = []
        self.taken: set[str] = set()
        """Runs that this process has taken up; what arrives for others is held."""
        self.draining = False
        """What arrives is held: nothing new starts."""
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
        self._committed: deque[tuple[Stage, Turn, int | Exception]] = deque()
        self._served: asyncio.Future[None] | None = None
        """Who waits in `quiet` looks again when it is done."""

    def start(self, run: str, trigger: Trigger, past: Context | None) -> None:
        """Open a new run with its first record."""
        self._stages[run] = Stage(RunState(run, past))
        self.taken.add(run)
        self.arrive(run, trigger)

    def rest(self, run: str, due: tuple[int, TimeReached] | None) -> None:
        """Take up a run that only waits: it is loaded when that time comes, or something else."""
        if run not in self.taken:
            self.taken.add(run)
            self._arm(run, due)

    def arrive(self, run: str, trigger: Trigger) -> None:
        """Something happened to a run: its turn comes when those before it are committed."""
        stage = self._stages.get(run) or self._load(run)
        stage.waiting.append(trigger)
        self._next(run, stage)

    def state(self, run: str) -> RunState:
        """The run's state, with the turn that is being written. Raises UnknownRun."""
        return (self._stages.get(run) or self._load(run)).state

    def settled(self, run: str) -> Event | None:
        """The event by which the run has ended or is paused, as far as the log has it.

        Raises UnknownRun.
        """
        stage = self._stages.get(run)
        if stage is None:
            last = next(self.log.read(run, self.log.head(run).seq - 1), None)
            if last is not None and last.kind in ENDINGS:
                return decode(last, self.log.body).event
            stage = self._load(run)
        return (stage.state.ending or stage.state.paused) if stage.turn is None else None

    @property
    def loaded(self) -> int:
        """Runs that are in memory: as many turns at most are under way."""
        return len(self._stages)

    def status(self, run: str) -> Status:
        """What became of the run, as far as the log has it. Raises UnknownRun."""
        return (self._stages.get(run) or self._load(run)).status

    async def quiet(self) -> None:
        """Wait until every turn under way is committed."""
        while any(stage.turn is not None for stage in self._stages.values()):
            self._served = self._loop.create_future()
            await self._served

    def stop(self) -> None:
        """Stop the actors and the timers; nothing may arrive after this."""
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
            refusal = unmet_precondition(stage.state, trigger)
            if refusal is None:
                self._open(stage, trigger)
            elif trigger.told is not None:
                trigger.told(refusal)
        if stage.turn is None and not self.effects.of(run):
            self._rest(run)

    def _rest(self, run: str) -> None:
        """Nothing is under way: the run may leave memory once enough others are idle too."""
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
        name = turn.next(self.roles)
        if name is not None:
            self._actors[name].tell(turn)
            return
        stage = self._stages[turn.state.run]
        self.log.submit(turn.append, lambda result: self._from_log(stage, turn, result))

    def visited(self, turn: Turn, role: Role, record: Record) -> None:
        """A role has decided: the turn goes on."""
        self._advance(turn)

    def raised(self, turn: Turn, role: Role, error: Exception) -> None:
        """Drop the turn, fold the run anew, try once more; then hold the record and pause."""
        run = turn.state.run
        stage = self._stages[run]
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

    def _from_log(self, stage: Stage, turn: Turn, result: int | Exception) -> None:
        """On the log's thread: one wake-up of the loop serves all that was committed together."""
        self._committed.append((stage, turn, result))
        if len(self._committed) == 1:
            self._loop.call_soon_threadsafe(self._serve_committed)

    def _serve_committed(self) -> None:
        while self._committed:
            stage, turn, result = self._committed[0]
            try:
                if isinstance(result, Exception):
                    self._lost(stage, turn, result)
                else:
                    self._acknowledged(stage, turn, result)
            except Exception:  # a bug here must cost one run at most
                program_log.exception("engine.bug", run=stage.state.run)
            finally:
                self._committed.popleft()
        if self._served is not None and not self._served.done():
            self._served.set_result(None)

    def _acknowledged(self, stage: Stage, turn: Turn, position: int) -> None:
        state, run = stage.state, stage.state.run
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
        """A watcher that raises harms neither the run nor the other watchers."""
        try:
            watch(state, records)
        except BaseException:  # SystemExit and CancelledError too: the loop is not the watcher's
            program_log.exception("watcher.raised", run=state.run)

    def _act(self, state: RunState, records: Sequence[Record]) -> None:
        for record in records:
            if record.seq in state.open and record.origin == "decided":
                self.effects.begin(record, state)
            elif record.event.kind in ENDINGS:
                self.taken.discard(state.run)
                self._recordings.forget(state.run)
                self._disarm(state.run)
        if state.stop is not None and state.stop.cancels:
            self.effects.cancel(state.run)
        self._arm_timer(state)

    def _lost(self, stage: Stage, turn: Turn, error: Exception) -> None:
        """The append failed: the run leaves memory as it stands in the log."""
        run = stage.state.run
        program_log.error("append.failed", run=run, error=str(error))
        self._stages.pop(run, None)
        self.taken.discard(run)
        self.effects.abandon(run)
        self._recordings.forget(run)
        self._disarm(run)
        for trigger in (turn.trigger, *stage.waiting):
            if trigger.told is not None:
                trigger.told(error)

    def _arm_timer(self, state: RunState) -> None:
        """Have TimeReached come when the run's next due time comes."""
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
            timer = self._loop.call_later(wait, self._fire, run, due[1])
            self._timers[run] = (due, timer)

    def _fire(self, run: str, reached: TimeReached) -> None:
        self._timers.pop(run, None)
        self.arrive(run, Trigger(reached, "runtime", "outside"))

    def _disarm(self, run: str) -> None:
        armed = self._timers.pop(run, None)
        if armed is not None:
            armed[1].cancel()


def _ends_a_pause(event: Event) -> bool:
    """Whether a paused run decides on it at once: it goes on, or it is to end."""
    if isinstance(event, TimeReached):
        return event.due == "max_seconds"
    return event.kind in ("run_resumed", "cancel_requested")
