"""How a tool's calls are performed, as data: recorded with the tool, part of its definition."""

from typing import Literal, TypeAlias

from playhead.events.event import Data, Json


class SandboxPolicy(Data):
    """The call runs in a process of its own, which is killed with all that it started."""

    memory_mb: int = 1024
    """Address space of each of its processes, in MiB."""
    cpu_seconds: int | None = None
    """Processor time of each of its processes; None for a little more than the tool's timeout."""
    files_mb: int = 64
    """The largest file that it can write, in MiB."""
    processes: int = 64
    """How many processes it may have (where the system counts them for each sandbox)."""
    environment: tuple[str, ...] = ()
    """The names of the environment variables that it is given; it sees no other."""
    network: bool | None = None
    """False: it reaches no network, or is not started. None: whatever its user can reach."""
    keeps_workspace: bool = False
    """Whether it works in a folder that stays; otherwise in a fresh one that is deleted."""
    confine: Literal["require", "auto", "off"] | None = None
    """Whether the kernel must confine it; None for what the system has."""
    reads: tuple[str, ...] | None = None
    """What it can read, confined, beside the system's programs and the code that it imports."""
    writes: tuple[str, ...] | None = None
    """What it can read and change, confined, beside the folder that it works in."""
    unix: bool | None = None
    """True: it may open Unix sockets."""


class Rate(Data):
    """At most so many calls in any so many seconds, over all runs of a runtime."""

    calls: int
    seconds: float = 60.0


class Cache(Data):
    """A result of a `read` tool is given again for the same arguments."""

    ttl: float = 300.0
    """Seconds for which it is good."""
    shared: bool = False
    """Whether other runs get it too."""


Effect: TypeAlias = Literal["read", "keyed", "once"]
"""read: may be repeated. keyed: repeated with the same idempotency key. once: never twice by us."""


class Approval(Data):
    """When a person must approve a call before it starts."""

    when: Literal["always", "matches", "function"]
    """always; when the arguments match `schema`; or when a function of the user's says so."""
    argument_schema: dict[str, Json] | None = None
    """For `matches`: a JSON schema; a call whose arguments fit it needs approval."""
    expires: float | None = None
    """Seconds after which an open request lapses; None for never."""


class Retry(Data):
    """How often a failed call is tried, and how long to wait in between (seconds)."""

    attempts: int = 4
    """The first one included."""
    base: float = 0.5
    cap: float = 30.0
