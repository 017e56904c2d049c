"""Plain data that the rooms share and RunStarted records: what an agent is, apart from its code."""

from typing import Literal, TypeAlias

from pydantic import Field, field_validator

from playhead.events.errors import UsageError
from playhead.events.event import Block, Data, Json
from playhead.events.spec.memory import MemoryRules
from playhead.events.spec.plan import PlanRules, Strategy
from playhead.events.spec.prices import Price
from playhead.events.spec.routing import Budget, Route, Target
from playhead.events.spec.tool import Approval, Cache, Effect, Rate, Retry, SandboxPolicy


class ToolSpec(Data):
    """A tool as the model and the roles see it: everything but its code."""

    name: str
    description: str
    input_schema: dict[str, Json]
    """Strict JSON schema of the arguments (an object)."""
    effect: Effect = "once"
    timeout: float = 60.0
    """Seconds until one attempt is given up."""
    probe: bool = False
    """Whether recovery can ask the tool what became of a call."""
    approval: Approval | None = None
    """When a person must agree first; None for never."""
    performer: Literal["tool", "memory", "agent"] = "tool"
    agent: "AgentSpec | None" = None
    """Performed by a run of its own of this agent."""
    sandbox: SandboxPolicy | None = None
    """The process of its own that it runs in; None for this process."""
    retry: Retry | None = None
    """How often an attempt that may work later is made again; None for once. Not for `once`."""
    concurrency: int | None = None
    """Calls at once, over all runs."""
    rate: Rate | None = None
    cache: Cache | None = None
    """For `read` tools."""
    max_chars: int | None = None
    """Characters of a result that the model sees; None for the context's own bound."""
    when_empty: str | None = None
    """What to try when the result is empty, told to the model with it."""
    source: str | None = None
    """Where it comes from, if not from this program: an MCP server's name."""
    original: str | None = None
    """What it is called there, where that is no name for the model API."""
    definition: str = ""
    """SHA-256 (hex) over all of the above: what an approval and a recorded intent are bound to."""


Status: TypeAlias = Literal["running", "paused", "finished", "failed", "cancelled"]


class Limits(Data):
    """Hard limits of a run; None is no limit. Reserved in the turn that decides the call."""

    max_steps: int = 25
    """Rounds: a model call and its tools. Every run has this limit: None is refused."""
    max_model_calls: int | None = None
    """Attempts of model calls, retries included, also those that an outage makes fail."""
    max_tool_calls: int | None = None
    max_tokens: int | None = None
    """Input and output tokens over the run."""
    max_cost: float | None = None
    """US dollars over the run; every model that may be asked needs a known price then."""
    max_seconds: float | None = None
    """Wall clock from the run's first record. It stands still while the run only waits for a person
    or for a model that is down. Work beside the wait counts (a child's too), and so does a pause.
    """
    max_outage_seconds: float = 6 * 3600.0
    """How long, from the first failure on, a model that is overloaded, rate limited or out of reach
    is asked again before its step fails; with 0 it fails once the retries are used up."""

    @field_validator("max_steps", mode="before")
    @classmethod
    def _bounded(cls, value: object) -> object:
        if value is None:
            msg = "Limits(max_steps=None): every run has a limit of steps: give a number"
            raise UsageError(msg)
        return value


class Threshold(Data):
    """How often until the model is told, and how often until the run is stopped; 0 is never."""

    warn: int
    stop: int


class LoopRules(Data):
    """What counts as going in circles, within one step.

    All count rounds: the calls of one reply are one round, however many they are.
    """

    same_answer: Threshold = Threshold(warn=3, stop=5)
    """Rounds in a row with the same answer to the same call, and nothing new beside it."""
    same_failure: Threshold = Threshold(warn=2, stop=4)
    """Rounds in a row in which the same call failed, and nothing new came beside it."""
    cycle: Threshold = Threshold(warn=3, stop=5)
    """The same two to four rounds with the same answers, over and over."""
    no_progress: Threshold = Threshold(warn=8, stop=16)
    """Rounds in a row that brought nothing new: failures, and answers that were known."""


class ModelSettings(Data):
    """How the model is asked."""

    model: str
    max_tokens: int = 4096
    retry: Retry = Retry()
    extra: dict[str, Json] = Field(default_factory=dict)
    """Further fields of the request body, verbatim (temperature, metadata...)."""
    thinking: dict[str, Json] | None = None
    """As the API has it: {"type": "enabled", "budget_tokens": 2000}, {"type": "adaptive"}..."""
    tool_choice: dict[str, Json] | None = None
    """As the API has it; a forced one (any, tool) holds for the first request of a step only."""
    stop_sequences: tuple[str, ...] = ()
    strict_tools: bool = False
    """Ask the API to hold calls to their schemas."""
    server_tools: tuple[Block, ...] = ()
    """Tools that the API performs itself, verbatim."""
    cache: Literal["off", "5m", "1h"] = "5m"
    """How long the API is asked to keep the prompt."""


class AgentSpec(Data):
    """An agent as data: all that deciding and rendering need."""

    name: str
    instructions: str
    model: ModelSettings
    tools: tuple[ToolSpec, ...] = ()
    limits: Limits = Limits()
    loops: LoopRules = LoopRules()
    output_schema: dict[str, Json] | None = None
    """JSON schema of the answer; None for text."""
    output_rule: bool = False
    """Whether the answer's type is asked too whether it takes an answer that fits the schema."""
    task_type: str = "reasoning"
    """The type of its steps, for routing, where a step does not say."""
    routing: dict[str, Route] = Field(default_factory=dict)
    """Type of task -> who is asked; for any other type it is `model.model`."""
    fallback: tuple[Target, ...] = ()
    """Asked in turn when `model.model` is overloaded, does not answer, or refuses."""
    router: bool = False
    """Whether a function of the user's is asked for each step's type."""
    prices: dict[str, Price] = Field(default_factory=dict)
    """Model -> its price when the run started; a model that is missing has no known price."""
    price_table: str = ""
    """Where the prices came from, and of which version."""
    budget: Budget = Budget()
    memory: MemoryRules = MemoryRules()
    strategy: Strategy | Literal["auto", "asked"] = "auto"
    """auto: chosen by stated rules. asked: a function of the user's is asked."""
    plan: PlanRules = PlanRules()


ToolSpec.model_rebuild()  # an agent's tool may be an agent


class Parent(Data):
    """The call that a run is the child of."""

    run: str
    seq: int
    """Of its ChildStarted."""
    forks: tuple[str, ...] = ()
    """The forks that the other run is, or was started by."""


class Past(Data):
    """The last record of the session's last ended run: only its context is read."""

    run: str
    seq: int
    hash: str
