"""What a start costs: CPU of fresh processes that import, and that show a run."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from playhead import Runtime
from playhead.testing import ScriptedModel
from tests.bench.loops import GOAL, counter, script

IMPORTS = {
    "python, nothing imported": "pass",
    "import pydantic, asyncio and sqlite3": "import pydantic.main, asyncio, sqlite3",
    "import playhead": "import playhead",
    "import anthropic (a live run pays it)": "import anthropic",
}


def make_log(path: Path, steps: int) -> None:
    """A log with one run in it."""
    agent = counter(ScriptedModel(script(steps)))
    with Runtime(path, [agent]) as runtime:
        runtime.run(agent, GOAL)


def cpu_of(command: Sequence[str], rounds: int) -> float:
    """Median CPU ms of a fresh process that finds its bytecode, as an installed package has it."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with TemporaryDirectory() as folder:
        environment = kept | {"PYTHONPYCACHEPREFIX": folder}
        _once(command, environment)
        return median(_once(command, environment) for _ in range(rounds))


def python(*arguments: str) -> list[str]:
    """The command that runs this Python."""
    return [sys.executable, *arguments]


def _once(command: Sequence[str], environment: Mapping[str, str]) -> float:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        msg = f"{' '.join(command)} ended with exit code {process.returncode}"
        raise RuntimeError(msg)
    return (used.ru_utime + used.ru_stime) * 1e3
