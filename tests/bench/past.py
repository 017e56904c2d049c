"""Reading the past: verify, fold and fork a long log, against SQLite's own fetch of the same rows.

`python -m tests.bench.past WHAT LOG` does one of it in a process of its own, so that its CPU and
its peak of memory are its own.
"""

import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue

from playhead.actors.engine.load_state import load_state
from playhead.actors.fork import cut_at, fork_run
from playhead.actors.replay import replay
from playhead.events.codec import decode
from playhead.events.log.anchor import read_anchor
from playhead.events.log.sqlite.log import SqliteLog, SqliteReader
from playhead.events.maintenance.verify import verify
from tests.bench.figures import Table
from tests.crash.reload import turns

FORKED_AT = (10, 1_000, 100_000)


def past(records: int, runs: int) -> Iterator[Table]:
    """CPU per record, peak memory, and what a fork costs where."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "past.db"
        written = write(path, records, runs)
        fetched = _measured("fetch", path)
        rows: list[list[object]] = []
        for what in MEASURES:
            found = fetched if what == "fetch" else _measured(what, path)
            us = found["cpu_s"] / written * 1e6
            ratio = found["cpu_s"] / fetched["cpu_s"]
            rows.append([what, us, ratio, int(found["peak_mb"])])
        forks = list(_forks(path, records // runs))
    yield Table(
        "past",
        f"Reading {written:,} records of {runs} runs, CPU us per record",
        ["", "CPU us", "ratio to fetch", "peak MB"],
        rows,
        "aim: verify and fold at most 7 x SQLite's own fetch, under 300 MB",
    )
    yield Table(
        "forks", "One fork, CPU ms", ["at record", "CPU ms"], forks, "aim: flat, under 5 ms"
    )


def write(path: Path, records: int, runs: int) -> int:
    """A log of long runs, as the roles decide them; how many records it has."""
    total = 0
    with SqliteLog(path, "normal") as log:
        for n in range(runs):
            told: SimpleQueue[int | Exception] = SimpleQueue()
            waiting = 0
            for turn in turns(records // runs, f"run-{n}"):
                log.submit(turn.append, told.put)
                total, waiting = total + len(turn.records), waiting + 1
                while waiting > 1000:
                    _check(told.get())
                    waiting -= 1
            for _ in range(waiting):
                _check(told.get())
    return total


def _check(outcome: int | Exception) -> None:
    if isinstance(outcome, Exception):
        raise outcome


def _forks(path: Path, longest: int) -> Iterator[list[object]]:
    """The median of some forks at each place; the log is reopened, nothing is remembered."""
    with SqliteLog(path) as log:
        for at in (at for at in FORKED_AT if at <= longest):
            times: list[float] = []
            for n in range(21):
                began = time.process_time()
                fork_run(log, cut_at(log, "run-0", at), f"fork-{at}-{n}", 0)
                times.append((time.process_time() - began) * 1000)
            yield [f"{at:,}", sorted(times)[10]]


def _measured(what: str, path: Path) -> Mapping[str, float]:
    command = [sys.executable, "-m", "tests.bench.past", what, str(path)]
    found: Mapping[str, float] = json.loads(subprocess.check_output(command))
    return found


def _fetch(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for _ in connection.execute("SELECT * FROM records ORDER BY position"):
            pass


def _verify(path: Path) -> None:
    with closing(SqliteReader(path)) as reader:
        assert verify(reader, read_anchor(path)).ok


def _decode(path: Path) -> None:
    with closing(SqliteReader(path)) as reader:
        for row in reader.follow():
            decode(row, reader.body)


def _fold(path: Path) -> None:
    with closing(SqliteReader(path)) as reader:
        for stream in reader.streams():
            load_state(reader, stream.id)


def _replay(path: Path) -> None:
    with closing(SqliteReader(path)) as reader:
        assert all(replay(reader, stream.id).matches for stream in reader.streams())


MEASURES: Mapping[str, Callable[[Path], None]] = {
    "fetch": _fetch,
    "verify": _verify,
    "decode": _decode,
    "fold": _fold,
    "replay": _replay,
}
"""What is measured; `fetch` is SQLite alone."""


def main(what: str, path: str) -> None:
    """Do it once, and say what it took."""
    began = time.process_time()
    MEASURES[what](Path(path))
    cpu = time.process_time() - began
    print(json.dumps({"cpu_s": cpu, "peak_mb": _peak()}))


def _peak() -> float:
    """Megabytes; getrusage would count what the process was before it became this one."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
