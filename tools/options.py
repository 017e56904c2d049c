"""The options of `@tool`, and how they become the recorded policy."""

import math
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypedDict

from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.events.spec.tool import Cache, Deferral, Effect, Rate, Retry, SandboxPolicy
from playhead.tools.validation.did_you_mean import nearest
from playhead.tools.validation.schemas import text_fault


@dataclass(frozen=True, slots=True)
class Done:
    """A probe found that the call took effect. `result` is what the tool would have returned."""

    result: object = None


@dataclass(frozen=True, slots=True)
class NotDone:
    """A probe found that the call never took effect."""


Found: TypeAlias = Done | NotDone | None
"""A probe's answer; None when it cannot tell."""

Probe: TypeAlias = Callable[[str], Found] | Callable[[str], Awaitable[Found]]
"""Called at recovery with the idempotency key of a call that was cut off."""

ApprovalRule: TypeAlias = (
    Callable[[dict[str, Json]], bool] | Callable[[dict[str, Json]], Awaitable[bool]]
)
"""Called with a call's arguments; returns whether a person must approve it."""

NeedsApproval: TypeAlias = bool | dict[str, Json] | ApprovalRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Subprocess:
    """Run a tool in a process of its own, killed together with everything it started."""

    memory_mb: int = 1024
    cpu_seconds: int | None = None
    files_mb: int = 64
    processes: int = 64
    network: bool = True
    """False: no network access; where the system cannot enforce that, calls are refused."""
    workspace: str | os.PathLike[str] | None = None
    """Its working folder; None for a new one per call, deleted afterwards."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """All environment variables that it sees. Their values are not recorded."""
    confine: Literal["require", "auto", "off"] | None = None
    """Whether the kernel holds it to this (docs/tools.md): `require` refuses the call where it
    cannot, `auto` takes what there is. None: `require` for code tools, `auto` for others."""
    reads: Sequence[str | os.PathLike[str]] = ()
    """What it can read, confined, beside the system's programs and the code that it imports."""
    writes: Sequence[str | os.PathLike[str]] = ()
    """What it can read and change, confined, beside the folder that it works in."""
    unix: bool = False
    """Whether it may open Unix sockets, confined: such as those of a database or of Docker."""

    def __post_init__(self) -> None:
        if self.confine not in ("require", "auto", "off", None):
            msg = f'Subprocess(confine={self.confine!r}): choose "require", "auto" or "off"'
            raise UsageError(msg)


class ToolPolicy(TypedDict, total=False):
    """How calls of a tool are performed and shown."""

    effect: Effect
    """`read`: may be repeated. `keyed`: repeated with the same `ToolContext.key`. `once` (the
    default): never started twice."""
    timeout: float
    """Seconds for one attempt; 60 by default."""
    probe: Probe | None
    """Finds out after a crash whether a call took effect."""
    approval: NeedsApproval
    """True: a person approves each call. A JSON schema: calls whose arguments fit it. A function
    from the arguments to a bool: calls for which it returns True."""
    approval_expires: float | None
    """Seconds after which a pending request expires."""
    subprocess: bool | Subprocess
    """Run it in a process of its own. Only for functions at the top level of a module."""
    retry: Retry | int | None
    """Attempts, or a Retry, for a `read` or `keyed` call that times out, loses its connection, or
    raises `ToolError(retry_after=...)`."""
    retry_on: tuple[type[BaseException], ...]
    """Exceptions after which the same call may work later; connection errors and timeouts by
    default."""
    concurrency: int | None
    """Calls at the same time, over all runs."""
    rate: Rate | None
    """Calls per span of time, over all runs."""
    cache: Cache | float | bool
    """For `read` tools: seconds for which a result is reused (True: 300)."""
    max_chars: int | None
    """Characters of a result that the model sees. The log keeps the whole (`read_result`)."""
    deferred: bool | Deferral
    """Its answer comes later, through `runtime.complete` or `runtime.fail`: the function only
    begins the work (it may also just return None), and its return annotation is the type of that
    answer. A tool that sometimes answers at once raises `CallDeferred` instead."""
    when_empty: str | None
    """What the model is told to try when the result is empty. None: nothing, because an empty
    result is an answer like any other. By default: to try other arguments."""
    type: str | None
    """A versioned type of the API ("bash_20250124"): the API tells the model what the tool does,
    and the function performs it. Its name is the API's."""
    strict: bool | None
    """Whether the API enforces its schema; the agent's `strict_tools` by default."""
    defer_loading: bool
    """Whether the model is told of it only when a tool search has found it."""
    cache_mark: bool
    """Put the prompt cache's mark on this tool instead of the agent's last one."""
    input_examples: Sequence[Mapping[str, Json]]
    """Arguments of example calls, shown to the model; each must fit the schema."""
    extra: Mapping[str, Json]
    """Additional fields of its definition in requests, verbatim."""


