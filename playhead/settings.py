"""What a Runtime and a run can be given, in groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from playhead.events.errors import UsageError
from playhead.events.event import Block
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
    """`start` refuses to have more runs open than this."""
    model_calls: int = 64
    """Model calls under way at once; the others wait in order."""
    sync_tools: int = 8
    """Threads for synchronous tools."""
    rate_limits: Mapping[str, RateLimit] = field(default_factory=dict[str, RateLimit])
    """Requests and tokens a minute, by model ("*": any other); calls wait."""
    breaker: BreakerRule | None = None
    """When an endpoint that fails again and again rests, and for how long."""


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """What a Runtime tells about its runs to the outside."""

    tracer_provider: "TracerProvider | None" = None
    """Takes the spans; by default one that the OTEL_* variables ask for."""
    meter_provider: "MeterProvider | None" = None
    """Takes the metrics; by default one that the OTEL_* variables ask for."""
    alerts: Alerts | None = None
    """What is judged after each run, and who is told."""
    content: bool = False
    """Put prompts, arguments, results and error messages onto the spans."""


class RunOptions(TypedDict, total=False):
    """The keywords of `Runtime.start` and `Runtime.run`."""

    session: str | None
    """The conversation that the run goes on with; one run of a session is open at a time."""
    metadata: Mapping[str, str]
    """Words of the program's own, kept with the run."""
    content: Sequence[Block]
    """Images and documents that belong to the goal, as the API has them."""
    tools: Sequence[str] | None
    """Those of the agent's tools and groups that the run may see; None for all."""
    namespace: str | None
    """Whose memory the run reads and writes: a user, a customer, a project; by default the one that
    the agent's `memory` names, if any."""


def check_options(options: RunOptions) -> RunOptions:
    """The same options. Raises UsageError for one that does not exist."""
    for unknown in options.keys() - RunOptions.__annotations__.keys():
        close = nearest(unknown, RunOptions.__annotations__)
        msg = f"a run has no option {unknown}=" + (f": {close}=?" if close else "")
        raise UsageError(msg)
    return options
