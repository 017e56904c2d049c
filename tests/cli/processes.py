"""The command line in processes of its own, for signals, kills and owners."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def playhead_process(*arguments: str) -> Generator[subprocess.Popen[str]]:
    """`playhead` in the working folder; ended at the end of the block at the latest."""
    process = subprocess.Popen(
        [sys.executable, "-m", "playhead", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(process: subprocess.Popen[str], word: str) -> str:
    """Read standard error up to the line with the word; the line."""
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return line
    raise AssertionError(f"the process ended without saying {word!r}")
