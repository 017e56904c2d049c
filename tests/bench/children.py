"""Measuring in processes of their own: warm, driven one round at a time, so that rounds interleave.

A child answers each line of JSON on its standard input (the keyword arguments of its measurement)
with one line of JSON (the figures). The stub of the Messages API is a child too, so that its work
is nobody's CPU time.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from statistics import median
from typing import Any, TypeAlias

Figures: TypeAlias = dict[str, float]
Measure: TypeAlias = Callable[..., Figures]


class Child:
    """A warm process that measures on request."""

    def __init__(self, name: str, tree: Path | None = None) -> None:
        """`tree`: of another revision, which is imported instead of this one."""
        elsewhere = {"PYTHONPATH": str(tree)} if tree is not None else {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.variants", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tree,
            env={**os.environ, **elsewhere},
        )

    def measure(self, **arguments: Any) -> Figures:
        """One round. Raises RuntimeError when the child has died; it said why on standard error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            msg = f"a measuring process ended with exit code {self._process.wait()}"
            raise RuntimeError(msg)
        figures: Figures = json.loads(line)
        return figures

    def close(self) -> None:
        """Let it end, and wait for that."""
        self._process.communicate()


@contextmanager
def children(*names: str) -> Generator[list[Child]]:
    """Children, one for each variant named."""
    made = [Child(name) for name in names]
    try:
        yield made
    finally:
        for child in made:
            child.close()


@contextmanager
def stub(steps: int, wait: float = 0.0) -> Generator[str]:
    """The counting policy over HTTP, in a process of its own; its URL."""
    command = [sys.executable, "-m", "tests.support.messages_api", "--steps", str(steps)]
    process = subprocess.Popen(
        [*command, "--wait", str(wait)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate()


def serve(measure: Measure) -> None:
    """Be a child: answer lines until standard input ends."""
    for line in sys.stdin:
        print(json.dumps(measure(**json.loads(line))), flush=True)


def cpu() -> float:
    """Seconds of CPU that this process has used, all threads, user and system."""
    used = getrusage(RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def medians(rounds: list[Figures]) -> Figures:
    """The median of each figure."""
    return {name: median(each[name] for each in rounds) for name in rounds[0]}
