"""A caller's changes for a fork, as the data that the fork records."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from playhead.actors.fork import Cut, cut_at, cut_before_result, fork_run
from playhead.definition.agent import Agent
from playhead.definition.prices import prices_for
from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.events.kinds.forks import GivenResult
from playhead.events.log.contract import Log, Reader
from playhead.events.log.run_agent import agent_of
from playhead.events.spec.agent import AgentSpec, Limits, LoopRules
from playhead.service.run_control import new_run_id


@dataclass(frozen=True, kw_only=True)
class Instead:
    """The changes in a fork; with none, it continues like its parent."""

    agent: Agent[object] | None = None
    """Replaces the parent's agent."""
    model: str | None = None
    """Used for everything: routing tables no longer apply."""
    instructions: str | None = None
    limits: Limits | None = None
    loops: LoopRules | None = None
    results: Mapping[int, Json] = field(default_factory=dict[int, Json])
    """Call (the seq of its ToolRequested) -> its new result."""
    message: str | None = None
    """A user message where the fork begins."""
    live: Sequence[str] = ()
    """Tools that are called although the parent's records have their answers."""
    allow: Sequence[str] = ()
    """Tools with side effects that may run without a person's approval."""

    def spec(self, before: AgentSpec) -> AgentSpec | None:
        """The agent as data; None if it is unchanged."""
        spec = before if self.agent is None else self.agent.spec()
        if self.agent is not None and spec.instructions_asked and self.instructions is None:
            msg = (
                f"agent {spec.name!r} cannot go on with a fork: its instructions are a function, "
                "which is asked when a run starts; give the fork instructions= too"
            )
            raise UsageError(msg)
        if self.model is not None:
            model = spec.model.model_copy(update={"model": self.model})
            prices, table = prices_for([self.model], {})
            spec = spec.model_copy(
                update={
                    "model": model, "routing": {}, "fallback": (),
                    "prices": {**spec.prices, **prices}, "price_table": table or spec.price_table,
                }
            )  # fmt: skip
        if self.instructions is not None:
            spec = spec.model_copy(update={"instructions_asked": None})
        for name in ("instructions", "limits", "loops"):
            if getattr(self, name) is not None:
                spec = spec.model_copy(update={name: getattr(self, name)})
        return None if spec == before else spec


NOTHING = Instead()


def place_of(log: Reader, run: str, at: int | None, instead: Instead) -> Cut:
    """Where to cut: as asked, or right before the first result that is replaced."""
    if at is None and instead.results:
        return cut_before_result(log, run, min(instead.results))
    return cut_at(log, run, at)


def begin_fork(
    log: Log,
    run: str,
    at: int | None = None,
    instead: Instead = NOTHING,
    fork: str | None = None,
) -> str:
    """Append a fork's first record; the id of the fork, by default a new one.

    Raises UsageError, UnknownRun, NotStorable, LogError.
    """
    cut = place_of(log, run, at, instead)
    before = agent_of(log, run, cut.at)
    spec = instead.spec(before)
    if next(log.read(run, 0, 1)).imported:
        if instead.agent is None:
            msg = f"run {run} was imported: name the agent that continues it (--agent, agent=)"
            raise UsageError(msg)
        spec = spec or before  # recorded even when unchanged, because that resumes the run
    forked = cut.forked(
        agent=spec,
        results=tuple(GivenResult(call=c, result=r) for c, r in sorted(instead.results.items())),
        messages=() if instead.message is None else (instead.message,),
        live=_known(instead.live, spec or before),
        allow=_known(instead.allow, spec or before),
    )
    fork = fork or new_run_id()
    fork_run(log, cut, fork, time.time_ns() // 1000, forked)
    return fork


def _known(tools: Sequence[str], agent: AgentSpec) -> tuple[str, ...]:
    names = {tool.name for tool in agent.tools}
    for tool in tools:
        if tool not in names:
            has = ", ".join(sorted(names)) or "none"
            msg = f"the agent {agent.name!r} has no tool {tool!r} (it has {has})"
            raise UsageError(msg)
    return tuple(tools)
