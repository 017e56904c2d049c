"""Settings of a Runtime and of a run, in groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from playhead.events.errors import UsageError
from playhead.events.event import Block
from playhead.service.quotas import Quota
from playhead.telemetry.alerts import Alerts
from playhead.tools.models.rate_limit import BreakerRule, RateLimit
from playhead.tools.validation.did_you_mean import nearest

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """How much a Runtime does at once, over all runs."""

    open_runs: int = 10_000
    """Maximum number of open runs; `start` refuses more."""
    model_calls: int = 256
    """Maximum number of concurrent model calls; others wait in order."""
    sync_tools: int = 8
    """Threads for synchronous tools."""
    rate_limits: Mapping[str, RateLimit] = field(default_factory=dict[str, RateLimit])
    """Requests and tokens per minute, by model ("*": any other); calls wait."""
    breaker: BreakerRule | None = None
    """When calls to a repeatedly failing endpoint are suspended, and for how long."""
    quotas: Sequence[Quota] = ()
    """What the runs of a tenant, a session or an agent may use together in a period."""


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """What a Runtime reports about its runs."""

    tracer_provider: "TracerProvider | None" = None
    """Receives the spans; by default one that the OTEL_* variables configure."""
    meter_provider: "MeterProvider | None" = None
    """Receives the metrics; by default one that the OTEL_* variables configure."""
    alerts: Alerts | None = None
    """The alert rules checked after each run, and who is notified."""
    content: bool = False
    """Whether spans contain prompts, arguments, results and error messages."""


class RunOptions(TypedDict, total=False):
    """The keywords of `Runtime.start` and `Runtime.run`."""

    session: str | None
    """The conversation that the run continues; one run of a session is open at a time."""
    metadata: Mapping[str, str]
    """The program's own labels, recorded with the run."""
    content: Sequence[Block]
    """Images and documents that belong to the goal, as API content blocks."""
    tools: Sequence[str] | None
    """The agent's tools and groups that the run may use; None for all."""
    namespace: str | None
    """Whose memory the run reads and writes: a user, a customer, a project; by default the one that
    the agent's `memory` names, if any."""


def check_options(options: RunOptions) -> RunOptions:
    """The same options. Raises UsageError for an unknown option."""
    for unknown in options.keys() - RunOptions.__annotations__.keys():
        close = nearest(unknown, RunOptions.__annotations__)
        msg = f"a run has no option {unknown}=" + (f": {close}=?" if close else "")
        raise UsageError(msg)
    return options
