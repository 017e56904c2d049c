"""Real child processes for the tests of the log."""

import subprocess
import sys
from pathlib import Path

PRELUDE = """
import os, sys
from playhead.events.errors import *
from playhead.events.log.inbox import Inbox
from playhead.events.log.sqlite.log import SqliteLog, SqliteReader
from playhead.testing.appends import append_of, said, say, write
path, *arguments = sys.argv[1:]
"""

ROOT = Path(__file__).parents[2]


def child(code: str, path: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a process on a log: `path` and `arguments` are its variables."""
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + code, str(path), *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def output_of(code: str, path: Path, *arguments: str) -> str:
    """What a process printed that came to its end well."""
    process = child(code, path, *arguments)
    printed, _ = process.communicate()
    assert process.returncode == 0
    return printed.strip()


def line_from(process: subprocess.Popen[str]) -> str:
    """The next line that the process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def killed(process: subprocess.Popen[str]) -> None:
    """End it as a power cut of the process would: SIGKILL."""
    process.kill()
    process.communicate()