class ToolOptions(ToolPolicy, total=False):
    """The keywords of `@tool`."""

    name: str | None
    """The name that the model uses; the function's name by default."""
    description: str | None
    """What the model is told; the docstring by default."""
    input_schema: Mapping[str, Json] | type[Any]
    """The JSON schema of the arguments, which the function then takes in one parameter
    (`arguments: dict`), as keywords (`**arguments`), or one by one. A Pydantic model, or another
    type of an object: the function takes one parameter of that type."""


TRANSIENT: tuple[type[BaseException], ...] = (ConnectionError, TimeoutError)
"""Exceptions after which the same call may work later."""


def policy(name: str, options: ToolOptions) -> dict[str, Any]:
    """The options as fields of a ToolSpec. Raises UsageError for invalid options."""
    for unknown in options.keys() - ToolOptions.__annotations__.keys():
        close = nearest(unknown, ToolOptions.__annotations__)
        msg = f"tool {name}: unknown option {unknown}=" + (
            f": did you mean {close}=?" if close else ""
        )
        raise UsageError(msg)
    effect = options.get("effect", "once")
    return {
        "timeout": _positive(name, "timeout", options.get("timeout", 60.0)),
        "probe": options.get("probe") is not None,
        "sandbox": _sandbox(name, as_subprocess(options.get("subprocess", False))),
        "retry": _retry(name, effect, options.get("retry")),
        "concurrency": _count(name, "concurrency", options.get("concurrency")),
        "rate": _rate(name, options.get("rate")),
        "cache": _cache(name, effect, options.get("cache", False)),
        "max_chars": _count(name, "max_chars", options.get("max_chars")),
        "when_empty": _when_empty(name, options),
        "deferred": _deferral(name, options),
    }


def _when_empty(name: str, options: ToolOptions) -> str | None:
    """An empty text records that nothing is to be told; None, that nothing was said about it."""
    given: Any = options.get("when_empty")
    if given is not None and not isinstance(given, str):
        msg = f"tool {name}: when_empty={given!r:.80} must be a text, or None to tell nothing"
        raise UsageError(msg)
    if given is not None and (fault := text_fault("when_empty=", given)) is not None:
        msg = f"tool {name}: {fault}"
        raise UsageError(msg)
    return (options["when_empty"] or "") if "when_empty" in options else None


def as_subprocess(given: bool | Subprocess) -> Subprocess | None:
    """`subprocess=True` is a Subprocess with every default."""
    return given if isinstance(given, Subprocess) else Subprocess() if given else None


def _sandbox(name: str, given: Subprocess | None) -> SandboxPolicy | None:
    """The part that is recorded."""
    if given is None:
        return None
    for bound in ("memory_mb", "cpu_seconds", "files_mb", "processes"):
        _count(name, f"Subprocess({bound})", getattr(given, bound))
    return SandboxPolicy(
        memory_mb=given.memory_mb,
        cpu_seconds=given.cpu_seconds,
        files_mb=given.files_mb,
        processes=given.processes,
        network=None if given.network else False,
        environment=tuple(sorted(given.environment)),
        keeps_workspace=given.workspace is not None,
        confine=given.confine,
        reads=tuple(os.fspath(path) for path in given.reads) or None,
        writes=tuple(os.fspath(path) for path in given.writes) or None,
        unix=given.unix or None,
    )


def _rate(name: str, rate: Rate | None) -> Rate | None:
    if rate is not None:
        _count(name, "Rate(calls)", rate.calls)
        _positive(name, "Rate(seconds)", rate.seconds)
    return rate


def _retry(name: str, effect: Effect, given: Retry | int | None) -> Retry | None:
    if given is None:
        return None
    if effect == "once":
        msg = f"tool {name}: a `once` tool is never started twice: remove retry="
        raise UsageError(msg)
    retry = Retry(attempts=given) if isinstance(given, int) else given
    _count(name, "retry", retry.attempts)
    return retry


def _cache(name: str, effect: Effect, given: Cache | float | bool) -> Cache | None:
    if given is False:
        return None
    if effect != "read":
        msg = f'tool {name}: only a tool with effect="read" can be cached'
        raise UsageError(msg)
    if given is True:
        return Cache()
    cache = given if isinstance(given, Cache) else Cache(ttl=given)
    _positive(name, "cache", cache.ttl)
    return cache


def _deferral(name: str, options: ToolOptions) -> Deferral | None:
    given = options.get("deferred", False)
    if given is False:
        return None
    if options.get("cache", False) is not False:
        msg = f"tool {name}: a deferred answer is not cached: remove cache="
        raise UsageError(msg)
    deferral = Deferral() if given is True else given
    if deferral.expires is not None:
        _positive(name, "Deferral(expires)", deferral.expires)
    return deferral


def _positive(name: str, what: str, seconds: float) -> float:
    if not 0 < seconds < math.inf:
        msg = f"tool {name}: {what}={seconds!r} must be a positive number of seconds"
        raise UsageError(msg)
    return seconds


def _count(name: str, what: str, number: int | None) -> int | None:
    if number is not None and number < 1:
        msg = f"tool {name}: {what}={number!r} must be at least 1"
        raise UsageError(msg)
    return number
