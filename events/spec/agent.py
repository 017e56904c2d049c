"""Plain data that the rooms share and RunStarted records: what an agent is, apart from its code."""

from typing import Literal, TypeAlias

from pydantic import Field, field_validator

from playhead.events.errors import UsageError
from playhead.events.event import Block, Data, Json
from playhead.events.spec.guardrails import GuardrailSpec
from playhead.events.spec.memory import MemoryRules
from playhead.events.spec.plan import PlanRules, Strategy
from playhead.events.spec.prices import Price
from playhead.events.spec.routing import Budget, Route, Target
from playhead.events.spec.skills import SkillSpec
from playhead.events.spec.tool import Approval, Cache, Deferral, Effect, Rate, Retry, SandboxPolicy


class ToolSpec(Data):
    """A tool as the model and the roles see it: everything but its code."""

    name: str
    description: str
    input_schema: dict[str, Json]
    """Strict JSON schema of the arguments (an object)."""
    effect: Effect = "once"
    timeout: float = 60.0
    """Seconds until an attempt times out."""
    probe: bool = False
    """Whether recovery can ask the tool for a call's outcome."""
    approval: Approval | None = None
    """When a person must approve first; None for never."""
    performer: Literal["tool", "memory", "agent"] = "tool"
    agent: "AgentSpec | None" = None
    """The agent whose run performs the call."""
    handoff: bool | None = None
    """Whether that agent takes the conversation over: its answer is the run's; None for no."""
    sandbox: SandboxPolicy | None = None
    """The separate process that it runs in; None for this process."""
    retry: Retry | None = None
    """How often an attempt that may succeed later is repeated; None for never. Not for `once`."""
    concurrency: int | None = None
    """Maximum concurrent calls, over all runs."""
    rate: Rate | None = None
    cache: Cache | None = None
    """For `read` tools."""
    max_chars: int | None = None
    """Characters of a result that the model sees; None for the default limit."""
    when_empty: str | None = None
    """Advice to the model when the result is empty; None for the general advice, "" for none."""
    source: str | None = None
    """Its origin, if not this program: an MCP server's name."""
    original: str | None = None
    """Its name on the server, if that is not a valid name for the model API."""
    deferred: Deferral | None = None
    """Its answer always comes later; None for a tool that may defer, or that answers at once."""
    answer_schema: dict[str, Json] | None = None
    """JSON schema of that answer, if it is `deferred`; None for any JSON value."""
    type: str | None = None
    """The API's versioned type, if the API itself tells the model what the tool does."""
    request: dict[str, Json] | None = None
    """Further fields of its definition in requests, verbatim (strict, defer_loading...)."""
    definition: str = ""
    """SHA-256 (hex) of all of the above, to which approvals and recorded intents are bound."""


Status: TypeAlias = Literal["running", "paused", "finished", "failed", "cancelled"]


class Limits(Data):
    """Hard limits of a run; None means unlimited. Reserved in the turn that decides the call."""

    max_steps: int = 25
    """Rounds: a model call and its tools. Every run has this limit: None is refused."""
    max_model_calls: int | None = None
    """Attempts of model calls, including retries and those that fail in an outage."""
    max_tool_calls: int | None = None
    max_tokens: int | None = None
    """Input and output tokens over the run."""
    max_cost: float | None = None
    """US dollars over the run; requires a known price for every model that may be asked."""
    max_seconds: float | None = None
    """Wall clock from the run's first record. It stands still while the run only waits for a
    person's approval or for a model that is down. Work beside the wait counts (a child's too), and
    so do a pause, the tool `wait`, and a deferred call unless it says `counts=False`."""
    max_outage_seconds: float = 6 * 3600.0
    """Seconds, from the first failure on, for which a model that is overloaded, rate limited or
    unreachable is asked again before its step fails; with 0 it fails after the retries."""

    @field_validator("max_steps", mode="before")
    @classmethod
    def _bounded(cls, value: object) -> object:
        if value is None:
            msg = "Limits(max_steps=None): every run has a limit of steps: give a number"
            raise UsageError(msg)
        return value


