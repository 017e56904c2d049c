"""An agent as its author defines it; `spec` is the agent as a run records it."""

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Literal, TypeAlias, cast

from pydantic import BaseModel, TypeAdapter
from typing_extensions import TypeVar

from playhead.definition.checks import (
    Kind,
    check_money,
    check_plan_rules,
    check_request,
    check_rules,
    check_tool_names,
    check_types,
)
from playhead.definition.guardrails import Guardrail, check_guardrails
from playhead.definition.prices import prices_for
from playhead.definition.routing import (
    DEFAULT_MODEL,
    DEFAULT_ROUTING,
    Goal,
    Routes,
    routes,
    targets,
)
from playhead.definition.strategies import (
    StrategyRule,
    Task,
    agent_as_tool,
    handoff_as_tool,
    handoff_name,
    recorded_strategy,
)
from playhead.events.errors import UsageError
from playhead.events.event import Block, Json
from playhead.events.model_api import Model
from playhead.events.spec.agent import AgentSpec, Limits, LoopRules, ModelSettings, ToolSpec
from playhead.events.spec.memory import FactSchema, MemoryRules
from playhead.events.spec.plan import PlanRules, Strategy
from playhead.events.spec.prices import Price
from playhead.events.spec.routing import Budget
from playhead.events.spec.tool import Retry
from playhead.projections.cost.targets import named_models, unbounded, unpriced
from playhead.tools.context import RunContext
from playhead.tools.groups import AnyTools, Offered, ToolGroup, Toolset, chosen, every
from playhead.tools.skills.skill import Skill, skill_tools, skills_prompt
from playhead.tools.tool import AnyTool

Instructions: TypeAlias = Callable[[RunContext], str] | Callable[[RunContext], Awaitable[str]]
"""From the run, as it was started, to its system prompt."""

UNBOUNDED = (
    "what it reads or asks is billed with the same call, and its size is not known in advance"
)

StrategyName: TypeAlias = Strategy | Literal["auto"]

Out = TypeVar("Out", default=str, covariant=True)


