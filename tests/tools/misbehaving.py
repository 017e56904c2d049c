"""Calls of tools that misbehave in processes of their own, and who of them is left afterwards."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from playhead.tools.calls.call import Outcome, call_tool
from playhead.tools.context import ToolContext
from playhead.tools.execution.workers import Threads
from playhead.tools.options import Subprocess
from playhead.tools.sandbox.sandbox import Sandbox
from playhead.tools.tool import AnyTool, tool
from tests.tools import hostile


@contextmanager
def confined(*ways: str) -> Generator[Threads]:
    workers = Threads(sandbox=Sandbox(4, ways))
    try:
        yield workers
    finally:
        workers.close()


class Mark:
    """A FIFO that every process of a call holds open: its end says that all of them are dead."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def is_deserted(self) -> bool:
        try:
            while os.read(self.fd, 65_536):
                """What somebody wrote into it says nothing."""
        except BlockingIOError:
            return False
        return True


def _at(marks: Path) -> AnyTool:
    """The tool, confined, but for the folder of the marks."""
    made, given = hostile.misbehave, Subprocess(writes=[marks])
    return tool(made.function, effect="read", timeout=made.spec.timeout, subprocess=given)


async def misbehave(workers: Threads, marks: Path, number: int) -> tuple[str, Outcome, bool]:
    how = list(hostile.WAYS)[number % len(hostile.WAYS)]
    mark = Mark(marks / f"{number}")
    arguments = {"how": how, "mark": mark.path}
    outcome = await call_tool(_at(marks), arguments, ToolContext("run", number), workers)
    deserted = mark.is_deserted()
    os.close(mark.fd)
    return how, outcome, deserted
