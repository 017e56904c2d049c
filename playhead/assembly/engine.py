"""The four roles with everything that they use: the agents, their models, tools and threads."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from playhead.actors.engine.child_runs import Children
from playhead.actors.engine.effects import Performer
from playhead.actors.engine.engine import Engine
from playhead.actors.performing.services import Rule, Services
from playhead.actors.roles.executor import Executor
from playhead.actors.roles.memory import MemoryRole
from playhead.actors.roles.planner import Planner
from playhead.actors.roles.tool import ToolRole
from playhead.assembly.agents import Agents, AnyAgent
from playhead.assembly.full_results import whole_result
from playhead.assembly.models import Models
from playhead.assembly.tools import Toolbox
from playhead.events.log.contract import Log
from playhead.events.model_api import Model
from playhead.memory.index import MemoryIndex
from playhead.service.redaction import Redactor
from playhead.service.subscriptions import Subscriptions
from playhead.tools.execution.workers import Threads
from playhead.tools.models.admission import Admission
from playhead.tools.tool import AnyTool

if TYPE_CHECKING:
    from playhead.events.spec.agent import AgentSpec


def _accept(_: object) -> None:
    """The schema that was recorded is all that is known of the type."""


class Assembly:
    """The agents, with the models, tools and threads that work for them."""

    def __init__(self, models: Models, toolbox: Toolbox, workers: Threads) -> None:
        self.agents = Agents(toolbox)
        self.models = models
        self.toolbox = toolbox
        self.workers = workers
        self._recorded: Callable[[str], AgentSpec]
        """Run -> its agent, as recorded."""

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
            self._model_of, self._tool_of, self.workers, time.monotonic, subscriptions.text,
            endpoint=self.models.at, rule=self._rule_of, guardrail=self._guardrail_of,
            given_admission=admission, secrets=self.toolbox.secrets,
            results=partial(whole_result, log), recollect=memories,
            on_progress=subscriptions.progress_from(loop, redactor),
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
        self._recorded = lambda run: engine.state(run).agent
        services.children = Children(engine, self.agents.bind_child)
        engine.watchers.append(self.agents.committed)
        return engine

    def _of(self, run: str) -> AnyAgent:
        agent = self.agents.of(run)
        assert agent is not None, f"nothing is performed for run {run} before it has an agent"
        return agent

    def _model_of(self, run: str, model: str) -> Model:
        return self.models.of(self._of(run), model)

    def _tool_of(self, run: str, name: str) -> AnyTool | None:
        return self.toolbox.tool(self._of(run), name)

    def _same_output(self, run: str, agent: AnyAgent) -> bool:
        """Whether the run's answers are of the agent's type; a run may have one of its own."""
        if not self.agents.resumed(run):
            return True
        return agent.schema() == self._recorded(run).output_schema

    def _guardrail_of(self, run: str, name: str) -> Callable[[str], object] | None:
        return self._of(run).guardrail(name)

    def _rule_of(self, run: str, rule: Rule) -> Callable[..., object] | None:
        known = self._of(run)
        match rule:
            case "router":
                return known.router
            case "output":
                return known.check_output if self._same_output(run, known) else _accept
            case "instructions":
                return known.instructions if callable(known.instructions) else None
            case "strategy":
                return known.strategy if callable(known.strategy) else None
            case _:
                return known.function
