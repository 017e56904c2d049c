"""Small stories on the simulator: one agent, no chance, people who act at given times."""

from collections.abc import Callable
from random import Random

from playhead.actors.engine.turn import Trigger
from playhead.definition.agent import Agent
from playhead.events.codec import decode
from playhead.events.event import Event
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Log
from playhead.events.log.memory import MemoryLog
from playhead.events.record import Record
from playhead.events.version import VERSION
from playhead.simulation.faults.ground_truth import GroundTruth
from playhead.simulation.faults.mix import CALM
from playhead.simulation.invariants.check import check_all
from playhead.simulation.invariants.evidence import Evidence
from playhead.simulation.process.process import Process

Act = tuple[float, Callable[[Process], object]]
"""Seconds after the process began, and what happens then."""


class Scene:
    """A log, and the processes that come one after the other."""

    def __init__(self, agent: Agent, log: Log | None = None) -> None:
        self.agent = agent
        self.log = log or MemoryLog()
        self.ledger = GroundTruth()
        self._count = 0
        self._elapsed = 0.0

    def before_taking_up(self, act: Callable[[Process], object]) -> str:
        """Let a process act before it takes up what is open, as it serves its inbox."""
        return self._process(act, (), None)

    def process(self, *acts: Act, until: float | None = None) -> str:
        """Let one process take up what is open and live through the acts; how it ended."""
        return self._process(lambda _: None, acts, until)

    def _process(
        self, first: Callable[[Process], object], acts: tuple[Act, ...], until: float | None
    ) -> str:
        assert not isinstance(self.agent.model, str)
        process = Process(
            self._count, self.log, {self.agent.name: self.agent},
            {self.agent.name: self.agent.model}, Random(0), CALM, self.ledger, self._elapsed,
            until,
        )  # fmt: skip

        def begin() -> None:
            first(process)
            process.take_up()
            for seconds, act in acts:
                process.loop.call_later(seconds, act, process)

        end = process.run(begin)
        self._count += 1
        self._elapsed += process.loop.time()
        process.bury()
        return end

    def starts(self, run: str = "run-1") -> Callable[[Process], None]:
        """The run is started."""
        started = RunStarted(goal="g", agent=self.agent.spec(), code=VERSION)
        trigger = Trigger(started, "user", "outside")
        return lambda process: process.engine.start(run, trigger, None)

    def records(self, run: str = "run-1") -> list[Record]:
        """The run so far."""
        return [decode(row, self.log.body) for row in self.log.read(run)]

    def kinds(self, run: str = "run-1") -> list[str]:
        """The kinds of its records."""
        return [record.event.kind for record in self.records(run)]

    def check(self, *, all_end: bool = True) -> None:
        """Every invariant holds."""
        check_all(Evidence(self.log, self.ledger, all_end), Random(0))
        assert self.ledger.broken == []


def says(event: Event, run: str = "run-1") -> Callable[[Process], None]:
    """Somebody says something to the run."""
    return lambda process: process.tell(run, event)


def dies(process: Process) -> None:
    """The process is killed."""
    process.alive = False
    process.loop.stop()
