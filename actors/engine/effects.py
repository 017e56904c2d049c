"""Effects under way: one task each, begun after its intent's commit, ended by one outcome."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TypeAlias

from playhead.actors.engine.turn import Trigger
from playhead.actors.roles.role import PERFORMS, Job, Role, RoleName, purpose
from playhead.events.errors import NotStorable
from playhead.events.event import Event
from playhead.events.kinds.approvals import RuleAnswered, RuleAsked
from playhead.events.kinds.child_runs import ChildFinished, ChildStarted
from playhead.events.kinds.memory import MemoryRecalled, RecallRequested
from playhead.events.kinds.model_calls import ModelFailed, ModelRequested
from playhead.events.kinds.tool_calls import ToolFailed, ToolStarted
from playhead.events.logger import ProgramLogger
from playhead.events.record import Record
from playhead.projections.state.run_state import RunState

program_log = ProgramLogger("playhead.effects")

Do: TypeAlias = Callable[[Record, Job, str], Coroutine[None, None, Event]]

RecordedOutcome: TypeAlias = Callable[[Record, RunState], Event | None]


class Effects:
    """The open effects of all runs. Called on the loop."""

    def __init__(
        self,
        roles: Mapping[RoleName, Role],
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], int],
        arrive: Callable[[str, Trigger], None],
        recorded: RecordedOutcome = lambda _intent, _state: None,
    ) -> None:
        """Begin with none.

        Args:
            roles: who performs.
            loop: where the tasks run.
            now: microseconds since the epoch.
            arrive: takes each outcome.
            recorded: the outcome that a fork's parent has for an intent, if it has one.
        """
        self._roles = roles
        self._loop = loop
        self._now = now
        self._arrive = arrive
        self._recorded = recorded
        self._tasks: dict[str, dict[int, asyncio.Task[None]]] = {}

    def of(self, run: str) -> Mapping[int, "asyncio.Task[None]"]:
        """The run's open effects, by the seq of their intent."""
        return self._tasks.get(run, {})

    def begin(self, intent: Record, state: RunState) -> None:
        """Start what a committed intent announces."""
        role = self._roles[PERFORMS[purpose(intent.event)]]
        self._run(role, self._given(intent, state) or role.perform, intent, state)

    def recover(self, intent: Record, state: RunState) -> None:
        """Find out what became of an intent that a crash left open."""
        role = self._roles[PERFORMS[purpose(intent.event)]]
        do = self._given(intent, state) or self._elsewhere(role, intent, state)
        self._run(role, do or role.recover, intent, state)

    def _elsewhere(self, role: Role, intent: Record, state: RunState) -> Do | None:
        """What was begun elsewhere is cut off: an imported run's, a child of a fork's parent."""
        parents_child = isinstance(intent.event, ChildStarted) and intent.run != state.run
        if not parents_child and not intent.imported:
            return None

        async def cut_off(intent: Record, job: Job, _: str) -> Event:
            return role.cut_off(intent, job, "interrupted")

        return cut_off

    def _given(self, intent: Record, state: RunState) -> Do | None:
        outcome = self._recorded(intent, state)
        if outcome is None:
            return None

        async def give(*_: object) -> Event:
            return outcome

        return give

    def _run(self, role: Role, do: Do, intent: Record, state: RunState) -> None:
        run, job = state.run, job_of(state, intent)  # a fork's open intents may be its parent's
        effect = self._perform(run, role, do, intent, job, state.agent.name)
        task = self._loop.create_task(effect, name=intent.event.kind)
        self._tasks.setdefault(run, {})[intent.seq] = task

    def cancel(self, run: str) -> None:
        """Cancel the run's open effects; each still gives its outcome.

        Soon, not now: a task that is cancelled before its first step would give none.
        """
        for task in self.of(run).values():
            self._loop.call_soon(task.cancel, "cancelled")

    def abandon(self, run: str) -> None:
        """Drop the run's open effects without an outcome, as a crash would."""
        for task in self._tasks.pop(run, {}).values():
            task.cancel("abandoned")

    def runs(self) -> list[str]:
        """The runs with something under way."""
        return list(self._tasks)

    async def settle(self, seconds: float) -> None:
        """Wait until the effects under way have ended, at most so long; abandon the rest.

        Who waits for a child is not waited for: the child stands still too.
        """
        tasks = [task for tasks in self._tasks.values() for task in tasks.values()]
        busy = [task for task in tasks if task.get_name() != "child_started"]
        if busy and seconds > 0:
            await asyncio.wait(busy, timeout=seconds)
        left = [task for task in tasks if not task.done()]
        for run in self.runs():
            self.abandon(run)
        if left:
            await asyncio.wait(left, timeout=1.0)

    def unstorable(self, intent: Record, error: NotStorable) -> Event:
        """The outcome in place of one that the log would not take."""
        return self.broken(intent, "unstorable", str(error))

    def broken(self, intent: Record, word: str, message: str) -> Event:
        """The outcome of an effect that gave none. Only an unstorable reply is asked again."""
        message = message.encode("utf-8", "replace").decode()[:500]
        match intent.event:
            case ModelRequested():
                again = word == "unstorable"
                return ModelFailed(error=word, message=message, retryable=again)
            case RuleAsked():
                return RuleAnswered(error=message)
            case ChildStarted():
                return ChildFinished(status="failed", reason=word, message=message)
            case RecallRequested():
                return MemoryRecalled(error=message)
            case _:
                hint = "This is a fault of the tool, not of your call."
                return ToolFailed(error=word, message=message, hint=hint)

    async def _perform(
        self, run: str, role: Role, do: Do, intent: Record, job: Job, agent: str
    ) -> None:
        try:
            if do == role.perform:
                await self._wait(intent)
            outcome = await do(intent, job, agent)
        except asyncio.CancelledError as cancelled:
            if cancelled.args == ("abandoned",):
                return
            outcome = role.cut_off(intent, job, "cancelled")
        except BaseException as error:  # whatever a model client or a tool's wrapper raises
            program_log.exception("effect.raised", run=intent.run, seq=intent.seq)
            outcome = self.broken(intent, "internal_error", f"{type(error).__name__}: {error}")
        tasks = self._tasks.get(run)
        if tasks is None:
            return
        tasks.pop(intent.seq, None)
        if not tasks:
            del self._tasks[run]
        # What a fork is given, no role brought about: it cost nothing, and the record says so.
        who = role.name if do in (role.perform, role.recover) else "runtime"
        self._arrive(run, Trigger(outcome, who, "effect", intent.seq))

    async def _wait(self, intent: Record) -> None:
        not_before = getattr(intent.event, "not_before", None)
        if not_before is not None:
            await asyncio.sleep(max(0.0, (not_before - self._now()) / 1_000_000))


def job_of(state: RunState, intent: Record) -> Job:
    """What an open intent is about."""
    match intent.event:
        case ToolStarted(call=call) | RuleAsked(call=int(call)) | ChildStarted(call=call):
            return state.calls[call]
        case ModelRequested():
            return state.requests[intent.seq]
        case RecallRequested():
            return state.scope
        case _:
            return None
