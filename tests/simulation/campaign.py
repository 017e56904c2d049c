"""The campaign: everything that tries to break Playhead, in one command, with one table at its end.

    make campaign SIZE=ci        within a few minutes, on every submission
    make campaign SIZE=full      ten times that; its figures go into docs/campaign.md

Each part is cut into chunks that a few processes work through. A failing seed prints the command
that repeats it alone. With `--kept FILE` each finished chunk is written down, and a campaign that
was broken off goes on from there.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import NamedTuple

from playhead.simulation.faults.mix import CRASH_POINTS, KINDS, SCARCELY
from playhead.simulation.simulate import simulate
from playhead.simulation.simulation_run import SimulationMode, Storage
from tests.crash.bit_flips import damage_many
from tests.crash.power_cuts import cut_power
from tests.crash.reload import reload
from tests.simulation import page, planted

WORKERS = 2
EACH_POINT = 20
"""In the full size, at least so many processes must have died at each crash point."""

MOST_MORE = 100_000
"""So many more lives at most, whose processes die only where hardly any do, until they have."""


class Size(NamedTuple):
    """How often each part is tried."""

    memory: int
    sqlite: int
    cuts: int
    kills: int
    damages: int
    planted: int | None
    """Picked by the date; None for all."""
    records: tuple[int, ...]

    def times(self, share: float) -> "Size":
        """A part of it; planted bugs and long runs stay."""
        return self._replace(
            memory=int(self.memory * share), sqlite=int(self.sqlite * share),
            cuts=int(self.cuts * share), kills=int(self.kills * share),
            damages=int(self.damages * share),
        )  # fmt: skip


SIZES = {
    "smoke": Size(200, 40, 20, 5, 30, 1, (2_000,)),
    "ci": Size(10_000, 2_000, 500, 100, 300, 5, (100_000,)),
    "full": Size(100_000, 20_000, 5_000, 1_000, 2_000, None, (100_000, 1_000_000)),
}


@dataclass
class Found:
    """What one chunk, or one part, found."""

    part: str
    tried: int = 0
    broken: list[str] = field(default_factory=list[str])
    crashes: Counter[str] = field(default_factory=Counter[str])
    notes: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0

    def add(self, other: "Found") -> None:
        """Count a chunk in."""
        self.tried += other.tried
        self.broken += other.broken
        self.crashes += other.crashes
        self.notes += other.notes
        self.seconds += other.seconds


def lives(
    part: str, first: int, count: int, storage: Storage, mode: SimulationMode, *more: str
) -> Found:
    """Simulated lives; `more`: kinds of faults beside the usual ones."""
    faults = (*KINDS, *more)
    report = simulate(None, count, first=first, log=storage, mode=mode, faults=faults)
    found = Found(part, report.seeds, crashes=report.crashes)
    found.broken = [report.told(life, again) for life, again in report.failed]
    found.notes.update(runs=report.runs, records=report.records, processes=report.processes)
    return found


def cuts(part: str, first: int, count: int) -> Found:
    """Power cuts."""
    found = Found(part)
    for seed in range(first, first + count):
        wrong, durability, lost = cut_power(seed)
        found.tried += 1
        found.notes[f"{durability}: {'lost the newest' if lost else 'lost nothing'}"] += 1
        if wrong is not None:
            again = f"python -m tests.crash.power_cuts --first {seed} --cuts 1"
            found.broken.append(f"seed {seed}; to repeat it: {again}\n  {durability}: {wrong}")
    return found


def damages(part: str, first: int, count: int) -> Found:
    """Damaged files."""
    ends, wrong = damage_many(first, count)
    return Found(part, count, wrong, notes=ends)


def kills(part: str, first: int, count: int) -> Found:
    """Real kills, in a process of their own: it forks."""
    command = ("-m", "tests.crash.kills", "--first", str(first), "--kills", str(count))
    done = subprocess.run((sys.executable, *command), capture_output=True, text=True, check=False)
    broken = [] if done.returncode == 0 else [done.stdout + done.stderr]
    return Found(part, count, broken)


def plants(part: str, name: str) -> Found:
    """One planted bug."""
    with tempfile.TemporaryDirectory(prefix="playhead-planted-") as folder:
        caught = planted.catch(name, Path(folder))
    found = Found(part, 1)
    if name == planted.NOTHING:
        return Found(part, 0, ["the catcher catches what is no bug"] if caught.caught else [])
    if caught.caught:
        found.notes[
            f"{name}: {caught.by}" + ("" if caught.seed is None else f" (seed {caught.seed})")
        ] = 1
    else:
        found.broken = [f"planted bug {name} was not caught: {caught.by}"]
    return found


def reloads(part: str, records: int) -> Found:
    """A long run read back."""
    result = reload(records, again=records <= 100_000)
    found = Found(part, 1)
    rate = result.records / result.read
    found.notes[f"{result.records} records read and folded at {rate:,.0f} a second"] = 1
    if not result.same:
        found.broken = [f"{records} records were read back to another state"]
    return found


Chunk = tuple[Callable[..., Found], tuple[object, ...]]


def chunks(size: Size, seed: int, day: int) -> Iterator[Chunk]:
    """All the work, the slowest pieces first."""
    first = seed * 1_000_000
    for records in sorted(size.records, reverse=True):
        yield reloads, ("reload", records)
    for name in _chosen(size.planted, day):
        yield plants, ("planted bugs", name)
    for begin, count in _spans(first + size.memory, size.sqlite, 250):
        mode = "liveness" if begin // 250 % 2 else "safety"
        yield lives, ("lives on SQLite", begin, count, "sqlite", mode)
    for begin, count in _spans(first, size.cuts, 50):
        yield cuts, ("power cuts", begin, count)
    for begin, count in _spans(first, size.kills, 50):
        yield kills, ("real kills", begin, count)
    yield from _lives_in_memory(first, size.memory)
    for begin, count in _spans(first, size.damages, 100):
        yield damages, ("damaged files", begin, count)


def _lives_in_memory(first: int, total: int, *more: str) -> Iterator[Chunk]:
    for begin, count in _spans(first, total, 500):
        mode = "liveness" if begin // 500 % 2 else "safety"
        yield lives, ("lives in memory", begin, count, "memory", mode, *more)


def _spans(first: int, total: int, step: int) -> Iterator[tuple[int, int]]:
    for begin in range(0, total, step):
        yield first + begin, min(step, total - begin)


def _chosen(count: int | None, day: int) -> list[str]:
    names = planted.names()
    chosen = names if count is None else Random(day).sample(names, count)
    return [planted.NOTHING, *chosen]


def _timed(work: Callable[..., Found], given: tuple[object, ...]) -> Found:
    began = _cpu()
    found = work(*given)
    found.seconds = _cpu() - began
    return found


def _cpu() -> float:
    """Seconds that this process and those that it started have worked: no load changes them."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, whose))


