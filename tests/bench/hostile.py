"""Hostile tools in processes of their own: how long after its timeout a call has its outcome.

200 calls of tools that hang, fork, ignore signals, spin, crash or close everything, four at a time.
The seconds are those of the whole call less its timeout: the start of the process counts too.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from playhead.tools.execution.workers import Threads
from playhead.tools.sandbox.sandbox import WAYS
from tests.bench.figures import Table
from tests.tools.hostile import misbehave as tool
from tests.tools.misbehaving import confined, misbehave

CALLS = 200
AT_ONCE = 4


def hostile() -> Iterator[Table]:
    """Both ways of confining, half of the calls each."""
    rows: list[list[object]] = []
    for way in WAYS:
        with tempfile.TemporaryDirectory() as folder, confined(way) as workers:
            ends = asyncio.run(_all(workers, Path(folder), CALLS // 2))
        late = sorted(seconds - tool.spec.timeout for seconds, _ in ends)
        left = sum(not deserted for _, deserted in ends)
        rows.append([way, len(ends), median(late), late[-1], left])
    yield Table(
        "hostile",
        "Hostile tools: seconds from a call's timeout to its outcome, its start included",
        ["", "calls", "median s", "most s", "left alive"],
        rows,
        "aim: at most 2 s, and nobody left alive",
    )


async def _all(workers: Threads, folder: Path, calls: int) -> list[tuple[float, bool]]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> tuple[float, bool]:
        async with room:
            began = time.monotonic()
            _, _, deserted = await misbehave(workers, folder, number)
            return time.monotonic() - began, deserted

    return await asyncio.gather(*(one(n) for n in range(calls)))
