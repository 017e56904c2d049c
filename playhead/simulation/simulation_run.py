"""One simulated run: a seed, a log, some agent runs, and the processes that execute them."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from structlog.testing import capture_logs

from playhead.actors.append import append_event
from playhead.definition.agent import Agent
from playhead.events.kinds.memory import MemoryStored
from playhead.events.log.anchor import LogPosition, read_anchor
from playhead.events.log.contract import Log
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.log import SqliteLog
from playhead.simulation.actors.people import People
from playhead.simulation.actors.random_model import RandomModel
from playhead.simulation.actors.sample_agents import agents as sample_agents
from playhead.simulation.faults.ground_truth import GroundTruth, Violation
from playhead.simulation.faults.mix import CALM, Mix, draw
from playhead.simulation.invariants.check import check_all, check_process, check_waits
from playhead.simulation.invariants.evidence import Evidence
from playhead.simulation.invariants.stored_views import catch_up, differences
from playhead.simulation.process.process import EPOCH, Process

if TYPE_CHECKING:
    from playhead.events.model_api import Model

SimulationMode: TypeAlias = Literal["safety", "liveness"]
Storage: TypeAlias = Literal["memory", "sqlite"]

ROUNDS = 60
"""How often people answer waiting runs before a simulated run without faults counts as stuck."""


@dataclass(frozen=True)
class SimulationRun:
    """The result of one seed."""

    seed: int
    trace: str
    """SHA-256 (hex) over everything that happened, in order."""
    violations: tuple[Violation, ...]
    crashes: Mapping[str, int]
    """Crash point -> number of processes that died there."""
    runs: int
    records: int
    processes: int
    lines: tuple[str, ...] = ()
    """The trace as text, if requested."""


class Disk:
    """Where the log is kept while processes start and die."""

    def __init__(self, storage: Storage) -> None:
        self._memory = MemoryLog() if storage == "memory" else None
        self._folder = Path(tempfile.mkdtemp(prefix="playhead-life-")) if not self._memory else None
        self._log: SqliteLog | None = None
        self._copies = 0

    def open(self) -> Log:
        """The log for a new process."""
        if self._folder is None:
            assert self._memory is not None
            return self._memory
        self._log = SqliteLog(self._path)
        return self._log

    @property
    def _path(self) -> Path:
        assert self._folder is not None
        return self._folder / str(self._copies) / "log.db"

    def release(self, *, died: bool) -> None:
        """The process ended: with `died`, its files are what a SIGKILL would have left."""
        if self._log is None or self._folder is None:
            return
        catch_up(self._log, self._folder / "views")
        if died:
            left = self._path.parent
            self._copies += 1
            self._path.parent.mkdir()
            for file in left.iterdir():
                if not file.name.endswith(("-shm", ".owner", ".new")):
                    shutil.copyfile(file, self._path.parent / file.name)
        self._log.close()
        self._log = None

    def anchor(self) -> LogPosition | None:
        """The content of the file's anchor; None for a log in memory, or while there is none."""
        return None if self._log is None else read_anchor(self._path)

    def wrong_views(self) -> list[str]:
        """Tables of the continuously maintained stored views that a fresh fold contradicts."""
        if self._log is None or self._folder is None:
            return []
        return differences(self._log, self._folder / "views")

    def make(self) -> "Disk":
        """Create the folder."""
        if self._folder is not None:
            self._path.parent.mkdir(exist_ok=True)
        return self

    def remove(self) -> None:
        """Delete everything."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


AgentFactory: TypeAlias = Callable[[], Agent[object]]


def live(
    seed: int, kinds: Collection[str], mode: SimulationMode, storage: Storage,
    factory: AgentFactory | None = None, *, tracing: bool = False,
    goals: Callable[[int], str] = "goal {}: a b c".format,
) -> SimulationRun:  # fmt: skip
    """Execute one simulated run and check everything about it."""
    random = Random(seed)
    ledger = GroundTruth(tracing=tracing)
    mix = draw(random, kinds)
    found = sample_agents(random, mix) if factory is None else [factory()]
    roles = {agent.name: agent for one in found for agent in (*one.agents, one)}
    disk = Disk(storage).make()
    try:
        with capture_logs() as said:
            _remember(disk, random)
            processes = _Processes(random, mix, ledger, disk, roles, People(random, goals))
            processes.run(mode)
            _listen(said, ledger)
            log = disk.open()
            evidence = Evidence(log, ledger, mode == "liveness", disk.anchor())
            check_all(evidence, random)
            for name in disk.wrong_views():
                ledger.violated("views_are_folds", f"the table {name} differs from the log")
            disk.release(died=False)
    finally:
        disk.remove()
    return SimulationRun(
        seed, ledger.trace.hexdigest(), tuple(ledger.broken), dict(ledger.crashes),
        len(evidence.records), sum(map(len, evidence.records.values())), processes.number,
        tuple(ledger.lines),
    )  # fmt: skip


def _remember(disk: Disk, random: Random) -> None:
    """Some simulated runs begin with a stored memory."""
    namespace, many = random.choice(("acme", "globex")), random.choice((0, 0, 1, 4))
    log = disk.open()
    for n in range(many):
        text = f"a goal: {'b c ' * (1 + n * 40)}"
        event = MemoryStored(id=f"memory-{n}", namespace=namespace, text=text)
        append_event(log, event, EPOCH, namespace=namespace)
    disk.release(died=False)


BUGS = frozenset({"engine.bug", "watcher.raised", "effect.raised"})
"""The engine's log message when our own code has raised."""


