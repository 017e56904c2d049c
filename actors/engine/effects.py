"""Open effects: one task each, started after its intent's commit, ended by one outcome."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from typing import Any, TypeAlias

from playhead.actors.engine.turn import Trigger
from playhead.actors.performing.effects import EFFECTS, AnyEffect
from playhead.actors.performing.services import Services, Work
from playhead.events.errors import NotStorable
from playhead.events.event import Outcome
from playhead.events.kinds.child_runs import ChildStarted
from playhead.events.kinds.model_calls import ModelCall, cancels_batch
from playhead.events.kinds.tool_calls import AttemptStarted
from playhead.events.logger import ProgramLogger
from playhead.events.record import Record
from playhead.events.registry import kind_of
from playhead.projections.state.run_state import RunState

program_log = ProgramLogger("playhead.effects")

RecordedOutcome: TypeAlias = Callable[[Record, RunState], Outcome | None]

Do: TypeAlias = Callable[[AnyEffect, Work[Any, Any]], Awaitable[Outcome]]


class Performer:
    """Performs effects by the rows of the effect table."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def perform(self, row: AnyEffect, work: Work[Any, Any]) -> Outcome:
        """Perform the effect and return its outcome."""
        return await row.perform(self._services, work)

    async def recover(self, row: AnyEffect, work: Work[Any, Any]) -> Outcome:
        """The outcome of an effect that a crash cut off, as far as it can be determined."""
        if row.recover is None:
            return row.cut_off(work.event, work.job, "interrupted")
        return await row.recover(self._services, work)


class Effects:
    """The open effects of all runs. Called on the loop."""

    def __init__(
        self,
        performer: Performer,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], int],
        arrive: Callable[[str, Trigger], None],
        recorded: RecordedOutcome = lambda _intent, _state: None,
    ) -> None:
        """Start with no open effects.

        Args:
            performer: performs effects.
            loop: where the tasks run.
            now: microseconds since the epoch.
            arrive: receives each outcome.
            recorded: returns the outcome that a fork's parent has for an intent, if there is one.
        """
        self._performer = performer
        self._loop = loop
        self._now = now
        self._arrive = arrive
        self._recorded = recorded
        self.entering: Callable[[str, int], None] | None = None
        """Called with the run and the seq of an intent, in the context of its effect."""
        self._tasks: dict[str, dict[int, asyncio.Task[None]]] = {}

    def of(self, run: str) -> Mapping[int, "asyncio.Task[None]"]:
        """The run's open effects, by the seq of their intent."""
        return self._tasks.get(run, {})

    def begin(self, intent: Record, state: RunState, context: Context) -> None:
        """Start the effect of a committed intent, with these context variables."""
        if not self._give_recorded(intent, state):
            self._run(intent, state, self._perform, context=context)

    def recover(self, intent: Record, state: RunState) -> None:
        """Determine the outcome of an intent that a crash left open.

        An effect started elsewhere is cut off: in an imported run, or a child of a fork's parent.
        """
        if self._give_recorded(intent, state):
            return
        parents_child = isinstance(intent.event, ChildStarted) and intent.run != state.run
        if parents_child or intent.imported:
            self._run(intent, state, _cut_off, by="runtime")
        else:
            self._run(intent, state, self._performer.recover)

    def _give_recorded(self, intent: Record, state: RunState) -> bool:
        outcome = self._recorded(intent, state)
        if outcome is None:
            return False
        given = outcome

        async def give(*_: object) -> Outcome:
            return given

        self._run(intent, state, give, by="runtime")
        return True

    def _run(
        self,
        intent: Record,
        state: RunState,
        do: Do,
        by: str | None = None,
        context: Context | None = None,
    ) -> None:
        """`by`: who supplied the outcome, if not the role; it is then free of cost."""
        event: Any = intent.event
        run, row = state.run, EFFECTS[type(event)]  # a fork's open intents may be its parent's
        work: Work[Any, Any] = Work(event, row.job(state, event), intent, state)
        effect = self._serve(run, row, work, do, by or row.performs)
        context = Context() if context is None else context
        if self.entering is not None:
            context.run(self.entering, run, intent.seq)
        task = self._loop.create_task(effect, name=intent.event.kind, context=context)
        self._tasks.setdefault(run, {})[intent.seq] = task

    def cancel(self, state: RunState) -> None:
        """Cancel a stopping run's open effects; each still gives its outcome.

        The cancel of a batch is itself part of the stop, and goes on.
        Not immediately: a task that is cancelled before its first step would give no outcome.
        """
        for seq, task in self.of(state.run).items():
            if not (seq in state.open and cancels_batch(state.open[seq].event)):
                self._loop.call_soon(task.cancel, "cancelled")

    def abandon(self, run: str) -> None:
        """Drop the run's open effects without outcomes, like a crash."""
        for task in self._tasks.pop(run, {}).values():
            task.cancel("abandoned")

    def runs(self) -> list[str]:
        """The runs with open effects."""
        return list(self._tasks)

    async def settle(self, seconds: float) -> None:
        """Wait until the open effects have ended, up to a limit in seconds; abandon the rest.

        Effects that wait for a child are not awaited, because the child is stopped too.
        """
        tasks = [task for tasks in self._tasks.values() for task in tasks.values()]
        busy = [task for task in tasks if task.get_name() != kind_of(ChildStarted)]
        if busy and seconds > 0:
            await asyncio.wait(busy, timeout=seconds)
        left = [task for task in tasks if not task.done()]
        for run in self.runs():
            self.abandon(run)
        if left:
            await asyncio.wait(left, timeout=1.0)

    def unstorable(self, intent: Record, error: NotStorable) -> Outcome:
        """The outcome in place of one that the log cannot store."""
        return EFFECTS[type(intent.event)].broken("unstorable", _storable(str(error)))

    async def _serve(self, run: str, row: AnyEffect, work: Work[Any, Any], do: Do, by: str) -> None:
        intent = work.intent
        try:
            outcome = await do(row, work)
        except asyncio.CancelledError as cancelled:
            if cancelled.args == ("abandoned",):
                return
            outcome = row.cut_off(work.event, work.job, "cancelled")
        except BaseException as error:  # a model client or a tool's wrapper may raise anything
            program_log.exception("effect.raised", run=intent.run, seq=intent.seq)
            message = _storable(f"{type(error).__name__}: {error}")
            outcome = row.broken("internal_error", message)
        if not self._loop.is_running():
            return  # collected after its loop's end: an effect that died has no outcome
        tasks = self._tasks.get(run)
        if tasks is None:
            return
        tasks.pop(intent.seq, None)
        if not tasks:
            del self._tasks[run]
        self._arrive(run, Trigger(outcome, by, "effect", intent.seq))

    async def _perform(self, row: AnyEffect, work: Work[Any, Any]) -> Outcome:
        """Perform it when its start time has come."""
        if isinstance(work.event, ModelCall | AttemptStarted) and work.event.not_before is not None:
            await asyncio.sleep(max(0.0, (work.event.not_before - self._now()) / 1_000_000))
        return await self._performer.perform(row, work)


async def _cut_off(row: AnyEffect, work: Work[Any, Any]) -> Outcome:
    return row.cut_off(work.event, work.job, "interrupted")


def _storable(message: str) -> str:
    return message.encode("utf-8", "replace").decode()[:500]
