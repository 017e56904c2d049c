"""Root's privileges, given up by a process for itself and all that it starts.

With `no_new_privs` set no program that it runs has them again.
"""

import ctypes
import os
import struct

VERSION = 0x20080522
SYS_ADMIN, PERFMON = 21, 38
"""Either of them reads the environment and the memory maps of any process."""

EVERY = (1 << 64) - 1


def drop(dropped: int = EVERY) -> None:
    """Give up the capabilities of that mask, by default all of them. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, found = struct.pack("=Ii", VERSION, 0), ctypes.create_string_buffer(24)
    if libc.capget(header, found) != 0:
        raise OSError(ctypes.get_errno(), "the capabilities cannot be read")
    low, high = ~dropped & 0xFFFFFFFF, (~dropped >> 32) & 0xFFFFFFFF
    sets = struct.unpack("=6I", found.raw)
    kept = [each & (low if i < 3 else high) for i, each in enumerate(sets)]
    if libc.capset(header, struct.pack("=6I", *kept)) != 0:
        raise OSError(
            ctypes.get_errno(),
            f"the capabilities could not be dropped: {os.strerror(ctypes.get_errno())}",
        )
