"""The supervisor of one sandboxed call: a small process between the runtime and the tool's own.

Linux only (prctl, namespaces, pidfd, memfd); tools/sandbox/sandbox.py starts it, isolated, with the
standard library and its neighbours here alone. It outlives whatever the tool starts, double forks
and new sessions included: in a pid namespace of their own they die with its first process; without
one it is their subreaper, so each orphan becomes its child, and it kills until none is left. Where
neither can be had it starts nothing and says so.

Before the tool's interpreter starts, its process is confined: no capabilities, Landlock, seccomp.

stdin is the runtime's hold on it: end of file, or any byte, means "kill them all", and so the death
of the runtime does. stdout carries what the tool's process writes and, last, one line of the
supervisor's own: `{"ended": status, "confined": how}` or `{"refused": why}`.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from playhead.tools.sandbox import capabilities, landlock, seccomp
from playhead.tools.sandbox.confinement import Offer, Ways, refusal

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x10000000, 0x20000000
CLONE_NEWNET = 0x40000000
MS_NOSUID_NODEV_NOEXEC, MS_REC_PRIVATE = 0xE, 0x44000
DEVICES = ("null", "zero", "full", "random", "urandom")

libc = ctypes.CDLL(None, use_errno=True)

Settings = dict[str, Any]


def main(settings: Settings) -> None:
    """Start the tool, wait for its end or for the order to kill, leave nobody behind."""
    off = settings["confine"] == "off"
    offer = Offer(0, False) if off else Offer.of_this_kernel(settings["newest"])
    network = settings["network"]
    namespaced = "namespace" in settings["ways"] and (
        _separate(0 if network else CLONE_NEWNET)
        or (not network and offer.seccomp and _separate(0))
    )
    reaper = "subreaper" in settings["ways"] and _reap_orphans()
    ways = Ways(namespaced, reaper)
    why = refusal(offer, ways, settings["confine"], network=network)
    if why is not None:
        _say({"refused": why})
        return
    first = os.fork()
    if first == 0:
        become = partial(_become_tool, settings, offer, alone=False, proc=False)
        _or_die(partial(_first_process, settings, offer) if namespaced else become)
    os.close(settings["job"])
    status = _wait(first, settings["seconds"])
    if not namespaced:
        _kill_descendants()
    _say({"ended": status, "confined": None if off else offer.text(ways)})


def probe() -> None:
    """Say what there is to be had, on stdout."""
    os.write(1, Offer.of_this_kernel(None).text(Ways(_separate(0), reaper=True)).encode())


def _say(last: dict[str, Any]) -> None:
    os.write(1, b"\n" + json.dumps(last).encode() + b"\n")


def _or_die(become: Callable[[], None]) -> None:
    """What a forked child does: it never returns into its parent's code."""
    try:
        become()
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    os._exit(127)


def _separate(more: int) -> bool:
    """Have the next children live in a pid namespace, and in what `more` flags say.

    Tried in a child first: an attempt that only half succeeded could not be undone.
    """
    without = CLONE_NEWPID | CLONE_NEWNS | more
    for flags in (CLONE_NEWUSER | without, without):
        trial = os.fork()
        if trial == 0:
            _or_die(partial(_trial, flags))
        if os.waitpid(trial, 0)[1] == 0 and _unshare(flags):
            return True
    return False


def _trial(flags: int) -> None:
    if not _unshare(flags):
        os._exit(1)
    inner = os.fork()
    if inner == 0:
        os._exit(0 if os.getpid() == 1 else 1)
    os._exit(0 if os.waitpid(inner, 0)[1] == 0 else 1)


def _unshare(flags: int) -> bool:
    user, group = os.getuid(), os.getgid()
    if libc.unshare(flags) != 0:
        return False
    if not flags & CLONE_NEWUSER:
        return True
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except OSError:
        return False
    return True


def _reap_orphans() -> bool:
    return bool(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def _wait(first: int, seconds: float) -> int:
    """Wait for the first process; kill it on the runtime's word, or when the time is over."""
    ended = os.pidfd_open(first)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(0, select.POLLIN | select.POLLHUP)
    if ended not in [fd for fd, _ in poll.poll(seconds * 1000)]:
        os.kill(first, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])


def _first_process(settings: Settings, offer: Offer) -> None:
    """Process 1 of the namespace: when it ends, the kernel kills everybody else in there."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # So that /proc shows nobody outside. Where it cannot be had, they are seen and out of reach.
    libc.mount(None, b"/", None, MS_REC_PRIVATE, None)
    proc = libc.mount(b"proc", b"/proc", b"proc", MS_NOSUID_NODEV_NOEXEC, None) == 0
    tool = os.fork()
    if tool == 0:
        _or_die(partial(_become_tool, settings, offer, alone=True, proc=proc))
    while True:
        ended, status = os.wait()
        if ended == tool:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _become_tool(settings: Settings, offer: Offer, *, alone: bool, proc: bool) -> None:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for name, value in settings["limits"].items():
        _limit(getattr(resource, name), value)
    os.dup2(settings["job"], 0)
    os.close(settings["job"])
    os.lseek(0, 0, os.SEEK_SET)
    _confine(settings, offer, alone=alone, proc=proc)
    os.execve(settings["command"][0], settings["command"], dict(os.environ))


def _confine(settings: Settings, offer: Offer, *, alone: bool, proc: bool) -> None:
    if settings["confine"] == "off":
        return
    capabilities.drop()  # also as root, and in a namespace of one's own
    if offer.landlock:
        landlock.enter(offer.landlock, _rules(settings, proc=proc))
    if offer.seccomp:
        filter_ = seccomp.program(
            offer.landlock, network=settings["network"], unix=settings["unix"], alone=alone,
            process=os.getpid(),
        )  # fmt: skip
        seccomp.enter(filter_)


def _rules(settings: Settings, *, proc: bool) -> Iterator[landlock.Rule]:
    hidden = settings["hidden"]
    for path in [*settings["reads"], *(["/proc"] if proc else [])]:
        yield from landlock.around(path, landlock.READ, hidden)
    for path in settings["writes"]:
        yield from landlock.around(path, landlock.WRITE, hidden)
    for name in DEVICES:
        yield f"/dev/{name}", landlock.READ_FILE | landlock.WRITE_FILE


def _limit(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _kill_descendants() -> None:
    """Stop them all first, so that none forks while we look; then kill, until nobody is left."""
    while True:
        found = _descendants(os.getpid())
        for order in (signal.SIGSTOP, signal.SIGKILL):
            for each in found:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(each, order)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def _descendants(top: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                # The name of the program stands in parentheses and may hold anything.
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = list[int](), [top]
    while waiting:
        waiting = [child for each in waiting for child in children.get(each, ())]
        found += waiting
    return found
