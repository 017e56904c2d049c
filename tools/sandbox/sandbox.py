"""Calls in processes of their own, confined, each killed with all its descendants when it is over.

The process is spawned by the names of module and function, never forked from this one, and lives
under a supervisor (tools/sandbox/supervisor.py) whose standard input we hold: letting go of it, by
our own death too, kills everything that the call has started.
"""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from playhead.events.event import Json
from playhead.events.log.private_files import owned_logs
from playhead.events.logger import ProgramLogger
from playhead.tools.context import Secret, ToolContext
from playhead.tools.options import Subprocess
from playhead.tools.sandbox.child import BOOT, STARTED
from playhead.tools.sandbox.confinement import ELSEWHERE, PYTHON, ROOT, START, Offer, lacking
from playhead.tools.tool import AnyTool

log = ProgramLogger("playhead.tool")

SUPERVISE = (
    f"{START}from playhead.tools.sandbox.supervisor import main; main(json.loads(sys.argv[2]))"
)

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt")
"""What programs need to run; it can be read. The rest, home folders and /tmp too, cannot."""

STARTUP = 60.0
"""Seconds for the process to come up and import the tool's module: it has not begun the call."""

GRACE = 1.5
"""Seconds that the supervisor has to kill and to end, before it is killed itself."""

MAX_OUTPUT = 64_000_000
"""Bytes of a call's answer; a process that writes more is killed."""

TAIL = 8_000
"""Bytes of what the tool printed that go into the program's log."""

WAYS = ("namespace", "subreaper")
"""How descendants are kept from getting away; the first that the system has is taken."""


class ProcessEnd(NamedTuple):
    """How a call's process came to its end, and what it had said."""

    started: bool
    """Whether the tool's own code began."""
    answer: bytes
    """The outcome as JSON; empty when there is none."""
    printed: bytes
    """The end of what the tool printed."""
    status: int | None = None
    """The exit status, from 128 on a signal's number; None when it did not end by itself."""
    reason: str = ""
    """timeout, refused, too_large, startup, lost; empty when it ended by itself."""
    why: str = ""
    confined: str | None = None
    """What held it, such as "landlock7+seccomp"; None when it was not to be confined."""


class Sandbox:
    """The processes of calls under way, bounded in number. Used on one event loop.

    `newest`: the newest ABI of Landlock that is used, for tests of earlier kernels.
    """

    def __init__(
        self, max_processes: int = 8, ways: tuple[str, ...] = WAYS, newest: int | None = None
    ) -> None:
        self._slots = asyncio.Semaphore(max_processes)
        self._ways = ways
        self._newest = newest
        self._warned = False
        self._living: set[subprocess.Popen[bytes]] = set()

    async def run(
        self, tool: AnyTool, arguments: Mapping[str, Json], context: ToolContext
    ) -> ProcessEnd:
        """Perform one attempt. When its task is cancelled everything is killed first."""
        if not sys.platform.startswith("linux"):
            why = f"tools have no processes of their own on {sys.platform}: {ELSEWHERE}"
            return ProcessEnd(False, b"", b"", reason="refused", why=why)
        given = tool.subprocess or Subprocess()
        lost = next(
            (each for each in (*given.reads, *given.writes) if not Path(each).exists()), None
        )
        if lost is not None:
            why = f"its Subprocess(reads=, writes=) names {lost}, which is not there"
            return ProcessEnd(False, b"", b"", reason="refused", why=why)
        async with self._slots, _folder(given) as folder:
            return await self._within(folder, tool, _job(tool, arguments, context))

    async def _within(self, folder: str, tool: AnyTool, job: bytes) -> ProcessEnd:
        given = tool.subprocess or Subprocess()
        job_fd, printed = os.memfd_create("job"), os.memfd_create("printed")
        try:
            os.write(job_fd, job)
            reads = _reads(tool)
            process = self._spawn(folder, given, tool.spec.timeout, job_fd, printed, reads)
            try:
                ended = await _watch(process, tool.spec.timeout)
            finally:
                self._living.discard(process)
            self._warn(tool, ended.confined)
            return ended._replace(printed=_tail(printed))
        finally:
            os.close(job_fd)
            os.close(printed)

    def _warn(self, tool: AnyTool, confined: str | None) -> None:
        """Say once that calls are made with less than the whole."""
        if confined is None or self._warned or confined.startswith("landlock"):
            return
        self._warned = True
        why = lacking(Offer.of_this_kernel(self._newest))
        log.warning("tool.not_confined", tool=tool.spec.name, confined=confined, why=why)

    def _spawn(
        self,
        folder: str,
        given: Subprocess,
        timeout: float,
        job: int,
        printed: int,
        reads: list[str],
    ) -> subprocess.Popen[bytes]:
        settings = {
            "ways": self._ways,
            "newest": self._newest,
            "confine": given.confine or "auto",
            "reads": reads,
            "writes": [folder, *(str(Path(path).absolute()) for path in given.writes)],
            "hidden": [str(path) for path in owned_logs()],
            "unix": given.unix,
            "network": given.network,
            "seconds": STARTUP + timeout + GRACE,
            "job": job,
            "limits": _limits(given, timeout),
            "command": [sys.executable, "-I", "-c", BOOT],
        }
        process = subprocess.Popen(
            [*PYTHON, SUPERVISE, ROOT, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=printed,
            pass_fds=(job,),
            cwd=folder,
            env=dict(given.environment),
            start_new_session=True,
            bufsize=0,
        )
        self._living.add(process)
        return process

    def close(self) -> None:
        """Kill what is under way; waits for nothing."""
        for process in self._living:
            _let_go(process)


@contextlib.asynccontextmanager
async def _folder(given: Subprocess) -> AsyncGenerator[str]:
    """The folder that a call works in: the one that stays, or a fresh one."""
    path = os.fspath(given.workspace or tempfile.mkdtemp(prefix="playhead-"))
    try:
        yield path
    finally:
        if given.workspace is None:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)


