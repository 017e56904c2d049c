"""A real disk that is full for a while, and a file-size limit that is lowered, under 30 runs.

    python -m tests.crash.full_disk --times 50 --first 0

Each time a process of its own starts 30 runs with `once` tools, while its disk (a tmpfs of its own,
which needs root) is filled and freed, or its RLIMIT_FSIZE lowered and raised. Then: no run stands
still, no outcome is lost, no `once` call is doubled, and everybody who waited has come back.
"""

import argparse
import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from playhead import Agent, Runtime, StorageUnavailable, tool
from playhead.events.codec import decode
from playhead.events.log.anchor import read_anchor
from playhead.events.maintenance.verify import verify
from playhead.logs import LogReader
from playhead.testing import Scripted, ScriptedModel, call

RUNS = 30
ROUNDS = 3
FAULTS = ("disk", "limit")
DISK_BYTES = 8 << 20
STORAGE_SECONDS = 1.0
PATIENCE = 60.0
"""Seconds after which a `wait` that has not come back counts as hanging."""

PAID: Counter[str] = Counter()
"""What the tool did in this process: payment -> how often."""


@tool(effect="once")
def pay(payment: str) -> str:
    """Pay something, once."""
    PAID[payment] += 1
    return payment + " paid " + "x" * 4000


def _next(body: dict[str, Any]) -> Scripted:
    goal = str(body["messages"][0]["content"][0]["text"]).split()[-1]
    done = sum(message["role"] == "assistant" for message in body["messages"])
    return "all paid" if done == ROUNDS else call("pay", payment=f"{goal}-{done}")


AGENT = Agent(name="payer", model=ScriptedModel(_next, latency=0.05), tools=[pay], strategy="react")


@contextmanager
def full_disk(folder: Path) -> Generator[None]:
    """The file system of the folder has no room."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            for size in (1 << 16, 1 << 9):
                _write_until_full(file.write, b"x" * size)
            yield
        finally:
            filler.unlink()


def _write_until_full(write: Callable[[bytes], object], block: bytes) -> None:
    try:
        while True:
            write(block)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


@contextmanager
def low_limit(folder: Path) -> Generator[None]:
    """No file of this process can grow beyond a page; the folder does not matter."""
    assert folder.is_dir()
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def live(folder: Path, fault: str, seed: int) -> dict[str, Any]:
    """Thirty runs while the storage fails now and then; what became of them."""
    random, over, told = Random(seed), threading.Event(), Counter[str]()
    failing = {"disk": full_disk, "limit": low_limit}[fault]

    def fail_now_and_then() -> None:
        while not over.wait(random.random()):
            with failing(folder):
                over.wait(random.choice((0.05, 0.3, 0.3, 2.5)))

    def one(runtime: Runtime, number: int) -> str:
        while True:
            try:
                run = runtime.start(AGENT, f"pay {number}")
                break
            except StorageUnavailable:
                told["start"] += 1
        while True:
            try:
                return run.wait(PATIENCE).answer
            except StorageUnavailable:
                told["wait"] += 1
                assert run.status in ("running", "finished")

    faults = threading.Thread(target=fail_now_and_then)
    with Runtime(folder / "a.db", [AGENT], storage_seconds=STORAGE_SECONDS) as runtime:
        faults.start()
        with ThreadPoolExecutor(RUNS) as pool:
            answers = list(pool.map(partial(one, runtime), range(RUNS)))
        over.set()
        faults.join()
    return {"answers": answers, "told": told, "broken": _broken(folder / "a.db")}


def _broken(path: Path) -> list[str]:
    """What does not hold of a log after thirty runs that all came to their end."""
    broken = [f"{payment} was paid {n} times" for payment, n in PAID.items() if n > 1]
    kinds: Counter[str] = Counter()
    with LogReader(path) as log:
        for row in log.follow():
            kinds[decode(row, log.body).event.kind] += 1
        broken += [problem.message for problem in verify(log, read_anchor(path)).problems]
    if kinds["run_finished"] != kinds["run_started"]:
        broken.append(f"{kinds['run_started']} runs began, {kinds['run_finished']} finished")
    if kinds["tool_succeeded"] != PAID.total() or kinds["tool_outcome_unknown"]:
        broken.append(f"{PAID.total()} payments, in the log: {dict(kinds)}")
    return broken


@contextmanager
def small_disk() -> Generator[Path]:
    """A file system of its own with little room; needs root."""
    folder = Path(tempfile.mkdtemp(prefix="playhead-disk-"))
    mount = ("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "playhead", str(folder))
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True)
        folder.rmdir()


@contextmanager
def any_disk() -> Generator[Path]:
    """A folder anywhere."""
    folder = Path(tempfile.mkdtemp(prefix="playhead-limit-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def fill_up(fault: str, seed: int) -> dict[str, Any]:
    """One time in a process of its own. Raises CalledProcessError when it came to no end."""
    with small_disk() if fault == "disk" else any_disk() as folder:
        command = (sys.executable, "-m", "tests.crash.full_disk", "--in", str(folder))
        done = subprocess.run(
            (*command, "--fault", fault, "--first", str(seed)),
            check=False, capture_output=True, text=True, timeout=5 * PATIENCE,
        )  # fmt: skip
    if done.returncode != 0:
        return {"answers": [], "told": {}, "broken": [done.stderr[-2000:]]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Fail the storage so many times; exit with 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("--in", dest="folder", type=Path)
    given = parser.parse_args()
    if given.folder is not None:
        print(json.dumps(live(given.folder, given.fault, given.first)))
        return 0
    faults = [given.fault] if given.fault else list(FAULTS) if os.geteuid() == 0 else ["limit"]
    told: Counter[str] = Counter()
    bad = finished = 0
    for seed in range(given.first, given.first + given.times):
        fault = faults[seed % len(faults)]
        found = fill_up(fault, seed)
        told.update(found["told"])
        finished += len(found["answers"])
        if found["broken"] or len(found["answers"]) != RUNS:
            bad += 1
            print(f"seed {seed} {fault}: {found['broken']}")
    print(f"{given.times} times: {finished} runs finished, told meanwhile: {dict(told)}")
    print(f"{bad} times something was lost")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
