"""A program that owns a log and has its confined tools attack it: `python -m tests.tools.attacked`.

Arguments: a folder of its own, the user id to be, the name of a tool in attacks.py (or `levels`).
It prints JSON: for `levels` what each attack came to, by way and ABI; and whether the log suffered.
"""

import asyncio
import ctypes
import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from playhead.events.kinds.tool_calls import ToolSucceeded
from playhead.events.log.sqlite.log import SqliteLog
from playhead.tools.calls.call import call_tool
from playhead.tools.context import ToolContext
from playhead.tools.execution.workers import Threads
from playhead.tools.sandbox import landlock
from playhead.tools.sandbox.sandbox import WAYS, Sandbox
from playhead.tools.tool import AnyTool
from tests.tools import attacks

LEVELS = [level for level in (1, 2, 3, 5, 6, 7) if level <= landlock.abi()]
"""The ABIs at which something changes, as far as this kernel goes."""

SECRET = "a key of the program's"


async def attacked(target: attacks.Target, which: str) -> dict[str, Any]:
    if which != "levels":
        return {which: await one(getattr(attacks, which), target, WAYS, None)}
    found = dict[str, Any]()
    for way in WAYS:
        for level in LEVELS:
            for tool in (attacks.attack, attacks.attack_cut_off):
                name = f"{tool.spec.name} {way} {level}"
                found[name] = await one(tool, target, (way,), level)
    return found


async def one(
    tool: AnyTool, target: attacks.Target, ways: tuple[str, ...], level: int | None
) -> dict[str, Any]:
    workers = Threads(sandbox=Sandbox(4, ways, level))
    arguments: dict[str, Any] = {} if tool is attacks.work else {"target": list(target)}
    outcome = await call_tool(tool, arguments, ToolContext("run", 1), workers)
    workers.close()
    if isinstance(outcome, ToolSucceeded):
        return {"ends": outcome.result, "confined": outcome.confined}
    confined = getattr(outcome, "confined", None)
    return {"ends": outcome.model_dump(mode="json"), "confined": confined}


def main(folder: Path, which: str) -> None:
    os.environ["KEY"] = SECRET
    with (
        SqliteLog(folder / "a.db") as log,
        socket.socket(socket.AF_UNIX) as stream,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        (folder / "a.db.anchor").write_text("")
        name = f"\0playhead-{os.getpid()}"
        for listening, where in ((stream, str(folder / "s")), (abstract, name)):
            listening.bind(where)
            listening.listen(64)
        datagrams.bind(str(folder / "d"))
        datagrams.setblocking(False)
        udp.bind(("127.0.0.1", 0))
        target = attacks.Target(
            os.getpid(), str(log.path), str(folder / "s"), str(folder / "d"), name,
            tcp.getsockname()[1], udp.getsockname()[1], SECRET,
        )  # fmt: skip
        before = log.path.stat()
        found = asyncio.run(attacked(target, which))
        after = log.path.stat()
        suffered = (before.st_mode, before.st_size, before.st_mtime_ns, before.st_nlink) != (
            after.st_mode, after.st_size, after.st_mtime_ns, after.st_nlink
        )  # fmt: skip
        beside = sorted(path.name for path in folder.iterdir())
        sys.stdout.write(json.dumps({"found": found, "suffered": suffered, "beside": beside}))


def open_the_way(python: Path) -> None:
    """Let every user of this process's own mounts reach an interpreter in a closed home folder."""
    closed = next((each for each in reversed(python.parents) if not each.stat().st_mode & 1), None)
    if closed is None:
        return
    libc = attacks.libc
    with tempfile.TemporaryDirectory() as aside:
        made = libc.unshare(0x20000) == 0 and libc.mount(None, b"/", None, 0x44000, None) == 0
        if not made or libc.mount(bytes(python), aside.encode(), None, 0x5000, None) != 0:
            raise OSError(ctypes.get_errno(), f"nobody cannot be shown {python}")
        libc.mount(b"tmpfs", bytes(closed), b"tmpfs", 0, b"mode=755")
        python.mkdir(parents=True)
        libc.mount(aside.encode(), bytes(python), None, 0x5000, None)
        libc.umount2(aside.encode(), 2)


if __name__ == "__main__":
    place, user, chosen = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if user != os.getuid():
        open_the_way(Path(sys.base_prefix))
        os.chown(place, user, user)
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    main(place, chosen)
