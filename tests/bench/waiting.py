"""Runs that wait at once for answers, times and people: threads, memory, opening their log.

    python -m tests.bench.waiting LOG NUMBER

starts that many in a process of its own, opens the log again in the same, and prints the figures.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from playhead import Agent, CallDeferred, Capacity, Limits, Runtime, tool
from playhead.testing import Call, ScriptedModel
from playhead.toolkit import wait
from tests.bench.figures import Table

NUMBERS = (1_000, 10_000)

CALLS = (
    Call("ask", {"what": "the price"}),
    Call("wait", {"seconds": 86_400}),
    Call("pay", {"amount": 1}),
)


@tool(effect="once", approval=True)
def pay(amount: int) -> str:
    """Pay an amount."""
    return str(amount)


@tool
def ask(what: str) -> str:
    """Ask somebody."""
    raise CallDeferred(expires=86_400)


def said(body: dict[str, object]) -> Call:
    """A third of the runs each: an answer, a time, a person."""
    return CALLS[len(str(body["messages"])) % 3]


agent = Agent(
    name="waiter",
    model=ScriptedModel(said),
    tools=[ask, wait, pay],
    limits=Limits(max_seconds=200_000),
)


def waiting() -> Iterator[Table]:
    """Threads, MB, and CPU ms per waiting run, at both sizes."""
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in NUMBERS:
            path = Path(folder) / f"{number}.db"
            command = [sys.executable, "-m", "tests.bench.waiting", str(path), str(number)]
            found: dict[str, float] = json.loads(subprocess.check_output(command))
            rows.append([number, *found.values()])
    yield Table(
        "waiting",
        "Runs that wait at once for answers, times and people (a third each)",
        [
            "runs",
            "threads",
            "loaded",
            "KB each",
            "reopened: threads",
            "loaded",
            "ms each",
            "list ms",
        ],
        rows,
        "aim: threads and loaded runs as with none, KB and ms each the same at both sizes",
    )


def measure(path: Path, number: int) -> dict[str, float]:
    """Start them, let them wait, and open the log again."""
    room = Capacity(open_runs=number + 10)
    with Runtime(path, [agent], capacity=room, durability="normal") as runtime:
        before = _kilobytes()
        for n in range(number):
            runtime.start(agent, "x" * (1 + n % 3))
        while len(runtime.runs.waits()) < number:
            time.sleep(0.2)
        for about in ("answer", "time", "call"):
            assert len(runtime.runs.waits(about=about)) > number // 4, about
        found = _figures(runtime, "")
        found["kilobytes"] = (_kilobytes() - before) / number
    began = time.process_time()
    with Runtime(path, [agent], capacity=room, durability="normal") as runtime:
        took = (time.process_time() - began) * 1000
        found |= _figures(runtime, "reopened ")
        found["reopen"] = took / number
        began = time.process_time()
        assert len(runtime.runs.waits()) == number
        found["list"] = (time.process_time() - began) * 1000 / number
    return found


def _figures(runtime: Runtime, when: str) -> dict[str, float]:
    loaded = runtime._engine.loaded  # pyright: ignore[reportPrivateUsage]
    return {f"{when}threads": threading.active_count(), f"{when}loaded": loaded}


def _kilobytes() -> float:
    """Resident memory now."""
    status = Path("/proc/self/status").read_text()
    line = next(each for each in status.splitlines() if each.startswith("VmRSS"))
    return float(line.split()[1])


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]))))