class Tally:
    """What the parts have found so far, told as it comes."""

    def __init__(self, todo: Iterable[Chunk], kept: Path | None) -> None:
        self.parts: dict[str, Found] = {}
        self._left = Counter(str(given[0]) for _, given in todo)
        self._kept = kept

    def add(self, key: str, found: Found) -> None:
        """A chunk is done."""
        self._count(found)
        if self._kept is not None:
            with self._kept.open("a") as file:
                file.write(json.dumps([key, vars(found)]) + "\n")

    def known(self, wanted: set[str]) -> set[str]:
        """Count what an earlier campaign kept of the chunks with these keys; which it has."""
        if self._kept is None or not self._kept.exists():
            return set()
        kept = [json.loads(line) for line in self._kept.read_text().splitlines()]
        for _, found in (line for line in kept if line[0] in wanted):
            found["crashes"], found["notes"] = Counter(found["crashes"]), Counter(found["notes"])
            self._count(Found(**found))
        return {key for key, _ in kept} & wanted

    def _count(self, found: Found) -> None:
        part = self.parts.setdefault(found.part, Found(found.part))
        part.add(found)
        self._left[found.part] -= 1
        for broken in found.broken:
            print(f"{found.part}: {_without_trace(broken)}", flush=True)
        left = self._left[found.part]
        if not left or self._left.total() % 20 == 0:
            more = f", {left} of its chunks and {self._left.total()} in all to do" if left else ""
            told = f"{part.tried} done, {len(part.broken)} broken{more}"
            print(f"{found.part}: {told}", flush=True)


def run(work: Iterable[Chunk], kept: Path | None = None) -> dict[str, Found]:
    """Work through the chunks; what each part found."""
    todo = list(work)
    tally = Tally(todo, kept)
    known, spawn = tally.known({repr(chunk[1]) for chunk in todo}), get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=spawn) as pool:
        waiting: dict[Future[Found], str] = {
            pool.submit(_timed, *chunk): repr(chunk[1])
            for chunk in todo
            if repr(chunk[1]) not in known
        }
        for done in as_completed(waiting):
            tally.add(waiting[done], done.result())
    return tally.parts


def _died(parts: Mapping[str, Found]) -> Counter[str]:
    return sum((found.crashes for found in parts.values()), Counter[str]())


def _rare(died: Counter[str]) -> list[str]:
    return [point for point in CRASH_POINTS if died[point] < EACH_POINT]


def _without_trace(broken: str) -> str:
    """The command and what was broken; whoever repeats it sees the trace."""
    return "\n".join(line for line in broken.splitlines() if not line.startswith("    "))


def main() -> int:
    """Run the campaign; print the table; exit with 1 when anything was broken or left untried."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation.campaign", description=__doc__
    )
    parser.add_argument("--size", choices=SIZES, default="ci")
    parser.add_argument("--seed", type=int, default=0, help="another number, other lives")
    parser.add_argument("--share", type=float, default=1.0, help="of the size, to try it out")
    parser.add_argument("--kept", type=Path, help="write down and find again what is done")
    parser.add_argument("--page", type=Path, help="put the figures into this page")
    given = parser.parse_args()
    memory = Path("/dev/shm")
    if memory.is_dir() and "TMPDIR" not in os.environ:
        os.environ["TMPDIR"] = str(memory)
    began, today = time.monotonic(), datetime.now(UTC).date()
    size = SIZES[given.size].times(given.share)
    parts = run(chunks(size, given.seed, today.toordinal()), given.kept)
    for begin in range(0, MOST_MORE, 10_000):
        if given.size != "full" or given.share < 1.0 or not _rare(_died(parts)):
            break
        first = given.seed * 1_000_000 + size.memory + size.sqlite + begin
        for found in run(_lives_in_memory(first, 10_000, SCARCELY), given.kept).values():
            parts[found.part].add(found)
    died, rare = _died(parts), _rare(_died(parts))
    print(page.table(parts))
    print(page.crash_points(died))
    broken = sum(len(found.broken) for found in parts.values())
    if given.size == "full" and given.share == 1.0 and rare:
        print(f"crash points hit fewer than {EACH_POINT} times: {', '.join(rare)}")
        broken += len(rare)
    if given.page is not None:
        page.rewrite(given.page, given.size, given.seed, parts, died)
    print(f"campaign {given.size}: {broken} broken, {time.monotonic() - began:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
