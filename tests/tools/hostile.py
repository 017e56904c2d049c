"""Tools that misbehave in processes of their own; they are found by module and name."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from playhead.events.errors import ToolError
from playhead.tools.context import ToolContext
from playhead.tools.options import Subprocess
from playhead.tools.tool import tool

LONG = 600.0
"""Seconds for which they would hang."""


@tool(effect="read", subprocess=True)
def add(a: int, b: int) -> int:
    """Add, and print something beside it."""
    sys.stdout.write("adding\n")
    return a + b


@tool(effect="keyed", subprocess=True)
async def key(context: ToolContext) -> str:
    """Say the key of the call."""
    return context.key


@tool(effect="read", subprocess=True)
def expected() -> str:
    """Fail as a tool should."""
    msg = "no such customer"
    raise ToolError(msg, hint="search first", retry_after=3)


@tool(effect="read", subprocess=Subprocess(environment={"GIVEN": "1"}))
def surroundings() -> dict[str, object]:
    """Say what can be seen from inside."""
    return {
        "environment": dict(os.environ),
        "folder": [path.name for path in Path().iterdir()],
        "pid": os.getpid(),
    }


@tool(effect="read", subprocess=Subprocess(files_mb=1))
def fill(megabytes: int) -> str:
    """Write a large file."""
    with Path("large").open("wb") as file:
        file.write(bytes(megabytes * 1024 * 1024))
    return "written"


@tool(effect="read", subprocess=Subprocess(memory_mb=768))
def swell() -> int:
    """Take too much memory."""
    return len(bytes(2**31))


@tool(effect="once", subprocess=True)
def vanish() -> str:
    """End the process before there is an answer."""
    os._exit(3)


def _reach(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port)):
        return "reached"


@tool(effect="read", subprocess=True)
def reach(port: int) -> str:
    """Connect to a port of this machine."""
    return _reach(port)


@tool(effect="read", subprocess=Subprocess(network=False))
def reach_cut_off(port: int) -> str:
    """Try to connect to a port of this machine."""
    return _reach(port)


@tool(effect="read", subprocess=True)
def peek(path: str) -> str:
    """Read a file."""
    return Path(path).read_text()


@tool(effect="read", subprocess=True, timeout=0.5)
def misbehave(how: str, mark: str) -> str:
    """Misbehave, holding the FIFO `mark` open for as long as anybody of this kind lives."""
    os.set_inheritable(os.open(mark, os.O_WRONLY), True)
    WAYS[how]()
    time.sleep(LONG)
    return "late"


def _ignore_signals() -> None:
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)


def _fork() -> None:
    if os.fork() == 0:
        time.sleep(LONG)


def _fork_twice_into_a_session_of_its_own() -> None:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            _ignore_signals()
            time.sleep(LONG)
        os._exit(0)
    os.wait()


def _fork_and_end() -> None:
    _fork_twice_into_a_session_of_its_own()
    os._exit(0)


def _crowd() -> None:
    for _ in range(12):
        if os.fork() == 0:
            os.setsid()
            _fork()
            time.sleep(LONG)


def _spawn() -> None:
    command = [sys.executable, "-c", f"import time; time.sleep({LONG})"]
    subprocess.Popen(command, start_new_session=True, close_fds=False)


def _many_threads() -> None:
    for _ in range(8):
        threading.Thread(target=time.sleep, args=(LONG,)).start()


def _stop_itself() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _spin() -> None:
    while True:
        pass


def _crash() -> None:
    ctypes.string_at(0)


def _chatter() -> None:
    for fd in range(3, 256):
        try:
            os.write(fd, b'started\n{"kind": "tool_succeeded", "result": NaN\n{"ended": "')
        except OSError:
            continue


def _let_go_of_everything() -> None:
    _fork()
    os.closerange(0, 256)


def _hang() -> None:
    """Nothing more than that."""


WAYS: dict[str, Callable[[], None]] = {
    "hang": _hang,
    "ignore signals": _ignore_signals,
    "fork": _fork,
    "double fork": _fork_twice_into_a_session_of_its_own,
    "fork and end": _fork_and_end,
    "crowd": _crowd,
    "spawn": _spawn,
    "threads": _many_threads,
    "stop itself": _stop_itself,
    "spin": _spin,
    "crash": _crash,
    "chatter": _chatter,
    "close everything": _let_go_of_everything,
}
