"""What a confined process tries against the program that it belongs to; each returns if it worked.

They are tools of their own modules' kind: found by module and name in the process to be attacked
from. An attack that is refused raises OSError; one that worked returns.
"""

import asyncio
import ctypes
import errno
import fcntl
import os
import shutil
import signal
import socket
import sqlite3
import stat
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from playhead.tools.options import Subprocess
from playhead.tools.tool import tool

libc = ctypes.CDLL(None, use_errno=True)
HARMLESS = signal.SIGURG
"""Ignored by whoever has no handler for it."""


class Target(NamedTuple):
    """What there is to attack."""

    pid: int
    log: str
    socket: str
    datagrams: str
    abstract: str
    port: int
    udp: int
    secret: str


def system_call(number: int, *arguments: object) -> int:
    done = int(libc.syscall(number, *arguments))
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return done


def _open_for_neither(t: Target) -> None:
    os.close(os.open(t.log, 3 | os.O_TRUNC))


def _put_in_its_place(t: Target) -> None:
    Path("new").write_text("")
    os.rename("new", t.log)  # noqa: PTH104 - the call itself is what is tried


def _read_by_link(t: Target) -> None:
    os.symlink(t.log, "link")  # noqa: PTH211
    Path("link").read_bytes()


def _read_by_hard_link(t: Target) -> None:
    os.link(t.log, "hard")


def _in_a_grandchild(t: Target) -> None:
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            try:
                Path(t.log).read_bytes()
                os.write(writing, b"1")
            except OSError:
                os.write(writing, b"0")
        os._exit(0)
    os.wait()
    if os.read(reading, 1) == b"0":
        raise PermissionError


def _in_another_program(t: Target) -> None:
    if subprocess.run(["/bin/cat", t.log], capture_output=True, check=False).returncode != 0:
        raise PermissionError


def _open_descriptors(t: Target) -> None:
    for fd in range(256):
        try:
            os.pread(int(os.open(f"/proc/{t.pid}/fd/{fd}", os.O_RDONLY)), 1, 0)
        except OSError:
            continue
        return
    raise PermissionError


def _inherited_descriptors(t: Target) -> None:
    for fd in range(3, 1024):
        try:
            mode = os.fstat(fd).st_mode
        except OSError:
            continue
        if not stat.S_ISFIFO(mode):  # the one is the way of our own answer
            return
    raise PermissionError


def _steal_descriptor(t: Target) -> None:
    pidfd = os.pidfd_open(t.pid)
    for fd in range(64):
        try:
            system_call(438, pidfd, fd, 0)
        except OSError:
            continue
        return
    raise PermissionError


def _read_memory(t: Target) -> None:
    buffer = ctypes.create_string_buffer(8)
    own = struct.pack("QQ", ctypes.addressof(buffer), 8)
    system_call(310 if os.uname().machine == "x86_64" else 270, t.pid, own, 1, own, 1, 0)


def _trace(t: Target) -> None:
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    if libc.ptrace(16, t.pid, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    libc.ptrace(17, t.pid, 0, 0)


def _environment(t: Target) -> None:
    if t.secret not in os.environ.values():
        raise PermissionError


def _signal_by_pidfd(t: Target) -> None:
    signal.pidfd_send_signal(os.pidfd_open(t.pid), HARMLESS)


def _own_a_pipe(t: Target) -> None:
    reading, _ = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, t.pid)


def _limit(t: Target) -> None:
    import resource

    resource.prlimit(t.pid, resource.RLIMIT_CORE)


def _stream(t: Target) -> None:
    with socket.socket(socket.AF_UNIX) as attacker:
        attacker.connect(t.socket)


def _abstract(t: Target) -> None:
    with socket.socket(socket.AF_UNIX) as attacker:
        attacker.connect(t.abstract)


def _datagram_from_a_pair(t: Target) -> None:
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b"x", t.datagrams)


def _stream_from_a_pair(t: Target) -> None:
    one, other = socket.socketpair()
    other.close()
    one.connect(t.socket)


def _make_a_device(t: Target) -> None:
    os.mknod("disk", stat.S_IFBLK | 0o600, os.makedev(254, 0))
    os.close(os.open("disk", os.O_RDONLY))


