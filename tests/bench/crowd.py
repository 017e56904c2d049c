"""Many runs at once on one runtime: wall clock, CPU, threads, errors."""

import asyncio
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from playhead import PlayheadError, Runtime
from playhead.events.record import Record
from playhead.projections.state.run_state import RunState
from tests.bench.children import Figures, cpu
from tests.bench.loops import GOAL, RawLoop, counter


class MostThreads:
    """A watcher that counts the threads of this process at every commit."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, state: RunState, records: Sequence[Record]) -> None:
        self.seen = max(self.seen, threading.active_count())


def measure_crowd(url: str, runs: int, aiohttp: bool = True) -> Figures:
    """So many runs at once against the endpoint, durable in full."""
    assert aiohttp, "Playhead takes it by itself where it is installed"
    threads, agent = MostThreads(), counter("claude-stub")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        with Runtime(path, base_url=url) as runtime:
            runtime.watch(threads)
            runtime.run(agent, GOAL)
            before, began, errors = cpu(), time.perf_counter(), 0
            for run in [runtime.start(agent, GOAL) for _ in range(runs)]:
                try:
                    run.wait()
                except PlayheadError:
                    errors += 1
            wall, used = time.perf_counter() - began, cpu() - before
    return {"wall_s": wall, "cpu_s": used, "threads": threads.seen, "errors": errors}


def measure_raw_crowd(url: str, runs: int, aiohttp: bool) -> Figures:
    """The raw loop so many times at once, keeping nothing."""

    async def work() -> Figures:
        loop = RawLoop(url, aiohttp)
        await loop.run()
        before, began = cpu(), time.perf_counter()
        ended = await asyncio.gather(*(loop.run() for _ in range(runs)), return_exceptions=True)
        wall, used = time.perf_counter() - began, cpu() - before
        await loop.client.close()
        errors = sum(isinstance(each, BaseException) for each in ended)
        return {
            "wall_s": wall,
            "cpu_s": used,
            "threads": threading.active_count(),
            "errors": errors,
        }

    return asyncio.run(work())
