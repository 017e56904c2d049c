"""Runs on a virtual clock: exact times, no threads, and a process that dies where a test says."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from playhead.actors.engine.child_runs import Children
from playhead.actors.engine.effects import Performer
from playhead.actors.engine.engine import Engine
from playhead.actors.engine.recovery import take_up
from playhead.actors.engine.turn import Trigger
from playhead.actors.performing.services import Services
from playhead.actors.roles.executor import Executor
from playhead.actors.roles.memory import MemoryRole
from playhead.actors.roles.planner import Planner
from playhead.actors.roles.tool import ToolRole
from playhead.definition.agent import Agent
from playhead.events.codec import decode
from playhead.events.event import Event
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.memory import MemoryLog
from playhead.events.record import Record
from playhead.events.version import VERSION
from playhead.simulation.process.virtual_loop import VirtualLoop
from playhead.testing import ScriptedModel
from playhead.tools.execution.workers import Inline
from playhead.tools.tool import by_name

EPOCH = 1_700_000_000_000_000
RUN = "run"


class Play:
    """One process over a log. `go` runs it until nothing is left to do, or until it dies."""

    def __init__(self, agent: Agent[Any], log: MemoryLog | None = None, began: float = 0.0) -> None:
        self.agent = agent
        self.agents = {each.name: each for each in (agent, *agent.agents)}
        self.log = log or MemoryLog()
        self.loop = VirtualLoop()
        self.appends = 0
        self.dies_after: int | None = None
        self._began = began
        world = Services(self._model, self._tool, Inline(), self.loop.time, _unheard)
        world.rule = self._rule
        world.guardrail = lambda run, name: self._agent(run).guardrail(name)
        roles: Any = {
            "planner": Planner(),
            "executor": Executor(),
            "tool": ToolRole(),
            "memory": MemoryRole(),
        }
        self.engine = Engine(self.log, roles, Performer(world), self.loop, self.now)
        world.children = Children(self.engine, lambda _, __, name: name in self.agents)
        self.engine.watchers.append(self._count)

    def now(self) -> int:
        """Microseconds since the epoch, by the virtual clock."""
        return EPOCH + round((self._began + self.loop.time()) * 1_000_000)

    def start(self, goal: str = "g") -> "Play":
        """Start the run, and run the process."""
        trigger = Trigger(
            RunStarted(goal=goal, agent=self.agent.spec(), code=VERSION), "user", "outside"
        )
        return self.go(lambda: self.engine.start(RUN, trigger, None))

    def take_up(self) -> "Play":
        """Resume what an earlier process left open, and run the process."""
        return self.go(lambda: take_up(self.engine, RUN))

    def say(self, event: Event) -> "Play":
        """Send an event to the run from outside; raises the error that answers it."""
        told: list[Exception | None] = []
        self.go(
            lambda: self.engine.arrive(RUN, Trigger(event, "user", "outside", told=told.append))
        )
        if told[0] is not None:
            raise told[0]
        return self

    def at(
        self, seconds: float, event: Event, told: Callable[[Exception | None], None] | None = None
    ) -> "Play":
        """Send an event from outside later, while `go` runs; `told` gets what answers it."""
        trigger = Trigger(event, "user", "outside", told=told)
        self.loop.call_later(seconds, lambda: self.engine.arrive(RUN, trigger))
        return self

    def go(self, begin: Callable[[], object]) -> "Play":
        """Run until idle."""
        self.loop.call_soon(begin)
        self.loop.run_until_idle()
        return self

    def __del__(self) -> None:
        if not self.loop.is_closed():
            self.bury()

    def bury(self) -> None:
        """End open effects where they are, without outcomes."""
        for task in asyncio.all_tasks(self.loop):
            setattr(task, "_log_destroy_pending", False)  # noqa: B010 - asyncio has no word for it
            coroutine = task.get_coro()
            assert isinstance(coroutine, Coroutine)
            coroutine.close()
        self.loop.close()

    @property
    def records(self) -> list[Record]:
        """The run's records."""
        return records(self.log, RUN)

    @property
    def seconds(self) -> float:
        """The duration of the run, from its records."""
        return (self.records[-1].at - self.records[0].at) / 1_000_000

    def _count(self, *_: object) -> None:
        self.appends += 1
        if self.appends == self.dies_after:
            self.loop.stop()

    def _agent(self, run: str) -> Agent[Any]:
        return self.agents[self.engine.state(run).agent.name]

    def _model(self, run: str, _: str) -> Any:
        return self._agent(run).model

    def _tool(self, run: str, name: str) -> Any:
        return by_name(self._agent(run).all_tools).get(name)

    def _rule(self, run: str, rule: str) -> Any:
        known = self._agent(run)
        return {
            "strategy": known.strategy,
            "function": known.function,
            "output": known.check_output,
            "router": known.router,
        }[rule]


def records(log: MemoryLog, run: str) -> list[Record]:
    """All records of a run."""
    return [decode(row, log.body) for row in log.read(run)]


def of_kind(found: list[Record], cls: type[Event]) -> list[Any]:
    """The events of one kind, in order."""
    return [record.event for record in found if isinstance(record.event, cls)]


def _unheard(*_: object) -> None:
    """Ignores streamed text."""


def slow_model(*replies: Any) -> ScriptedModel:
    """A model whose replies take a second each."""
    left = list(replies)

    async def reply(_: Any) -> Any:
        await asyncio.sleep(1.0)
        return left.pop(0)

    return ScriptedModel(reply)