def _listen(said: Sequence[Mapping[str, Any]], ledger: GroundTruth) -> None:
    for entry in said:
        raised = str(entry.get("exception", "")).strip().rpartition("\n")[2]
        dead = "ProcessDied" in raised or "GeneratorExit" in raised  # its process has ended
        if entry["event"] in BUGS and not dead:
            ledger.violated("no_internal_error", f"{entry['event']}: {raised}")


class _Processes:
    """The processes of a simulated run, one after the other."""

    def __init__(
        self, random: Random, mix: Mix, ledger: GroundTruth, disk: Disk,
        roles: Mapping[str, Agent[object]], people: People,
    ) -> None:  # fmt: skip
        self.random = random
        self.mix = mix
        self.ledger = ledger
        self.disk = disk
        self.roles = roles
        self.people = people
        self.number = 0
        self.answered = False
        self.elapsed = 0.0
        self.models: dict[str, Model] = {"": RandomModel(random, mix.model_odd)}
        for agent in roles.values():
            schemas = {tool.spec.name: tool.spec.input_schema for tool in agent.all_tools}
            random_model = RandomModel(random, mix.model_odd, tools=schemas)
            self.models[agent.name] = random_model if isinstance(agent.model, str) else agent.model

    def run(self, mode: SimulationMode) -> None:
        """Run the processes with faults; then, for liveness, one without."""
        for _ in range(self.mix.processes):
            self.ledger.note("process", self.number)
            stops = self.mix.stop if self.number < self.mix.processes - 1 else 0.0
            until = self.random.expovariate(0.2) if self.random.random() < stops else None
            if self._process(self.mix, until) and self.random.random() < 0.8:
                break
        if mode == "liveness":
            self.ledger.note("calm")
            self._process(replace(CALM, model_odd=0.0), None)

    def _process(self, mix: Mix, until: float | None) -> bool:
        """Run one process; returns whether it left nothing to do."""
        self.people.meanwhile(mix)
        process = Process(
            self.number, self.disk.open(), self.roles, self.models, self.random, mix, self.ledger,
            self.elapsed, until,
        )  # fmt: skip
        self.number += 1
        asyncio.set_event_loop(process.loop)

        def begin() -> None:
            self.people.inbox.serve(process)
            process.take_up()
            self.people.plan(process)

        end = process.run(begin)
        if mix is CALM or mix.crash == 0.0:
            end = self._answer(process, end)
        self.ledger.note("process ends", process.number, end)
        check_process(process, end)
        done = end == "idle" and self.people.at_rest(process)
        process.bury()
        asyncio.set_event_loop(None)
        self.elapsed = process.elapsed + self.random.random() * 5
        self.disk.release(died=end == "died")
        return done

    def _answer(self, process: Process, end: str) -> str:
        for _ in range(ROUNDS):
            if end != "idle":
                break
            check_waits(process)
            self.answered = False
            end = process.run(lambda: self._calm_down(process))
            if not self.answered:
                break
        return end

    def _calm_down(self, process: Process) -> None:
        self.answered = self.people.calm_down(process)
