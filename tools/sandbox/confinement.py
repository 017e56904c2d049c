"""What this system has to confine a process with, and when that is too little.

Standard library alone: the supervisor imports it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from playhead.tools.sandbox import capabilities, landlock, seccomp

Confine: TypeAlias = Literal["require", "auto", "off"]
"""require: Landlock and seccomp, or the call is refused. auto: what the system has. off: neither,
only limits, and everybody killed at the end."""

START = (
    "import json, sys, types; package = sys.modules['playhead'] = types.ModuleType('playhead'); "
    "package.__path__ = [sys.argv[1]]; "
)
"""For `python -c`: makes the package's modules importable without importing all of it."""

ROOT = str(Path(__file__).parents[2])
"""The folder of the package."""

PYTHON = (sys.executable, "-I", "-S", "-c")

ELSEWHERE = "run the program on Linux: in a container (Docker Desktop, Podman) or a virtual machine"

NO_NETWORK = (
    "this system cannot cut it off from the network: it has neither namespaces nor seccomp here"
)

NOBODY_KILLS = "neither a pid namespace nor a child subreaper can be had on this system"


class Ways(NamedTuple):
    """How descendants are kept from getting away."""

    namespace: bool
    reaper: bool


class Offer(NamedTuple):
    """What a kernel has."""

    landlock: int
    """The ABI; 0 without it."""
    seccomp: bool

    @classmethod
    def of_this_kernel(cls, newest: int | None) -> "Offer":
        """Asked of the kernel. `newest`: take no newer ABI than this, for tests."""
        found = landlock.abi()
        return cls(found if newest is None else min(found, newest), seccomp.available())

    def text(self, ways: Ways) -> str:
        """Such as "landlock7+seccomp+namespace"; "none" without any."""
        words = [f"landlock{self.landlock}"] if self.landlock else []
        words += ["seccomp"] if self.seccomp else []
        return "+".join([*words, *(["namespace"] if ways.namespace else [])]) or "none"


def refusal(offer: Offer, ways: Ways, confine: Confine, *, network: bool) -> str | None:
    """Why a call is not started; None when it is."""
    if not network and not ways.namespace and not offer.seccomp:
        return NO_NETWORK
    if not ways.namespace and not ways.reaper:
        return NOBODY_KILLS
    if confine == "require" and not (offer.landlock and offer.seccomp):
        return lacking(offer)
    return None


def lacking(offer: Offer) -> str:
    """What `require` misses, and what to do."""
    missing = [name for name, has in zip(("Landlock", "seccomp"), offer, strict=True) if not has]
    return (
        f"this kernel has no {' and no '.join(missing)} to confine it with (Landlock: Linux 5.13 "
        "and later, switched on by lsm=landlock,... at boot; seccomp: x86-64 and AArch64). Use "
        'such a kernel, or let it reach what your user can: Subprocess(confine="auto")'
    )


def offered() -> str:
    """What the system that we are on has, in words for a person."""
    if not sys.platform.startswith("linux"):
        return f"none: tools cannot be run in processes of their own on {sys.platform}; {ELSEWHERE}"
    code = f"{START}from playhead.tools.sandbox.supervisor import probe; probe()"
    done = subprocess.run([*PYTHON, code, ROOT], capture_output=True, text=True, check=False)
    found = done.stdout.strip() or "none"
    here = Offer.of_this_kernel(None)
    return found if all(here) else f"{found}: {lacking(here)}"


def landlock_here() -> bool:
    """Whether this system has Landlock."""
    return sys.platform.startswith("linux") and landlock.abi() > 0


def hidden_command(command: list[str], logs: list[str]) -> list[str]:
    """A command that sees everything but these logs and what lies beside them, by Landlock.

    It may make nothing new in the folders that a log lies in, nor in those above.
    """
    code = (
        f"{START}from playhead.tools.sandbox.confinement import become; "
        "become(json.loads(sys.argv[2]), sys.argv[3:])"
    )
    return [*PYTHON, code, ROOT, json.dumps(logs), *command]


def become(logs: list[str], command: list[str]) -> None:
    """Hide the logs from this process, which then becomes the command."""
    landlock.enter(landlock.abi(), landlock.around("/", landlock.EVERYTHING, logs), scoped=False)
    capabilities.drop(1 << capabilities.SYS_ADMIN | 1 << capabilities.PERFMON)
    os.execvp(command[0], command)
