"""Which Agent object acts for which run: the one that the run was started with.

Agents that were registered are kept. One that only runs were started with (it may have been made
for one request) is kept by its open runs, and forgotten with the last of them. A name may have
several versions. They are compared only to find the one that takes up a run of another process.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from types import BuiltinFunctionType, FunctionType
from typing import Any, TypeAlias

from playhead.assembly.tools import Toolbox
from playhead.definition.agent import Agent
from playhead.events.record import Record
from playhead.projections.state.run_state import RunState
from playhead.tools.definition.dependencies import Dependency, Given
from playhead.tools.tool import canonical

AnyAgent: TypeAlias = Agent[Any]

PRICES = {"prices", "price_table"}
"""They change from day to day, and are no part of what an agent is."""


class Agents:
    """The agents of a runtime, by name and by run. Its methods may be called from any thread."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._kept: dict[str, list[AnyAgent]] = {}
        """Registered ones by name, the newest last."""
        self._started: dict[str, weakref.ref[AnyAgent]] = {}
        """The last one of each name that a run was started with."""
        self._of: dict[str, AnyAgent] = {}
        """Run -> its agent."""
        self._resumed: set[str] = set()
        """Runs that another process started, perhaps with another object."""
        self._definitions: dict[int, str] = {}
        """The hash of each known object, by its `id`."""

    def of(self, run: str) -> AnyAgent | None:
        """The agent that acts for a run."""
        return self._of.get(run)

    def bind(self, run: str, agent: AnyAgent, *, resumed: bool = False) -> None:
        """The agent acts for the run, until the run ends. `resumed`: it was started elsewhere."""
        self.prepare(agent, named=False)
        self._of[run] = agent
        if resumed:
            self._resumed.add(run)

    def resumed(self, run: str) -> bool:
        """Whether another process started the run: its agent may be another version here."""
        return run in self._resumed

    def bind_child(self, parent: str, run: str, name: str) -> bool:
        """Bind a child to the agent of that name among its parent's; whether there is one."""
        caller = self._of.get(parent)
        agents = () if caller is None else caller.agents
        agent = next((agent for agent in agents if agent.name == name), None)
        if agent is not None:
            self.bind(run, agent)
        return agent is not None

    def release(self, run: str) -> None:
        """The run did not begin, or has ended."""
        self._of.pop(run, None)
        self._resumed.discard(run)

    def committed(self, state: RunState, _: Sequence[Record]) -> None:
        """An engine's watcher: a run that has ended needs its agent no longer."""
        if state.ending is not None:
            self.release(state.run)

    def keep(self, agent: AnyAgent) -> list[str]:
        """Register an agent and the agents among its tools; their names, if it is new."""
        kept = self._kept.setdefault(agent.name, [])
        if any(known is agent for known in kept):
            return []
        self.prepare(agent)
        same = self.definition(agent)
        kept[:] = [known for known in kept if self.definition(known) != same]
        kept.append(agent)
        return [name for child in agent.agents for name in self.keep(child)] + [agent.name]

    def prepare(self, agent: AnyAgent, *, named: bool = True) -> bool:
        """Make its tools ready; whether this object was unknown. Raises UsageError.

        `named`: it may be found by its name, too.
        """
        if id(agent) in self._definitions:
            return False
        self._toolbox.register(agent)
        for child in agent.agents:
            self.prepare(child)
        self._definitions[id(agent)] = definition_of(agent)
        if named:
            self._started[agent.name] = weakref.ref(agent)
        weakref.finalize(agent, self._forget, id(agent), agent.name).atexit = False
        return True

    def _forget(self, known: int, name: str) -> None:
        self._definitions.pop(known, None)
        self._toolbox.forget(known)
        started = self._started.get(name)
        if started is not None and started() is None:
            self._started.pop(name, None)

    def definition(self, agent: AnyAgent) -> str:
        """The hash by which a recorded run finds its agent again."""
        self.prepare(agent)
        return self._definitions[id(agent)]

    def named(self, name: str, definition: Callable[[], str | None]) -> AnyAgent | None:
        """The registered version with that definition, else the newest one, else the last started.

        `definition` is called only where there is a choice.
        """
        kept = self._kept.get(name, [])
        if len(kept) > 1:
            wanted = definition()
            for agent in reversed(kept):
                if self.definition(agent) == wanted:
                    return agent
        if kept:
            return kept[-1]
        started = self._started.get(name)
        return None if started is None else started()


def definition_of(agent: AnyAgent) -> str:
    """SHA-256 (hex) of what is recorded of an agent, and of the names of its functions."""
    spec = agent.spec_without_prices().model_dump(mode="json", exclude=PRICES)
    functions = (agent.router, agent.strategy, agent.function, agent.output, agent.instructions)
    return sha256(canonical([spec, *map(_name, functions)])).hexdigest()


def _name(function: object) -> str | None:
    name = getattr(function, "__qualname__", None)
    return None if name is None else f"{getattr(function, '__module__', '')}.{name}"


def made_for_one(agent: AnyAgent) -> bool:
    """Whether it holds values of its own: a Model object, or a tenant's connection in functions."""
    if not isinstance(agent.model, str):
        return True
    functions: list[object] = [
        tool.function for tool in agent.all_tools if tool.spec.source is None
    ]
    functions += [agent.router, agent.strategy, agent.function, agent.instructions]
    functions += [guardrail.check for guardrail in agent.guardrails]
    for tool in agent.all_tools:
        functions += _provided(tool.signature.given.values())
    return any(map(_captures, functions)) or any(map(made_for_one, agent.agents))


def _provided(given: Iterable[Given]) -> Iterator[object]:
    """The functions behind a tool's dependencies, and behind theirs."""
    for each in given:
        if isinstance(each, Dependency):
            yield each.function
            yield from _provided(each.given.values())


def _captures(function: object) -> bool:
    """Whether a function has values of its own: in a closure, a partial, or an object."""
    if not callable(function):
        return False
    if getattr(function, "__self__", None) or getattr(function, "__closure__", None):
        return True
    cached = hasattr(function, "cache_info")
    return not (cached or isinstance(function, FunctionType | BuiltinFunctionType | type))
