"""One simulated process: the real engine and roles on a virtual loop, until it dies or is stopped.

Only what it wrote to the log and did to the world outlives it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from playhead.actors.engine.child_runs import Children
from playhead.actors.engine.engine import Engine
from playhead.actors.engine.recovery import take_up
from playhead.actors.engine.turn import Trigger
from playhead.actors.performing.services import Rule, Services
from playhead.actors.roles.executor import Executor
from playhead.actors.roles.memory import MemoryRole
from playhead.actors.roles.planner import Planner
from playhead.actors.roles.tool import ToolRole
from playhead.assembly.full_results import whole_result
from playhead.definition.agent import Agent
from playhead.events.errors import PlayheadError, StorageUnavailable
from playhead.events.event import Event
from playhead.events.log.contract import Log
from playhead.events.model_api import Model
from playhead.events.record import Record
from playhead.memory.index import MemoryIndex
from playhead.projections.state.run_state import RunState
from playhead.service.run_index import RunIndex
from playhead.simulation.faults.ground_truth import GroundTruth
from playhead.simulation.faults.log import FaultyLog
from playhead.simulation.faults.memory import FaultyMemory
from playhead.simulation.faults.mix import Mix, draw_plan
from playhead.simulation.faults.role import FaultyRole, WatchedPerformer
from playhead.simulation.faults.tools_and_models import FaultyModel, FaultyTools
from playhead.simulation.process.scheduler import SeededDispatcher
from playhead.simulation.process.virtual_loop import SEAL, VirtualLoop
from playhead.tools.execution.workers import Inline
from playhead.tools.tool import AnyTool

if TYPE_CHECKING:
    from playhead.actors.roles.role import Role, RoleName

EPOCH = 1_700_000_000_000_000
"""The simulated world begins at this time, in microseconds since the Unix epoch."""

MOST = 30_000
"""Maximum places reached by one process; more means that it spins."""

PATIENCE = 31.0
"""Seconds within which everyone is told, even if an engine has just told others: three times its
`storage_seconds`."""

MOST_WARNINGS = 1_000
"""How often runs of one process may report waiting for the storage; no fault lasts that long."""


class ProcessDied(BaseException):
    """The process is dead: none of its code may continue."""


class Process:
    """One process. `run` runs it to its end."""

    def __init__(
        self,
        number: int,
        log: Log,
        agents: Mapping[str, Agent[object]],
        models: Mapping[str, Model],
        random: Random,
        mix: Mix,
        ledger: GroundTruth,
        start: float,
        until: float | None = None,
    ) -> None:
        """Store the arguments.

        `models`: agent -> its model; "" -> the model of named endpoints. `until`: the time of its
        shutdown, in its own seconds.
        """
        self._until = until
        self.number = number
        self.agents = agents
        self.random = random
        self.mix = mix
        self.ledger = ledger
        self.alive = True
        self.phase = "recovery"
        self.skew = 0
        """Microseconds by which the wall clock is wrong."""
        self.loop = VirtualLoop()
        self._start = start
        self._models = models
        self._reached = 0
        self._said = 0
        self.untold: dict[str, float] = {}
        """Commands and run starts whose sender has not been told the outcome, and since when, by
        the loop's clock."""
        self._recovering: set[tuple[str, int]] = set()
        self._plan = draw_plan(random, mix, first=number == 0, stops=until is not None)
        self._errors: list[str] = []
        self.loop.set_exception_handler(self._unhandled)
        self.log = FaultyLog(log, self, self.loop, random, mix, ledger)
        self.memories = MemoryIndex(log)
        self._faulty = FaultyTools(self, number, random, mix, ledger)
        self._tools = self._draw_tools()
        self.dispatcher = SeededDispatcher(self.loop, random, lambda: self.engine.loaded)
        self.engine = self._make_engine()
        self.index = RunIndex(self.log)
        self._warnings = 0
        self.engine.warned.append(self._watch_storage)
        self.engine.watchers += [self._watch_recovery, self.index.committed]

    def _draw_tools(self) -> dict[str, dict[str, AnyTool]]:
        faulty = self._faulty
        tools: dict[str, dict[str, AnyTool]] = {}
        for agent in self.agents.values():
            tools[agent.name] = {
                tool.spec.name: faulty.wrap(tool)
                for tool in agent.all_tools
                if self.number == 0 or self.random.random() >= self.mix.deploy
            }
        return tools

    def _make_engine(self) -> Engine:
        memory = FaultyMemory(self.memories, self, self.random, self.mix)
        world = Services(
            self._model, self._tool, Inline(), self.loop.time, _unheard,
            in_flight=self.random.choice((1, 2, 64)), rule=self._rule, guardrail=self._guardrail,
            endpoint=self._endpoint, results=partial(whole_result, self.log), recollect=memory,
        )  # fmt: skip
        roles: dict[RoleName, Role] = {
            "planner": Planner(),
            "executor": Executor(),
            "tool": ToolRole(),
            "memory": MemoryRole(),
        }
        error = self.mix.role_error
        roles = {name: FaultyRole(role, self, self.random, error) for name, role in roles.items()}
        keep = self.random.choice((0, 1, 64))
        engine = Engine(
            self.log,
            roles,
            WatchedPerformer(world),
            self.loop,
            self.now,
            dispatch=self.dispatcher,
            keep_idle=keep,
        )
        world.children = Children(engine, lambda _, __, name: name in self.agents)
        return engine

    def _agent(self, run: str) -> str:
        return self.engine.state(run).agent.name

    def _model(self, run: str, _: str) -> Model:
        return self._watched(self._models[self._agent(run)])

    def _endpoint(self, name: str) -> Model:
        return self._watched(self._models[""])

    def _watched(self, model: Model) -> Model:
        return FaultyModel(model, self, self.number, self.random, self.mix, self.ledger)

    def _tool(self, run: str, tool: str) -> AnyTool | None:
        return self._tools[self._agent(run)].get(tool)

    def _rule(self, run: str, rule: Rule) -> Callable[..., object] | None:
        known = self.agents[self._agent(run)]
        functions = {
            "router": known.router,
            "output": known.check_output,
            "strategy": known.strategy if callable(known.strategy) else None,
            "function": known.function,
            "instructions": known.instructions if callable(known.instructions) else None,
        }
        function = functions[rule]
        return None if function is None else self._faulty.rule(rule, function)

    def _guardrail(self, run: str, name: str) -> Callable[[str], object] | None:
        function = self.agents[self._agent(run)].guardrail(name)
        return None if function is None else self._faulty.rule("guardrail", function)

    def now(self) -> int:
        """The wall clock, in microseconds since the epoch."""
        return EPOCH + int((self._start + self.loop.time()) * 1_000_000) + self.skew

    @property
    def elapsed(self) -> float:
        """Seconds since the world began, by the true clock."""
        return self._start + self.loop.time()

    def reach(self, place: str, kind: str) -> None:
        """A place where the process may die. Raises ProcessDied, also if it is already dead."""
        if not self.alive:
            raise ProcessDied
        self._reached += 1
        if self._reached > MOST:
            self.ledger.violated("no_spin", f"process {self.number} reached {MOST} places")
            self._die("spin")
        for point in (
            (f"{self.phase}:{place}", f"{self.phase}:{place}:{kind}") if self._plan else ()
        ):
            left = self._plan.get(point, 0)
            if left == 1:
                self._die(f"{self.phase}:{place}:{kind}")
            self._plan[point] = left - 1

    def _die(self, point: str) -> None:
        self.alive = False
        self.ledger.crashes[point] += 1
        self.ledger.note("process dies", self.number, point)
        self.loop.stop()
        raise ProcessDied

    def take_up(self) -> None:
        """Resume the open runs, like a Runtime that is given its agents."""
        for agent in self.agents:
            for run in self.index.open_runs(agent):
                state = self.engine.state(run)
                self._recovering |= {(run, seq) for seq in state.open}
                take_up(self.engine, run)
        if not self._recovering:
            self.phase = "running"

    def _watch_recovery(self, _: RunState, records: Sequence[Record]) -> None:
        if self.phase == "recovery":
            for record in records:
                self._recovering.discard((record.run, record.cause))
            if not self._recovering:
                self.phase = "running"

    def _watch_storage(self, run: str, error: Exception) -> None:
        self._warnings += 1
        if self._warnings == MOST_WARNINGS:
            self.ledger.violated("storage_is_tried_again", f"{run} waits for ever: {error}")
            self._die("waits for ever")

    def run(self, begin: Callable[[], None]) -> str:
        """Run until nothing is left to do (idle), it died, or it was shut down (stopped)."""
        self.loop.call_soon(begin)
        if self._until is not None:
            self.loop.call_later(self._until, lambda: self.loop.create_task(self._shut_down()))
        try:
            with SEAL.closed() as reached:
                self.loop.run_until_idle()
            for event in reached:
                self.ledger.violated("sealed", f"the agent tried to use the real world: {event}")
        except SystemExit as error:
            self.ledger.violated("no unhandled error", f"the process was ended by {error!r}")
        end = "idle" if self.loop.idle else "stopped" if self.alive else "died"
        self.ledger.cut_off = self.ledger.cut_off or end != "idle"
        return end

    async def _shut_down(self) -> None:
        self.phase = "shutdown"
        self.ledger.note("shut down", self.number)
        self.engine.draining = True
        writes = await self.engine.quiet()
        await self.engine.effects.settle(self.random.choice((0.0, 5.0, 5.0)))
        if writes:
            await self.engine.quiet()
        self.engine.stop()
        self.loop.stop()

    def tell(
        self, run: str, event: Event, told: Callable[[Exception | None], None] | None = None,
        *, command: str | None = None,
    ) -> None:  # fmt: skip
        """An event from outside for a run; one that does not apply is refused."""
        self._said += 1
        command = command or f"said-{self.number}-{self._said}"
        self.waits(command)

        def hear(error: Exception | None) -> None:
            self.heard(command, error)
            if error is None:
                self._heard(command)
            if told is not None:
                told(error)

        trigger = Trigger(event, "user", "outside", command=command, told=hear)
        try:
            self.engine.arrive(run, trigger)
        except PlayheadError as error:
            hear(error)

    def waits(self, what: str) -> None:
        """Someone sends a command or starts a run, and waits for the outcome."""
        self.untold[what] = self.loop.time()
        self.ledger.withdrawn.discard(what)

    def heard(self, what: str, error: Exception | None) -> None:
        """They were told the outcome."""
        since, now = self.untold.pop(what, self.loop.time()), self.loop.time()
        if now - since > PATIENCE and self.log.was_full(since, since + PATIENCE):
            self.ledger.violated("told_in_time", f"{what} was told after {now - since:.0f} s")
        if isinstance(error, StorageUnavailable):
            self.ledger.withdrawn.add(what)

    def _heard(self, command: str) -> None:
        self.ledger.told.add(command)
        if not self.log.has_command(command):
            self.ledger.violated("acknowledged_means_present", f"{command} is not in the log")

    def _unhandled(self, _: object, context: dict[str, object]) -> None:
        error = context.get("exception")
        if isinstance(error, ProcessDied) or not self.alive:
            return
        self.ledger.violated("no unhandled error", f"{context.get('message')}: {error!r}")

    def bury(self) -> None:
        """End its coroutines where they are, so that no garbage collector decides when."""
        self.alive = False
        for task in asyncio.all_tasks(self.loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            try:
                task.get_coro().close()
            except (ProcessDied, RuntimeError):
                continue
        self.memories.close()
        self.loop.close()


def _unheard(run: str, request: int, text: str) -> None:
    """Ignores the text as it streams in."""