def _reads(tool: AnyTool) -> list[str]:
    """What can be read: the system's programs, Python, the code, and what the tool is allowed.

    For a tool of ours (the model's code) "the code" is Playhead itself, for the program's tools all
    that they can import.
    """
    python = {sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(sys.executable).parent)}
    code = [str(Path(ROOT).parent)]
    if not tool.function.__module__.startswith("playhead."):
        code = [str(Path(entry).absolute()) for entry in sys.path]
    given = (str(Path(path).absolute()) for path in (tool.subprocess or Subprocess()).reads)
    return [*SYSTEM, *sorted(python), *code, *given]


def _job(tool: AnyTool, arguments: Mapping[str, Json], context: ToolContext) -> bytes:
    function = tool.function
    main = sys.modules["__main__"]
    given = tool.signature.given.values()
    names = [each.name for each in given if isinstance(each, Secret)]
    job: dict[str, Any] = {
        "path": [str(Path(entry).absolute()) for entry in sys.path],
        "module": function.__module__,
        "file": getattr(main, "__file__", None),
        "function": function.__qualname__,
        "spec": tool.spec.model_dump(mode="json"),
        "raw": tool.signature.raw,
        "given": _given(tool.input_schema),
        "arguments": dict(arguments),
        "run": context.run,
        "call": context.call,
        "attempt": context.attempt,
        "secrets": {name: value for name in names if (value := context.secrets(name))},
    }
    return json.dumps(job).encode()


def _given(input_schema: object) -> str | None:
    """How the tool's arguments are described; the schema itself is in its spec."""
    return None if input_schema is None else "schema" if isinstance(input_schema, dict) else "type"


def _limits(given: Subprocess, timeout: float) -> dict[str, int]:
    mib = 1024 * 1024
    return {
        "RLIMIT_AS": given.memory_mb * mib,
        "RLIMIT_CPU": given.cpu_seconds or int(timeout) + 10,
        "RLIMIT_FSIZE": given.files_mb * mib,
        "RLIMIT_NPROC": given.processes,
        "RLIMIT_CORE": 0,
    }


async def _watch(process: "subprocess.Popen[bytes]", timeout: float) -> ProcessEnd:
    """Read what it says until it is gone, in time or by force."""
    output = _Output()
    loop = asyncio.get_running_loop()
    assert process.stdout is not None
    transport, _ = await loop.connect_read_pipe(lambda: output, process.stdout)
    reason = ""
    try:
        if not await output.within(STARTUP, output.started):
            reason = "startup"
        elif not await output.within(timeout, output.over):
            reason = "timeout"
        elif output.too_large:
            reason = "too_large"
    finally:
        _let_go(process)
        gone = await _is_gone(process, output)
        transport.close()
    if not gone:
        reason = "lost"
    return _ended(bytes(output.data), reason)


async def _is_gone(process: "subprocess.Popen[bytes]", output: "_Output") -> bool:
    """Wait for the supervisor's end; its own death takes the tool along, however it is stuck."""
    gone = await output.within(GRACE, output.closed)
    if not gone:
        process.kill()
        gone = await output.within(GRACE, output.closed)
    process.wait()
    return gone


def _let_go(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


class _Output(asyncio.Protocol):
    """What comes out of the process, bounded."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.too_large = False
        self.started = asyncio.Event()
        self.over = asyncio.Event()
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """A piece came."""
        if len(self.data) > MAX_OUTPUT:
            self.too_large = True
            self.over.set()
            return
        self.data += data
        if self.data.startswith(STARTED):
            self.started.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Everybody who could write is gone."""
        for event in (self.started, self.over, self.closed):
            event.set()

    async def within(self, seconds: float, event: asyncio.Event) -> bool:
        """Whether the event comes in time."""
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        return True


def _ended(data: bytes, reason: str) -> ProcessEnd:
    """Take apart what was said: the supervisor's line is the last one."""
    said, _, last = data.rstrip(b"\n").rpartition(b"\n")
    started = data.startswith(STARTED)
    answer = said.removeprefix(STARTED).strip() if started else b""
    try:
        verdict = json.loads(last)
        status, refused = verdict.get("ended"), verdict.get("refused")
        confined = verdict.get("confined")
    except (ValueError, AttributeError):
        status, refused, confined = None, None, None
    if refused:
        return ProcessEnd(False, b"", b"", reason="refused", why=str(refused))
    return ProcessEnd(started, b"" if reason else answer, b"", status, reason, confined=confined)


def _tail(fd: int) -> bytes:
    size = os.fstat(fd).st_size
    return os.pread(fd, TAIL, max(0, size - TAIL))
