"""Child runs, started by calls of other runs: started once, found again, cancelled with the parent.

A child's id derives from the record that announces it, so on recovery of the parent a missing
stream means that the child was not started.
"""

import asyncio
from collections.abc import Callable, Sequence

from playhead.actors.engine.engine import Engine
from playhead.actors.engine.recovery import take_up
from playhead.actors.engine.turn import Trigger
from playhead.actors.performing.services import Work
from playhead.events.errors import PlayheadError
from playhead.events.kinds.child_runs import ChildFinished, ChildStarted
from playhead.events.kinds.runs import (
    CancelRequested,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
)
from playhead.events.record import Record
from playhead.events.spec.agent import Parent
from playhead.events.version import VERSION
from playhead.projections.prompt.handoff import told
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import ToolCall
from playhead.projections.tracing.ids import child_traceparent

CANCELLED = "the run that wanted it was cancelled"


class Children:
    """The children of all runs of an engine. Called on the engine's loop."""

    def __init__(self, engine: Engine, bind: Callable[[str, str, str], bool]) -> None:
        """Watch the engine.

        `bind`: (run, child, agent's name) -> whether the run has that agent, which acts for the
        child from now on.
        """
        self._engine = engine
        self._bind = bind
        self._waiting: dict[str, asyncio.Future[ChildFinished]] = {}
        engine.watchers.append(self._committed)

    async def attend(self, work: Work[ChildStarted, ToolCall]) -> ChildFinished:
        """Start the child, or resume it if it was started; then wait for its end.

        Cancelling the wait cancels the child and keeps waiting, because the child ends soon. Raises
        CancelledError only when it is abandoned.
        """
        child, intent = work.event.run, work.intent
        self._waiting[child] = asyncio.get_running_loop().create_future()
        try:
            self._begin(work)
            stop = self._engine.state(intent.run).stop
            cancelled = stop is not None and stop.cancels and self._cancel(child)
            while True:
                try:
                    return await asyncio.shield(self._waiting[child])
                except asyncio.CancelledError as error:
                    if error.args == ("abandoned",):
                        raise
                    cancelled = cancelled or self._cancel(child)
        finally:
            del self._waiting[child]

    def _begin(self, work: Work[ChildStarted, ToolCall]) -> None:
        agent, child, intent = work.job.tool.agent, work.event.run, work.intent
        if agent is None:
            self._lost(child, f"{work.job.tool.name} is not an agent")
        elif self._engine.log.stream(child) is not None:
            self._find_again(work.run, child, agent.name)
        elif self._bind(work.run, child, agent.name):
            parent = self._engine.state(intent.run)
            memory = agent.memory
            if not memory.namespace:  # it works for its caller's namespace
                memory = memory.model_copy(update={"namespace": parent.scope.namespace})
            handed = work.job.tool.handoff is True
            step = parent.steps[work.job.requested.step]
            started = RunStarted(
                goal=str(work.job.arguments.get("message" if handed else "task", "")),
                history=(told(step.context.messages, agent.name) or None) if handed else None,
                agent=agent.model_copy(update={"limits": work.event.limits, "memory": memory}),
                metadata=parent.run_started.metadata,
                parent=Parent(run=intent.run, seq=intent.seq, forks=parent.forks),
                code=VERSION,
            )

            def heard(error: Exception | None) -> None:
                if error is not None:
                    self._doubted(work.run, child, agent.name, error)

            trace = child_traceparent(intent, parent.traceparent)
            trigger = Trigger(started, "tool", "outside", traceparent=trace, told=heard)
            self._engine.start(child, trigger, None)
        else:
            self._lost(child, f"there is no agent {agent.name!r} here any more")

    def _find_again(self, parent: str, child: str, agent: str) -> None:
        state = self._engine.state(child)
        if state.ending is not None:
            self._waiting[child].set_result(_outcome(state))
        elif self._bind(parent, child, agent):
            take_up(self._engine, child)

    def _doubted(self, parent: str, child: str, agent: str, error: Exception) -> None:
        """Its start failed or seemed to: if it is in the log after all, it continues."""
        if self._engine.log.stream(child) is not None:
            self._find_again(parent, child, agent)
        else:
            self._lost(child, str(error))

    def _lost(self, child: str, why: str) -> None:
        ended = self._waiting.get(child)
        if ended is not None and not ended.done():
            message = f"it could not be started: {why}"
            ended.set_result(ChildFinished(status="failed", reason="not_started", message=message))

    def _cancel(self, child: str) -> bool:
        try:
            cancel = Trigger(CancelRequested(reason=CANCELLED), "runtime", "outside")
            self._engine.arrive(child, cancel)
        except PlayheadError:
            self._lost(child, "its run was cancelled first")
        return True

    def _committed(self, state: RunState, records: Sequence[Record]) -> None:
        ended = self._waiting.get(state.run)
        if ended is not None and not ended.done() and state.ending is not None:
            ended.set_result(_outcome(state))


def _outcome(state: RunState) -> ChildFinished:
    """The outcome of an ended run, for its parent."""
    took = (state.at - state.first_at) / 1000
    if isinstance(state.ending, RunFinished):
        return ChildFinished(
            status=state.status, answer=state.ending.answer, output=state.ending.output,
            agent=state.ending.agent, spent=state.spent.total, duration_ms=took,
        )  # fmt: skip
    reason: str = state.status
    message = ""
    match state.ending:
        case RunFailed():
            reason, message = state.ending.reason, state.ending.message
        case RunCancelled():
            message = state.ending.reason
        case _:
            pass
    return ChildFinished(
        status=state.status, reason=reason, message=message, spent=state.spent.total,
        duration_ms=took,
    )  # fmt: skip
