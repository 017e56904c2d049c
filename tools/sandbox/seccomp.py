"""seccomp: the system calls that a confined process and all that it starts may not make.

What Landlock does not see: modes, owners and times of files by their paths, sockets, the processes
of the same user (limits, priorities, memory), and ways into the kernel that no tool needs. Any user
may do it, in containers too. x86-64 and AArch64.

Refused calls give EPERM, but for two groups: changes of modes, owners and times seem to be done and
have no effect, since `cp`, `git` and shutil.copy end at an error there; what the table does not
know (a later kernel's) is "not implemented", so that programs do without it.
"""

import ctypes
import errno
import platform
import struct
from collections.abc import Iterable, Iterator, Sequence

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUAL, AT_LEAST, ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
ALLOW, ERROR, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NOT_SUPPORTED = 95
LAST_KNOWN = 469
"""The highest number of a call that was looked at."""
X32 = 0x40000000
"""Set in the numbers of the third calling convention of x86-64."""

MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""The audit name of each, and its column below."""

AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
SOCK_STREAM, SOCK_SEQPACKET, SOCK_TYPE = 1, 5, 0xF
NEW_NAMESPACES = 0x7E020000
OWN_A_FILE = (8, 15)
"""F_SETOWN and F_SETOWN_EX: signals of the kernel's to any process."""
HARMFUL_IOCTLS = (0x8901, 0x8902, 0x5412, 0x541C)
"""FIOSETOWN, SIOCSPGRP (as above), TIOCSTI and TIOCLINUX (typing into a terminal)."""

Numbers = tuple[int | None, int | None]

WITHOUT_EFFECT: dict[str, Numbers] = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
}  # fmt: skip

UNSUPPORTED: dict[str, Numbers] = {
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "removexattrat": (466, 466), "file_setattr": (469, 469),
}  # fmt: skip

UNKNOWN: dict[str, Numbers] = {
    "clone3": (435, 435), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}  # fmt: skip
"""Said not to be there: a filter cannot see what clone3 and io_uring are asked, and the C library
does without."""

REFUSED: dict[str, Numbers] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438), "kcmp": (312, 272), "process_madvise": (440, 440),
    "process_mrelease": (448, 448), "perf_event_open": (298, 241), "bpf": (321, 280),
    "userfaultfd": (323, 282), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40),
    "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442), "open_tree_attr": (467, 467),
    "open_by_handle_at": (304, 265), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195),
    "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192),
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "mq_open": (240, 180), "mq_unlink": (241, 181),
}  # fmt: skip

OF_PROCESS: dict[str, Numbers] = {
    "prlimit64": (302, 261), "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118), "sched_setattr": (314, 274), "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}  # fmt: skip
"""Their first argument is a process: 0, the caller itself, is allowed."""

OF_SOME: dict[str, Numbers] = {"setpriority": (141, 140), "ioprio_set": (251, 30)}
"""Whose two first arguments say: one process, and that it is the caller."""

SIGNALS: dict[str, Numbers] = {
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
}  # fmt: skip

Instruction = tuple[int, int, int, int]


def available() -> bool:
    """Whether the kernel takes filters, and the calls of this machine are known."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Without a filter the kernel says EFAULT; one that knows no filters says EINVAL.
    asked = libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, None, 0, 0)
    known = asked < 0 and ctypes.get_errno() == errno.EFAULT
    return known and platform.machine() in MACHINES


def enter(program: bytes) -> None:
    """Make no call that the program refuses, for ever. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    if (
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0) != 0
    ):
        raise OSError(ctypes.get_errno(), "seccomp: the filter was not taken")