class Threshold(Data):
    """Repeats before the model is warned, and before the run is stopped; 0 means never."""

    warn: int
    stop: int


class LoopRules(Data):
    """What counts as a loop, within one step.

    All thresholds count rounds: the calls of one reply are one round, however many there are.
    """

    same_answer: Threshold = Threshold(warn=3, stop=5)
    """Rounds in a row with the same answer to the same call, and nothing else new."""
    same_failure: Threshold = Threshold(warn=2, stop=4)
    """Rounds in a row in which the same call failed, and nothing else was new."""
    cycle: Threshold = Threshold(warn=3, stop=5)
    """Repeats of the same two to four rounds with the same answers."""
    no_progress: Threshold = Threshold(warn=8, stop=16)
    """Rounds in a row that returned nothing new: failures, and known answers."""


class ModelSettings(Data):
    """How the model is asked."""

    model: str
    max_tokens: int = 4096
    retry: Retry = Retry()
    extra: dict[str, Json] = Field(default_factory=dict)
    """Additional fields of the request body, verbatim (temperature, metadata...)."""
    thinking: dict[str, Json] | None = None
    """In the API's format: {"type": "enabled", "budget_tokens": 2000}, {"type": "adaptive"}..."""
    tool_choice: dict[str, Json] | None = None
    """In the API's format; a forced choice (any, tool) applies only to a step's first request."""
    stop_sequences: tuple[str, ...] = ()
    strict_tools: bool = False
    """Ask the API to enforce the tools' schemas."""
    server_tools: tuple[Block, ...] = ()
    """Tools that the API performs itself, verbatim."""
    cache: Literal["off", "5m", "1h"] = "5m"
    """How long the API keeps the prompt."""


class AgentSpec(Data):
    """An agent as data: everything needed for deciding and rendering."""

    name: str
    instructions: str
    instructions_asked: bool | None = None
    """Whether a user function is asked for them when a run starts."""
    model: ModelSettings
    tools: tuple[ToolSpec, ...] = ()
    limits: Limits = Limits()
    loops: LoopRules = LoopRules()
    output_schema: dict[str, Json] | None = None
    """JSON schema of the answer; None for text."""
    output_rule: bool = False
    """Whether the output type must also accept an answer that matches the schema."""
    task_type: str = "reasoning"
    """The default type of its steps, for routing."""
    routing: dict[str, Route] = Field(default_factory=dict)
    """Type of task -> its models; any other type uses `model.model`."""
    fallback: tuple[Target, ...] = ()
    """Asked in turn when `model.model` is overloaded, does not answer, or refuses."""
    router: bool = False
    """Whether a user function is asked for each step's type."""
    prices: dict[str, Price] = Field(default_factory=dict)
    """Model -> its price when the run started; a missing model has an unknown price."""
    price_table: str = ""
    """The source of the prices, and its version."""
    budget: Budget = Budget()
    memory: MemoryRules = MemoryRules()
    strategy: Strategy | Literal["auto", "asked"] = "auto"
    """auto: chosen by stated rules. asked: a user function is asked."""
    plan: PlanRules = PlanRules()
    guardrails: tuple[GuardrailSpec, ...] = ()
    """In the order in which they judge."""
    skills: tuple[SkillSpec, ...] = ()
    """What `instructions` lists, and the tools load: exactly these versions."""


ToolSpec.model_rebuild()  # an agent's tool may be an agent


class Parent(Data):
    """The call that started a child run."""

    run: str
    seq: int
    """The seq of its ChildStarted."""
    forks: tuple[str, ...] = ()
    """The forks that the parent is, or was started by."""


class Past(Data):
    """The last record of the session's last ended run, from which only the context is read."""

    run: str
    seq: int
    hash: str
