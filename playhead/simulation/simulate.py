"""`simulate`: many simulated runs of an agent, one per seed, checked against every invariant."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import cast

from playhead.definition.agent import Agent, Out
from playhead.events.errors import PlayheadError, UsageError
from playhead.simulation.faults.mix import KINDS, SCARCELY
from playhead.simulation.simulation_run import SimulationMode, SimulationRun, Storage, live

TRACE_LINES = 60


class SimulationFailed(PlayheadError):
    """A seed broke a promise; the message names it and how to repeat it."""


@dataclass
class SimulationReport:
    """The result of a simulation."""

    seeds: int = 0
    runs: int = 0
    records: int = 0
    processes: int = 0
    seconds: float = 0.0
    crashes: Counter[str] = field(default_factory=Counter[str])
    """Crash point -> number of processes that died there."""
    failed: list[tuple[SimulationRun, str]] = field(default_factory=list[tuple[SimulationRun, str]])
    """The simulated runs that broke a promise, each with the command that repeats it."""

    @property
    def ok(self) -> bool:
        """Whether every promise was kept in every simulated run."""
        return not self.failed

    def add(self, simulation_run: SimulationRun) -> None:
        """Count one simulated run."""
        self.seeds += 1
        self.runs += simulation_run.runs
        self.records += simulation_run.records
        self.processes += simulation_run.processes
        self.crashes.update(simulation_run.crashes)

    def __str__(self) -> str:
        died = sum(self.crashes.values())
        text = (
            f"{self.seeds} seeds, {self.runs} runs, {self.records} records, {self.processes} "
            f"processes ({died} died), {len(self.failed)} seeds broke a promise"
        )
        return "\n".join(
            [text, *(self.told(simulation_run, again) for simulation_run, again in self.failed)]
        )

    def told(self, simulation_run: SimulationRun, again: str) -> str:
        """One failing simulated run as text: how to repeat it, what was broken, its last steps."""
        broken = [
            f"  {violation.invariant}: {violation.what}"
            for violation in simulation_run.violations[:5]
        ]
        lines = list(_shortened(simulation_run.lines))
        return "\n".join([f"seed {simulation_run.seed}; to repeat it: {again}", *broken, *lines])

    def check(self) -> "SimulationReport":
        """Returns the report. Raises SimulationFailed if a promise was broken."""
        if not self.ok:
            raise SimulationFailed(str(self))
        return self


def simulate(
    agent: Agent[Out] | Callable[[], Agent[Out]] | None = None,
    seeds: int = 1000,
    *,
    first: int = 0,
    log: Storage = "memory",
    faults: Collection[str] = KINDS,
    mode: SimulationMode = "safety",
    most: int = 5,
    trace: bool = False,
) -> SimulationReport:
    """Run an agent in `seeds` simulations full of faults, and check every promise after each.

    Its tools and its scripted model really run, on a virtual clock; sockets, threads and
    processes are errors. A `model` that is only a name is replaced by a random model.

    Args:
        agent: the agent to simulate; a function that makes a new one for each seed if it keeps
            state between runs; None for sample agents that use every feature.
        seeds: the number of simulated runs.
        first: the first seed.
        log: "memory", or "sqlite" for real files.
        faults: which kinds: crash, model, tool, log, clock, people, deploy, role, outage.
        mode: "safety" may end anywhere; in "liveness" the faults stop, and then all runs must end.
        most: stop after this many failing seeds.
        trace: keep each simulated run's trace.

    Raises UsageError. Violations are in the report: `simulate(agent).check()` raises for them.
    """
    unsupported = set(faults) - {*KINDS, SCARCELY}
    if unsupported:
        msg = f"no faults {sorted(unsupported)}: choose from {', '.join(KINDS)}"
        raise UsageError(msg)
    factory = _factory(agent)
    report, began = SimulationReport(), time.monotonic()
    for seed in range(first, first + seeds):
        simulation_run = live(seed, faults, mode, log, factory, tracing=trace)
        report.add(simulation_run)
        if simulation_run.violations:
            if not trace:
                simulation_run = live(seed, faults, mode, log, factory, tracing=True)
            report.failed.append((simulation_run, _again(agent, seed, log, mode, faults)))
            if len(report.failed) >= most:
                break
    report.seconds = time.monotonic() - began
    return report


def _factory(
    agent: Agent[Out] | Callable[[], Agent[Out]] | None,
) -> Callable[[], Agent[object]] | None:
    if agent is None:
        return None
    if isinstance(agent, Agent):
        same = cast("Agent[object]", agent)
        return lambda: same
    return agent


def _again(
    agent: object, seed: int, log: Storage, mode: SimulationMode, faults: Collection[str]
) -> str:
    if agent is None:
        only = "" if set(faults) == set(KINDS) else f" --faults {','.join(sorted(faults))}"
        which = f"--first {seed} --seeds 1 --log {log} --mode {mode}{only}"
        return f"python -m playhead.simulation {which}"
    only = "" if set(faults) == set(KINDS) else f", faults={sorted(faults)}"
    return f"simulate(agent, 1, first={seed}, log={log!r}, mode={mode!r}{only})"


def _shortened(lines: Iterable[str]) -> Iterable[str]:
    every = list(lines)
    if len(every) > TRACE_LINES:
        yield f"    ... {len(every) - TRACE_LINES} lines before"
    yield from (f"    {line}" for line in every[-TRACE_LINES:])
