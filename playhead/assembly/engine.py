"""The agents that a runtime knows, and the four roles that act for them."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from playhead.actors.engine.child_runs import Children
from playhead.actors.engine.effects import Performer
from playhead.actors.engine.engine import Engine
from playhead.actors.performing.services import Rule, Services
from playhead.actors.roles.executor import Executor
from playhead.actors.roles.memory import MemoryRole
from playhead.actors.roles.planner import Planner
from playhead.actors.roles.tool import ToolRole
from playhead.assembly.full_results import whole_result
from playhead.assembly.models import Models
from playhead.assembly.tools import Toolbox
from playhead.definition.agent import Agent
from playhead.events.errors import UsageError
from playhead.events.log.contract import Log
from playhead.events.model_api import Model
from playhead.memory.index import MemoryIndex
from playhead.service.redaction import Redactor
from playhead.service.subscriptions import Subscriptions
from playhead.tools.execution.workers import Threads
from playhead.tools.models.admission import Admission


class Assembly:
    """Agents by name, with the models, tools and threads that work for them."""

    def __init__(self, models: Models, toolbox: Toolbox, workers: Threads) -> None:
        self.agents: dict[str, Agent[object]] = {}
        self.models = models
        self.toolbox = toolbox
        self.workers = workers

    def add(self, agent: Agent[object]) -> bool:
        """Add an agent; returns whether it is new. Raises UsageError if its name is taken."""
        known = self.agents.get(agent.name)
        if known is None:
            self.toolbox.register(agent)
            self.agents[agent.name] = agent
        elif known is not agent and known != agent:
            msg = f"two different agents are named {agent.name!r}: rename one"
            raise UsageError(msg)
        return known is None

    def engine(
        self,
        log: Log,
        subscriptions: Subscriptions,
        admission: Admission,
        loop: asyncio.AbstractEventLoop,
        redactor: Redactor,
        memories: MemoryIndex,
        storage_seconds: float,
    ) -> Engine:
        """An engine with these agents and roles. Called on the loop."""
        services = Services(
            self._model_of, self.toolbox.tool, self.workers, time.monotonic, subscriptions.text,
            endpoint=self.models.at, rule=self._rule_of, guardrail=self._guardrail_of,
            given_admission=admission, secrets=self.toolbox.secrets,
            results=partial(whole_result, log), recollect=memories,
        )  # fmt: skip
        engine = Engine(
            log,
            {
                "planner": Planner(),
                "executor": Executor(),
                "tool": ToolRole(),
                "memory": MemoryRole(),
            },
            Performer(services),
            loop,
            lambda: time.time_ns() // 1000,
            redact=redactor.event,
            storage_seconds=storage_seconds,
        )
        services.children = Children(engine, self.agents.__contains__)
        return engine

    def _model_of(self, agent: str, model: str) -> Model:
        return self.models.of(self.agents[agent], model)

    def _guardrail_of(self, agent: str, name: str) -> Callable[[str], object] | None:
        return self.agents[agent].guardrail(name)

    def _rule_of(self, agent: str, rule: Rule) -> Callable[..., object] | None:
        known = self.agents[agent]
        match rule:
            case "router":
                return known.router
            case "output":
                return known.check_output
            case "strategy":
                return known.strategy if callable(known.strategy) else None
            case _:
                return known.function
