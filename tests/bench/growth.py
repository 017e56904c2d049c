"""Work that must not grow with what lies in the log: starting, opening, finding, approvals.

    python -m tests.bench.growth WHAT LOG NUMBER

does one of it in a process of its own, on a log that is there already, and prints CPU ms.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from statistics import median

from playhead import Agent, Runtime, tool
from playhead.events.log.contract import ANY, Append
from playhead.events.log.sqlite.log import SqliteLog
from playhead.testing import Call, ScriptedModel
from tests.bench.figures import Table

RUNS = (10, 1_000, 100_000)
APPROVALS = (50, 5_000)
SESSION = 500
ROUNDS = 20

talker = Agent(name="talker", model=ScriptedModel(lambda _: "ok"), strategy="direct")


@tool(effect="once", approval=True)
def pay(amount: int) -> str:
    """Pay an amount."""
    return str(amount)


payer = Agent(
    name="payer",
    model=ScriptedModel(lambda _: [Call("pay", {"amount": 1})]),
    tools=[pay],
)


def growth() -> Iterator[Table]:
    """CPU ms of each, and the largest over the smallest."""
    with tempfile.TemporaryDirectory() as folder:
        logs = {number: Path(folder) / f"{number}.db" for number in RUNS}
        for number, path in logs.items():
            write_runs(path, number)
        rows = [_row(what, logs) for what in ("open", "start", "find")]
        waiting = {number: Path(folder) / f"waiting{number}.db" for number in APPROVALS}
        for number, path in waiting.items():
            write_waiting(path, number)
        rows += [_row(what, waiting) for what in ("reopen", "list")]
        rows.append(_told("session", session(Path(folder) / "session.db")))
    yield Table(
        "growth",
        "CPU ms at the smallest and at the largest size",
        ["", "sizes", "smallest", "largest", "ratio"],
        rows,
        "aim: a ratio near 1 (reopen, list: per approval)",
    )


def _row(what: str, logs: Mapping[int, Path]) -> list[object]:
    return _told(what, {number: _measured(what, path, number) for number, path in logs.items()})


def _told(what: str, found: Mapping[int, float]) -> list[object]:
    (first, *_, last) = found.values()
    return [TITLES[what], " / ".join(f"{n:,}" for n in found), first, last, last / first]


TITLES = {
    "open": "opening a log with so many runs",
    "start": "a run from start to end in it",
    "find": "a run by its full id",
    "reopen": "reopening, per open approval",
    "list": "listing after that, per approval",
    "session": "a session's n-th run",
}


def write_runs(path: Path, number: int) -> None:
    """A log of so many ended runs, each with the records of a real one; its views are made."""
    with Runtime(path, [talker], durability="normal") as runtime:
        model = runtime.run(talker, "go").run_id
    told: SimpleQueue[int | Exception] = SimpleQueue()
    with SqliteLog(path, "normal") as log:
        rows = tuple(log.read(model))
        for count in range(number):
            copies = tuple(row._replace(run=f"run-{count}", seq=0) for row in rows)
            log.submit(Append(f"run-{count}", ANY, copies), told.put)
        for _ in range(number):
            outcome = told.get()
            assert not isinstance(outcome, Exception), outcome
    Runtime(path).close()


def write_waiting(path: Path, number: int) -> None:
    """A log of so many runs that wait for a person."""
    with Runtime(path, [payer], durability="normal") as runtime:
        runs = [runtime.start(payer, f"pay {n}") for n in range(number)]
        while len(runtime.runs.approvals()) < len(runs):
            time.sleep(0.1)


def session(path: Path) -> dict[int, float]:
    """CPU ms of the first runs of a session, and of the last ones."""
    with Runtime(path, [talker], durability="normal") as runtime:
        took = [_cpu(lambda: runtime.run(talker, "go", session="s")) for _ in range(SESSION)]
    return {ROUNDS: median(took[:ROUNDS]), SESSION: median(took[-ROUNDS:])}


def _cpu(what: Callable[[], object]) -> float:
    began = time.process_time()
    what()
    return (time.process_time() - began) * 1000


def _open(path: Path, _: int) -> float:
    return median(_cpu(lambda: Runtime(path).close()) for _ in range(5))


def _start(path: Path, _: int) -> float:
    with Runtime(path, [talker], durability="normal") as runtime:
        return median(_cpu(lambda: runtime.run(talker, "go")) for _ in range(ROUNDS))


def _find(path: Path, number: int) -> float:
    with Runtime(path, [talker]) as runtime:
        run = f"run-{number - 1}"
        return median(_cpu(lambda: runtime.attach(run)) for _ in range(ROUNDS))


def _reopen(path: Path, number: int) -> float:
    found = list[Runtime]()
    took = _cpu(lambda: found.append(Runtime(path, [payer])))
    found[0].close()
    return took / number


def _list(path: Path, number: int) -> float:
    with Runtime(path, [payer]) as runtime:
        took = _cpu(runtime.runs.approvals)
        assert len(runtime.runs.approvals()) == number
    return took / number


MEASURES: Mapping[str, Callable[[Path, int], float]] = {
    "open": _open,
    "start": _start,
    "find": _find,
    "reopen": _reopen,
    "list": _list,
}


def _measured(what: str, path: Path, number: int) -> float:
    command = [sys.executable, "-m", "tests.bench.growth", what, str(path), str(number)]
    found: float = json.loads(subprocess.check_output(command))
    return found


if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))))