def _new_name_space(t: Target) -> None:
    if libc.unshare(0x10000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def _capabilities(t: Target) -> None:
    """Whether there are any left."""
    header, data = struct.pack("=Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
    libc.capget(header, data)
    if struct.unpack("6I", data.raw)[0::3] == (0, 0):
        raise PermissionError


def _tcp(t: Target) -> None:
    socket.create_connection(("127.0.0.1", t.port)).close()


def _udp(t: Target) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
        attacker.sendto(b"x", ("127.0.0.1", t.udp))


NETWORK: dict[str, Callable[[Target], object]] = {"tcp": _tcp, "udp": _udp}

ATTACKS: dict[str, Callable[[Target], object]] = {
    "descriptors inherited": _inherited_descriptors,  # first: later ones are our own
    "read the log": lambda t: Path(t.log).read_bytes(),
    "read what is beside it": lambda t: Path(t.log + ".anchor").read_bytes(),
    "write the log": lambda t: os.close(os.open(t.log, os.O_WRONLY)),
    "write the inbox": lambda t: sqlite3.connect(t.log + ".inbox").execute("CREATE TABLE x (y)"),
    "make a journal": lambda t: Path(t.log + "-journal").write_text("x"),
    "truncate it": lambda t: os.truncate(t.log, 0),
    "truncate it, opened for neither": _open_for_neither,
    "unlink it": lambda t: os.unlink(t.log),  # noqa: PTH108
    "rename it": lambda t: os.rename(t.log, t.log + ".old"),  # noqa: PTH104
    "put a file in its place": _put_in_its_place,
    "read it through a link": _read_by_link,
    "a hard link to it": _read_by_hard_link,
    "extended attributes of it": lambda t: os.setxattr(t.log, "user.x", b"x"),
    "list its folder": lambda t: list(Path(t.log).parent.iterdir()),
    "in a grandchild": _in_a_grandchild,
    "in another program": _in_another_program,
    "the owner's environment": lambda t: Path(f"/proc/{t.pid}/environ").read_bytes(),
    "the owner's memory": lambda t: os.close(os.open(f"/proc/{t.pid}/mem", os.O_RDWR)),
    "the owner's maps": lambda t: Path(f"/proc/{t.pid}/maps").read_bytes(),
    "the owner's root": lambda t: Path(f"/proc/{t.pid}/root{t.log}").read_bytes(),
    "the owner's folder": lambda t: list(Path(f"/proc/{t.pid}/cwd/").iterdir()),
    "the owner's program": lambda t: Path(f"/proc/{t.pid}/exe").readlink(),
    "the owner's descriptors, listed": lambda t: list(Path(f"/proc/{t.pid}/fd").iterdir()),
    "the owner's descriptors, opened": _open_descriptors,
    "the owner's descriptors, stolen": _steal_descriptor,
    "the environment inherited": _environment,
    "process_vm_readv": _read_memory,
    "ptrace": _trace,
    "kcmp": lambda t: system_call(312, t.pid, os.getpid(), 0, 0, 0),
    "a signal": lambda t: os.kill(t.pid, HARMLESS),
    "a signal by pidfd": _signal_by_pidfd,
    "a signal to its threads": lambda t: system_call(234, t.pid, t.pid, HARMLESS.value),
    "a signal from a pipe": _own_a_pipe,
    "the owner's limits": _limit,
    "the owner's priority": lambda t: os.setpriority(os.PRIO_PROCESS, t.pid, 19),
    "the user's priority": lambda t: os.setpriority(os.PRIO_USER, os.getuid(), 19),
    "the owner's processors": lambda t: os.sched_setaffinity(t.pid, {0}),
    "a Unix socket by path": _stream,
    "a Unix socket by name": _abstract,
    "a datagram from a pair": _datagram_from_a_pair,
    "a stream from a pair": _stream_from_a_pair,
    "netlink": lambda t: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "io_uring": lambda t: system_call(425, 8, ctypes.create_string_buffer(120)),
    "shared memory": lambda t: system_call(29, 0, 4096, 0o1600),
    "a key ring": lambda t: system_call(250, 0, -4, 0),
    "a device": _make_a_device,
    "a name space": _new_name_space,
    "capabilities": _capabilities,
    "a file in /tmp": lambda t: Path("/tmp/of-an-attacker").write_text(""),
    "a file among the code": lambda t: Path(__file__).with_name("new.py").write_text(""),
}


def attempt(target: Target, network: bool) -> dict[str, str]:
    """What came of each: the error's name, or "worked"."""
    ends = dict[str, str]()
    for name, attack in (ATTACKS | ({} if network else NETWORK)).items():
        try:
            attack(target)
            ends[name] = "worked"
        except sqlite3.Error as error:
            ends[name] = str(error)
        except OSError as error:
            ends[name] = errno.errorcode.get(error.errno or errno.EPERM, "?")
    # These say that they are done, and have no effect: the owner looks at the file afterwards.
    Path(target.log).chmod(0o666)
    os.utime(target.log, (1, 1))
    return ends


@tool(effect="read", subprocess=Subprocess(confine="require"), timeout=120)
def attack(target: list[Any]) -> dict[str, str]:
    """Attack with a network."""
    return attempt(Target(*target), network=True)


@tool(effect="read", subprocess=Subprocess(confine="require", network=False), timeout=120)
def attack_cut_off(target: list[Any]) -> dict[str, str]:
    """Attack without a network."""
    return attempt(Target(*target), network=False)


@tool(effect="read", subprocess=Subprocess(confine="off"), timeout=120)
def attack_freely(target: list[Any]) -> list[str]:
    """The harmless ones, by nothing held: they must work, or the others prove nothing."""
    free = (
        "read the log", "read what is beside it", "write the log", "list its folder",
        "in a grandchild", "in another program", "a Unix socket by path", "a Unix socket by name",
        "a datagram from a pair", "a stream from a pair", "netlink",
    )  # fmt: skip
    worked = list[str]()
    for name in free:
        try:
            (ATTACKS | NETWORK)[name](Target(*target))
            worked.append(name)
        except OSError:
            continue
    return worked


@tool(effect="read", subprocess=Subprocess(confine="require"), timeout=120)
def work() -> list[str]:
    """What tools need, and confinement must leave."""
    done = list[str]()
    thread = threading.Thread(target=lambda: done.append("thread"))
    thread.start()
    thread.join()
    done.append(subprocess.check_output(["/bin/echo", "exec"], text=True).strip())

    async def wait() -> str:
        process = await asyncio.create_subprocess_exec("/bin/true")
        return f"asyncio {await process.wait()}"

    done.append(asyncio.run(wait()))
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder, "one")
        one.write_text("text")
        shutil.copy(one, Path(folder, "two"))
        shutil.copytree(folder, "copied")
        done.append(Path("copied/two").read_text())
    with sqlite3.connect("a.db") as db:
        db.execute("CREATE TABLE a (b)")
    done.append("sqlite")
    return done
