"""An agent as its author writes it; `spec` is the agent as a run records it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

from pydantic import TypeAdapter
from typing_extensions import TypeVar

from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.events.request import Model
from playhead.events.spec import AgentSpec, Limits, ModelSettings, Retry
from playhead.tools.tool import AnyTool, by_name

DEFAULT_MODEL = "claude-sonnet-4-6"

Out = TypeVar("Out", default=str, covariant=True)


@dataclass(frozen=True, kw_only=True)
class Agent(Generic[Out]):
    """What an agent is: a name, instructions, a model, tools, limits, the type of its answer.

    `Agent(..., output=Rate)` is an `Agent[Rate]`: its runs' `result.output` is a `Rate`.
    """

    name: str
    """Known to the Runtime by it: a run is taken up again only by the agent of the same name."""
    instructions: str = ""
    """The system prompt."""
    model: str | Model = DEFAULT_MODEL
    """A model's name, or what answers requests itself (`playhead.testing.ScriptedModel`)."""
    tools: Sequence[AnyTool] = ()
    output: type[Out] | None = None
    """A type that Pydantic can validate; None for text."""
    limits: Limits = field(default_factory=Limits)
    max_tokens: int = 4096
    """The longest reply, in tokens."""
    retry: Retry = field(default_factory=Retry)
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Further fields of each request, verbatim (thinking, temperature, metadata...)."""

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable():
            msg = "an agent needs a name of printable characters"
            raise UsageError(msg)
        by_name(self.tools)

    @property
    def model_name(self) -> str:
        """The model as requests name it."""
        return self.model if isinstance(self.model, str) else getattr(self.model, "name", "custom")

    def spec(self) -> AgentSpec:
        """The agent as data: what RunStarted records."""
        return AgentSpec(
            name=self.name,
            instructions=self.instructions,
            model=ModelSettings(
                model=self.model_name,
                max_tokens=self.max_tokens,
                retry=self.retry,
                extra=dict(self.extra),
            ),
            tools=tuple(tool.spec for tool in self.tools),
            limits=self.limits,
            output_schema=self._schema(),
        )

    def read_output(self, answer: str, output: Json) -> Out:
        """The answer as the agent's output type. Raises pydantic.ValidationError."""
        if self.output is None or self.output is str:
            return answer  # type: ignore[return-value]
        return TypeAdapter(self.output).validate_python(output)

    def _schema(self) -> dict[str, Json] | None:
        if self.output is None or self.output is str:
            return None
        return TypeAdapter(self.output).json_schema()
