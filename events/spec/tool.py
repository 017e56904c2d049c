"""How a tool's calls are performed, as data: recorded with the tool, as part of its definition."""

from typing import Literal, TypeAlias

from playhead.events.event import Data, Json


class SandboxPolicy(Data):
    """The call runs in its own process, which is killed with all processes that it started."""

    memory_mb: int = 1024
    """Address space of each of its processes, in MiB."""
    cpu_seconds: int | None = None
    """CPU time of each of its processes, in seconds; None for slightly more than the timeout."""
    files_mb: int = 64
    """The largest file that it can write, in MiB."""
    processes: int = 64
    """Maximum number of processes (where the system counts them per sandbox)."""
    environment: tuple[str, ...] = ()
    """Names of the environment variables that it receives; it sees no others."""
    network: bool | None = None
    """False: no network access, or it is not started. None: any network its user can reach."""
    keeps_workspace: bool = False
    """Whether it works in a permanent folder; otherwise in a fresh one that is deleted."""
    confine: Literal["require", "auto", "off"] | None = None
    """Whether the kernel must confine it; None for whichever confinement the system has."""
    reads: tuple[str, ...] | None = None
    """Extra paths that it can read when confined, besides system programs and imported code."""
    writes: tuple[str, ...] | None = None
    """Extra paths that it can read and change when confined, besides its working folder."""
    unix: bool | None = None
    """True: it may open Unix sockets."""


class Rate(Data):
    """A maximum number of calls in any period, over all runs of a runtime."""

    calls: int
    seconds: float = 60.0


class Cache(Data):
    """The result of a `read` tool is reused for the same arguments."""

    ttl: float = 300.0
    """Seconds for which a result is valid."""
    shared: bool = False
    """Whether other runs may use it too."""


Effect: TypeAlias = Literal["read", "keyed", "once"]
"""read: may be repeated. keyed: repeated with the same idempotency key. once: never repeated."""


class Approval(Data):
    """When a person must approve a call before it starts."""

    when: Literal["always", "matches", "function"]
    """always; if the arguments match `schema`; or if a user function says so."""
    argument_schema: dict[str, Json] | None = None
    """For `matches`: a JSON schema; a call whose arguments match it needs approval."""
    expires: float | None = None
    """Seconds after which an open request expires; None for never."""


class Deferral(Data):
    """The answer of a call comes later, from outside; until then the run waits, holding nothing."""

    expires: float | None = None
    """Seconds after which the call ends without an answer; None for never."""
    if_expired: str | None = None
    """What the model is told then; None for words that say so."""
    counts: bool = True
    """Whether the wait counts towards `Limits.max_seconds`."""


class Retry(Data):
    """How often a failed call is tried, and the waiting time in between (seconds)."""

    attempts: int = 4
    """Including the first attempt."""
    base: float = 0.5
    cap: float = 30.0
