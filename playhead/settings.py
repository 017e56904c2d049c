"""Settings of a Runtime and of a run, in groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from pydantic_core import PydanticSerializationError, to_jsonable_python

from playhead.events.errors import UsageError
from playhead.events.event import Block, Json
from playhead.events.spec.agent import Limits
from playhead.service.quotas import Quota
from playhead.telemetry.alerts import Alerts
from playhead.tools.models.rate_limit import BreakerRule, RateLimit
from playhead.tools.validation.did_you_mean import nearest

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from playhead.definition.agent import Agent, Instructions
    from playhead.events.model_api import Model
    from playhead.tools.groups import Toolset
    from playhead.tools.tool import AnyTool


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
    idempotency_key: str | None
    """Start the run once: the same key gives the same run, whatever crashed in between, also in
    another process. With another goal or agent it is an error."""
    message_history: "Sequence[Mapping[str, Any]]"
    """Messages from elsewhere, in the API's form, that the run continues; recorded with it."""
    tools: "Sequence[str | AnyTool | Toolset | Agent[Any]] | None"
    """What the run may use: the agent's own tools and groups by their names, and tools of its own;
    None for the agent's tools."""
    instructions: "str | Instructions | None"
    """Its instructions, in place of the agent's."""
    model: "str | Model | None"
    """Its model, for everything: the agent's routing and fallbacks do not apply."""
    limits: Limits | None
    """Its limits, in place of the agent's."""
    output: type[Any] | None
    """The type of its answer, in place of the agent's."""
    namespace: str | None
    """Whose memory the run reads and writes: a user, a customer, a project; by default the one that
    the agent's `memory` names, if any."""


def recorded_options(options: RunOptions) -> dict[str, Json]:
    """The options as JSON. Raises UsageError for one that cannot be recorded."""
    try:
        return {name: to_jsonable_python(value) for name, value in options.items()}
    except PydanticSerializationError as error:
        msg = f"the options of a schedule are kept in the log, and these are not JSON: {error}"
        raise UsageError(msg) from error


def check_options(options: RunOptions) -> RunOptions:
    """The same options. Raises UsageError for an unknown option."""
    for unknown in options.keys() - RunOptions.__annotations__.keys():
        close = nearest(unknown, RunOptions.__annotations__)
        msg = f"a run has no option {unknown}=" + (f": {close}=?" if close else "")
        raise UsageError(msg)
    return options