def program(
    level: int, *, network: bool, unix: bool, alone: bool, process: int, machine: str = ""
) -> bytes:
    """The filter, in the kernel's form.

    `level`: the ABI of Landlock in use, or 0; what an early one does not see is refused here.
    `alone`: it sees no process but its own (a pid namespace). `process`: its id.
    """
    audit, column = MACHINES[machine or platform.machine()]
    rules = _Rules(column)
    rules.answer(WITHOUT_EFFECT, 0)
    rules.answer(UNSUPPORTED, NOT_SUPPORTED)
    rules.answer(UNKNOWN, errno.ENOSYS)
    rules.answer(REFUSED, errno.EPERM)
    families = [*([AF_INET, AF_INET6] if network else []), *([AF_UNIX] if unix else [])]
    rules.only((41, 198), 0, families)
    # A pair of datagram sockets could be connected to others afterwards.
    rules.only((53, 199), 1, [SOCK_STREAM, SOCK_SEQPACKET], mask=SOCK_TYPE)
    rules.none_of((56, 220), 0, NEW_NAMESPACES)
    rules.but((72, 25), 1, OWN_A_FILE)
    rules.but((16, 29), 1, HARMFUL_IOCTLS)
    if not alone:
        for numbers in OF_PROCESS.values():
            rules.only(numbers, 0, [0])
        for name, numbers in OF_SOME.items():
            rules.only(numbers, 1, [0], first=1 if name == "ioprio_set" else 0)
    if not alone and level < 6:
        rules.answer(SIGNALS, errno.EPERM)
        rules.only((62, 129), 0, [0, process])
        rules.only((234, 131), 0, [process])
    if level < 3:
        rules.answer({"truncate": (76, 45), "openat2": (437, 437)}, errno.ENOSYS)
        # Access mode 3 opens for neither, and truncates all the same.
        rules.none_of_all((2, None), 1, 3)
        rules.none_of_all((257, 56), 2, 3)
    return b"".join(struct.pack("HBBI", *each) for each in _whole(audit, rules.code))


def _whole(audit: int, rules: Sequence[Instruction]) -> Iterator[Instruction]:
    yield LOAD, 0, 0, 4
    yield EQUAL, 1, 0, audit
    yield RETURN, 0, 0, KILL
    yield LOAD, 0, 0, 0
    yield AT_LEAST, 0, 1, LAST_KNOWN + 1  # those of x32 too
    yield RETURN, 0, 0, ERROR | errno.ENOSYS
    yield from rules
    yield RETURN, 0, 0, ALLOW


class _Rules:
    """Instructions, each group for one call: it ends by a RETURN, so the number stays loaded."""

    def __init__(self, column: int) -> None:
        self._column = column
        self.code: list[Instruction] = []

    def answer(self, calls: dict[str, Numbers], error: int) -> None:
        """These calls give this error; 0: they seem to be done."""
        for numbers in calls.values():
            self._of(numbers, [(RETURN, 0, 0, ERROR | error)])

    def only(
        self,
        numbers: Numbers,
        argument: int,
        allowed: Sequence[int],
        *,
        mask: int | None = None,
        first: int | None = None,
    ) -> None:
        """The call is refused but with one of these values (of its lower 32 bits, masked)."""
        refuse = (RETURN, 0, 0, ERROR | errno.EPERM)
        code = list[Instruction]()
        if first is not None:
            code += [_argument(0), (EQUAL, 1, 0, first), refuse]
        code.append(_argument(argument))
        if mask is not None:
            code.append((AND, 0, 0, mask))
        for value in allowed:
            code += [(EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW)]
        self._of(numbers, [*code, refuse])

    def but(self, numbers: Numbers, argument: int, refused: Iterable[int]) -> None:
        """The call is allowed but with one of these values."""
        code = [_argument(argument)]
        for value in refused:
            code += [(EQUAL, 0, 1, value), (RETURN, 0, 0, ERROR | errno.EPERM)]
        self._of(numbers, [*code, (RETURN, 0, 0, ALLOW)])

    def none_of(self, numbers: Numbers, argument: int, bits: int) -> None:
        """The call is refused with any of these bits."""
        code: list[Instruction] = [_argument(argument), (ANY_BIT, 0, 1, bits)]
        refuse = (RETURN, 0, 0, ERROR | errno.EPERM)
        self._of(numbers, [*code, refuse, (RETURN, 0, 0, ALLOW)])

    def none_of_all(self, numbers: Numbers, argument: int, bits: int) -> None:
        """The call is refused with all of these bits."""
        code: list[Instruction] = [_argument(argument), (AND, 0, 0, bits), (EQUAL, 0, 1, bits)]
        refuse = (RETURN, 0, 0, ERROR | errno.EINVAL)
        self._of(numbers, [*code, refuse, (RETURN, 0, 0, ALLOW)])

    def _of(self, numbers: Numbers, code: list[Instruction]) -> None:
        number = numbers[self._column]
        if number is not None:
            self.code += [(EQUAL, 0, len(code), number), *code]


def _argument(which: int) -> Instruction:
    """Load the lower half: the kernel looks at no more of these."""
    return LOAD, 0, 0, 16 + 8 * which