@dataclass(frozen=True, kw_only=True)
class Agent(Generic[Out]):
    """What an agent is: a name, instructions, a model, tools, limits, the type of its answer.

    `Agent(..., output=Rate)` is an `Agent[Rate]`: its runs' `result.output` is a `Rate`.
    """

    name: str
    """Its name in the Runtime: a run is only resumed by the agent of the same name."""
    instructions: str | Instructions = ""
    """The system prompt, or a function that returns it for a run; asked once, recorded."""
    model: str | Model = DEFAULT_MODEL
    """A model's name, or a Model object (such as `playhead.testing.ScriptedModel`)."""
    description: str = ""
    """What it is good for; shown to agents that have it as a tool."""
    tools: Sequence["AnyTool | Toolset | Agent[Any]"] = ()
    """Tools, groups, MCP servers and agents; an agent is called with a task, as its own run."""
    handoffs: Sequence["Agent[Any]"] = ()
    """Agents that may take the conversation over, by a tool `handoff_to_NAME`: they are told what
    was said and a message, and their answer is the run's. They have the same `output`."""
    strategy: StrategyName | StrategyRule = "auto"
    """How it approaches a goal: "auto" (by stated rules), "direct", "react", "plan", "function", or
    a function that chooses."""
    plan: PlanRules = field(default_factory=PlanRules)
    """Limits on its plans, and whether a person reviews them."""
    function: Task | None = None
    """A user function that does the whole task, from goal to answer: no model is asked."""
    output: type[Out] | None = None
    """A type that Pydantic can validate; None for text."""
    limits: Limits = field(default_factory=Limits)
    loops: LoopRules = field(default_factory=LoopRules)
    """The number of repeats after which the model is warned, and after which the run stops."""
    max_tokens: int = 4096
    """Maximum length of a reply, in tokens."""
    retry: Retry = field(default_factory=Retry)
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Additional fields of each request, verbatim (temperature, metadata...)."""
    thinking: Mapping[str, Json] | None = None
    """In the API's format: {"type": "enabled", "budget_tokens": 2000}, {"type": "adaptive"}..."""
    tool_choice: Mapping[str, Json] | None = None
    """In the API's format; a forced choice applies only to the first request of a step."""
    stop_sequences: Sequence[str] = ()
    strict_tools: bool = False
    """Ask the API to enforce the tools' schemas."""
    server_tools: Sequence[Block] = ()
    """Tools that the API performs itself (web search...), verbatim."""
    cache: Literal["off", "5m", "1h"] = "5m"
    """How long the API caches the prompt; writing costs 1.25 or 2 x the input, reading 0.1 x."""
    task_type: str = "reasoning"
    """The type of its tasks, by which the model is chosen."""
    routing: Routes | None = None
    """Type of task -> model, or a ladder of models; merged over the default table if `model` is the
    default one, otherwise used alone. A type without an entry uses `model`."""
    fallback: Sequence[Goal] = ()
    """Asked in turn when the first model is overloaded, does not answer, or refuses."""
    router: Callable[[str], str] | None = None
    """Receives a step's goal and returns the type of the task; asked once per step, recorded."""
    budget: Budget = field(default_factory=Budget)
    """What happens when the cost comes near `limits.max_cost`."""
    memory: MemoryRules = field(default_factory=MemoryRules)
    """When older turns are compressed, whose memory is read, and how much is recalled."""
    facts: type[BaseModel] | None = None
    """A Pydantic model of the facts to learn: they are extracted after the answer."""
    skills: Sequence[str | os.PathLike[str]] = ()
    """Folders of Agent Skills, and files of instructions such as AGENTS.md."""
    guardrails: Sequence[Guardrail] = ()
    """Judge the input, tools' results and the answer, in this order."""
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])
    """Model -> price, if the price table does not know the model or you pay a different price."""

    def __post_init__(self) -> None:
        name = cast("object", self.name)
        if not (isinstance(name, str) and name and name.isprintable()):
            msg = "an agent needs a name of printable characters"
            raise UsageError(msg)
        self._check_types()
        self._check_handoffs()
        check_tool_names(self.name, self.tool_names)
        if self.all_tools and all(_is_deferred(tool) for tool in self.all_tools):
            msg = f"agent {self.name!r}: all tools have defer_loading: the API wants one without it"
            raise UsageError(msg)
        recorded_strategy(self.name, self.strategy, self.function)
        check_plan_rules(self.name, self.plan)
        check_money(self.name, self.limits, self.budget, self.prices)
        check_request(self.name, self.max_tokens, self.cache)
        check_rules(self.memory)
        _check_marks(self.server_tools)
        _ = self.loaded_skills
        check_guardrails(self.name, self.guardrails, function=self.function is not None)

    def _check_types(self) -> None:
        mapping = (Mapping, "a dict")
        sequence = ((list, tuple), "a list")
        kinds: dict[str, Kind] = {
            "description": (str, "a text"),
            "task_type": (str, "a text"), "max_tokens": (int, "a number"),
            "tools": sequence, "stop_sequences": sequence, "server_tools": sequence,
            "fallback": sequence, "guardrails": sequence, "skills": sequence, "handoffs": sequence,
            "extra": mapping, "prices": mapping,
            "plan": (PlanRules, "PlanRules(...)"), "limits": (Limits, "Limits(...)"),
            "loops": (LoopRules, "LoopRules(...)"), "retry": (Retry, "Retry(...)"),
            "budget": (Budget, "Budget(...)"), "memory": (MemoryRules, "MemoryRules(...)"),
        }  # fmt: skip
        check_types(self, self.name, kinds)
        if not isinstance(self.instructions, str) and not callable(self.instructions):
            shown = "instructions=None" if self.instructions is None else "instructions"
            msg = (
                f"agent {self.name!r}: {shown} must be a text, or a function of a RunContext, or "
                "be left out for the default"
            )
            raise UsageError(msg)
        if not isinstance(self.model, str) and not callable(getattr(self.model, "reply", None)):
            msg = (
                f"agent {self.name!r}: model={self.model!r} must be a model's name or a Model, or "
                "be left out for the default"
            )
            raise UsageError(msg)

    def _check_handoffs(self) -> None:
        for each in cast("Sequence[object]", self.handoffs):
            if not isinstance(each, Agent):
                msg = f"agent {self.name!r}: handoffs={each!r} must be agents"
                raise UsageError(msg)
            if each.schema() != self.schema():
                msg = (
                    f"agent {self.name!r} hands over to {each.name!r}, whose output= differs: "
                    "its answer would be the run's, so give both the same type"
                )
                raise UsageError(msg)

    @property
    def agents(self) -> list["Agent[Any]"]:
        """Its tools that are agents, and those that it may hand over to."""
        return [*(tool for tool in self.tools if isinstance(tool, Agent)), *self.handoffs]

    @property
    def model_name(self) -> str:
        """The model's name in requests."""
        return self.model if isinstance(self.model, str) else getattr(self.model, "name", "custom")

    @property
    def tool_names(self) -> list[tuple[str, str]]:
        """The names that the model may call, from every source, and what each one is."""
        return [*((tool.spec.name, "a tool") for tool in self.all_tools), *self.other_names]

    @property
    def other_names(self) -> list[tuple[str, str]]:
        """Those that are not of its own or its servers' tools: agents, and tools of the API."""
        names = [(tool.name, "an agent") for tool in self.tools if isinstance(tool, Agent)]
        names += [(handoff_name(agent.name), "a handoff") for agent in self.handoffs]
        in_extra = self.extra.get("tools")
        given = [*self.server_tools, *(in_extra if isinstance(in_extra, list) else ())]
        named = [each["name"] for each in given if isinstance(each, dict) and "name" in each]
        return [*names, *((str(name), "a server tool") for name in named)]

    @property
    def all_tools(self) -> list[AnyTool]:
        """Its tools, including those of groups and connected servers."""
        return every(self.functions)

    @property
    def functions(self) -> AnyTools:
        """Its tools that are not agents; groups and servers as they were given."""
        return [*self._own_tools, *self._skill_tools] if self.skills else self._own_tools

    @cached_property
    def _own_tools(self) -> AnyTools:
        own = [tool for tool in self.tools if not isinstance(tool, Agent)]
        return [
            Offered(tool) if isinstance(tool, Toolset) and not isinstance(tool, ToolGroup) else tool
            for tool in own
        ]

    @property
    def offered(self) -> list[Offered]:
        """Its servers, each as this agent is offered its tools."""
        return [each for each in self._own_tools if isinstance(each, Offered)]

    @cached_property
    def loaded_skills(self) -> tuple[Skill, ...]:
        """Its skills, as they were when it was defined."""
        found = tuple(map(Skill, self.skills))
        if len({skill.spec.name for skill in found}) < len(found):
            msg = f"agent {self.name!r}: two of its skills have the same name"
            raise UsageError(msg)
        return found

    @cached_property
    def _skill_tools(self) -> list[AnyTool]:
        return skill_tools(self.loaded_skills)

    def _instructions(self) -> str:
        own = self.instructions if isinstance(self.instructions, str) else ""
        if not self.skills:
            return own
        usable = [skill for skill in self.loaded_skills if skill.refused is None]
        return "\n\n".join(filter(None, [own, skills_prompt(usable)]))

    def spec(self, only: Iterable[str] | None = None, namespace: str | None = None) -> AgentSpec:
        """The agent as data: what RunStarted records, with all its tools or only those chosen.

        Raises UsageError for a cost limit with a model whose price is unknown, of it or of an agent
        among its tools.
        """
        children = [agent.spec() for agent in self.agents]
        return self._priced(self._spec(only, namespace, children))

    def spec_without_prices(self) -> AgentSpec:
        """The same, whatever its models and those of the agents among its tools cost."""
        return self._spec(None, None, [agent.spec_without_prices() for agent in self.agents])

    def _spec(
        self, only: Iterable[str] | None, namespace: str | None, children: list[AgentSpec]
    ) -> AgentSpec:
        return AgentSpec(
            name=self.name,
            instructions=self._instructions(),
            instructions_asked=None if isinstance(self.instructions, str) else True,
            model=self._settings(),
            tools=self._tool_specs(only, children),
            limits=self.limits,
            loops=self.loops,
            output_schema=self.schema(),
            output_rule=self.schema() is not None,
            task_type=self.task_type,
            routing=routes(self._routing(), self.fallback),
            fallback=targets(self.fallback),
            router=self.router is not None,
            budget=self.budget,
            memory=self._memory(namespace),
            strategy=recorded_strategy(self.name, self.strategy, self.function),
            plan=self.plan,
            skills=tuple(s.spec for s in self.loaded_skills if s.refused is None),
            guardrails=tuple(guardrail.spec() for guardrail in self.guardrails),
        )

    def _tool_specs(
        self, only: Iterable[str] | None, children: list[AgentSpec]
    ) -> tuple[ToolSpec, ...]:
        names = None if only is None else list(only)
        specs = list(zip(self.agents, children, strict=True))
        called = len(specs) - len(self.handoffs)
        asked = [agent_as_tool(spec, each.description) for each, spec in specs[:called]]
        asked += [handoff_as_tool(spec, each.description) for each, spec in specs[called:]]
        asked = [spec for spec in asked if names is None or spec.name in names]
        rest = None if names is None else [n for n in names if n not in {a.name for a in asked}]
        return (*(tool.spec for tool in chosen(self.functions, rest)), *asked)

    def _memory(self, namespace: str | None) -> MemoryRules:
        update: dict[str, object] = {} if namespace is None else {"namespace": namespace}
        if self.facts is not None:
            shape = self.facts.model_json_schema()
            update["facts"] = FactSchema(name=self.facts.__name__, json_schema=shape)
        return self.memory.model_copy(update=update)

    def _settings(self) -> ModelSettings:
        return ModelSettings(
            model=self.model_name,
            max_tokens=self.max_tokens,
            retry=self.retry,
            extra=dict(self.extra),
            thinking=None if self.thinking is None else dict(self.thinking),
            tool_choice=None if self.tool_choice is None else dict(self.tool_choice),
            stop_sequences=tuple(self.stop_sequences),
            strict_tools=self.strict_tools,
            server_tools=tuple(self.server_tools),
            cache=self.cache,
        )

    def _routing(self) -> Routes:
        default: Routes = DEFAULT_ROUTING if self.model == DEFAULT_MODEL else {}
        return {**default, **(self.routing or {})}

    def _priced(self, spec: AgentSpec) -> AgentSpec:
        models = named_models(spec)
        if not isinstance(self.model, str):
            models.discard(self.model_name)  # a Model object's name is not in any price table
        prices, table = prices_for(sorted(models), self.prices)
        spec = spec.model_copy(update={"prices": prices, "price_table": table})
        if self.limits.max_cost is not None and (unknown := unpriced(spec)):
            msg = (
                f"agent {self.name!r} has max_cost and may ask {', '.join(unknown)}, whose price "
                "is unknown: add prices={model: Price(...)}, or remove max_cost"
            )
            raise UsageError(msg)
        bounded = self.limits.max_cost is not None or self.limits.max_tokens is not None
        if bounded and (what := unbounded(spec)) is not None:
            msg = f"agent {self.name!r}: {what} with max_cost or max_tokens: {UNBOUNDED}"
            raise UsageError(msg)
        return spec

    def guardrail(self, name: str) -> Callable[[str], Any] | None:
        """The function of the guardrail with that name."""
        return next((each.check for each in self.guardrails if each.name == name), None)

    def read_output(self, answer: str, output: Json) -> Out:
        """The answer as the agent's output type. Raises pydantic.ValidationError."""
        if self.output is None or self.output is str:
            return answer  # type: ignore[return-value]
        return TypeAdapter(self.output).validate_python(output)

    def check_output(self, output: Json) -> None:
        """Raise pydantic.ValidationError for an answer that the output type does not accept."""
        self.read_output("", output)

    def schema(self) -> dict[str, Json] | None:
        """The JSON schema of its answers; None for text."""
        if self.output is None or self.output is str:
            return None
        return TypeAdapter(self.output).json_schema()


def check_namespace(spec: AgentSpec) -> None:
    """Raise UsageError for a run that uses memory but has no namespace."""
    own = [tool.name for tool in spec.tools if tool.performer == "memory"]
    if own and not spec.memory.namespace:
        msg = (
            f"agent {spec.name!r} has {' and '.join(own)}: name the memory's namespace with "
            "run(..., namespace=...) or MemoryRules(namespace=...)"
        )
        raise UsageError(msg)


def _check_marks(server_tools: Sequence[Block]) -> None:
    if any("cache_control" in tool for tool in server_tools):
        msg = "server_tools contain cache_control: leave it out, Agent(cache=...) sets it"
        raise UsageError(msg)


def _is_deferred(tool: AnyTool) -> bool:
    return bool((tool.spec.request or {}).get("defer_loading"))
