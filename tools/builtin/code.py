"""`run_python` and `run_shell`: code that the model writes, in a process of its own.

Off unless an agent is given them, approved by a person call by call unless it is said otherwise,
and confined as tools/sandbox says: no environment, a folder of their own, all of it killed. A
system that cannot confine them refuses them, unless it is told `confine="auto"`. They can reach the
network where the machine can, unless that is cut off (`network=False`).
"""

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from playhead.events.errors import ToolError
from playhead.tools.options import NeedsApproval, Subprocess, ToolOptions
from playhead.tools.tool import AnyTool, tool

PATH = "/usr/local/bin:/usr/bin:/bin"
SECONDS = 60
OUTPUT = 20_000
"""Bytes of what is printed; of more, the beginning and the end."""


class Ran(BaseModel):
    """What came of it."""

    exit_status: int | None
    """None when the time ran out."""
    output: str
    """What it printed, errors included."""


def run_python(code: str, seconds: Annotated[int, Field(ge=1, le=SECONDS)] = 30) -> Ran:
    """Run a Python program and say what it prints.

    Use it to compute or to transform what no other tool can; print what you want to know. Nothing
    stays from one call to the next but files, where the workspace is kept.

    Args:
        code: The program, as the content of a .py file.
        seconds: After so long it is ended.

    Returns:
        The exit status (null when the time ran out) and what it printed, errors included.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".py", encoding="utf-8") as file:
        file.write(code)
        file.flush()
        return _run([sys.executable, "-I", file.name], seconds)


def run_shell(command: str, seconds: Annotated[int, Field(ge=1, le=SECONDS)] = 30) -> Ran:
    """Run a shell command and say what it prints.

    Use it for what the machine's own programs do best; use the file tools for files.

    Args:
        command: As one would type it into sh.
        seconds: After so long it is ended.

    Returns:
        The exit status (null when the time ran out) and what it printed, errors included.
    """
    return _run(["/bin/sh", "-c", command], seconds)


def code_tools(
    workspace: str | os.PathLike[str] | None = None,
    *,
    python: bool = True,
    shell: bool = False,
    approval: NeedsApproval = True,
    network: bool = True,
    confined: Subprocess | None = None,
) -> list[AnyTool]:
    """The tools, approved by a person unless `approval` says otherwise.

    Args:
        workspace: the folder that they work in; a fresh one for each call by default.
        python: whether `run_python` is one of them.
        shell: whether `run_shell` is.
        approval: which calls a person must approve.
        network: False cuts them off from every network; refused where the system cannot do that.
        confined: all of how they are confined, instead of `workspace` and `network`; without
            `confine=` it is "require" too.
    """
    given = confined or Subprocess(workspace=workspace, environment={"PATH": PATH}, network=network)
    given = replace(given, confine=given.confine or "require")
    tools = list[AnyTool]()
    how: ToolOptions = {
        "effect": "once", "approval": approval, "subprocess": given, "timeout": SECONDS + 10,
    }  # fmt: skip
    if python:
        tools.append(tool(run_python, **how))
    if shell:
        tools.append(tool(run_shell, **how))
    return tools


def _run(command: list[str], seconds: int) -> Ran:
    with tempfile.TemporaryFile() as printed:
        status: int | None = None
        try:
            # Not run() and no `with`: on earlier kernels it may be out of our signals' reach, and
            # is killed with this process, which then must not wait for it.
            started = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT
            )
            with suppress(subprocess.TimeoutExpired):
                status = started.wait(seconds)
            if status is None:
                with suppress(PermissionError):
                    started.kill()
        except OSError as error:
            msg = f"it could not be started: {error.strerror}"
            raise ToolError(msg, hint=f"Is there a {Path(command[0]).name} on the PATH?") from error
        return Ran(exit_status=status, output=_shown(printed.fileno()))


def _shown(fd: int) -> str:
    size = os.fstat(fd).st_size
    if size <= OUTPUT:
        return os.pread(fd, OUTPUT, 0).decode("utf-8", "replace")
    half = OUTPUT // 2
    first = os.pread(fd, half, 0).decode("utf-8", "replace")
    last = os.pread(fd, half, size - half).decode("utf-8", "replace")
    return f"{first}\n[... {size - OUTPUT} bytes left out ...]\n{last}"
