"""A run with parallel branches against a provider that charges as much as it may, with crashes.

The roles are the real ones, except for a planner that starts all branches at once. The provider
counts tokens as unfavourably as a tokenizer can, charges for calls whose reply never arrived, and
keeps its own account, which the roles cannot see.
"""

import json
from collections.abc import Sequence
from hashlib import sha256
from random import Random
from typing import ClassVar

from playhead.actors.engine.turn import Trigger, Turn
from playhead.actors.roles.executor import Executor
from playhead.actors.roles.memory import MemoryRole
from playhead.actors.roles.planner import Planner
from playhead.actors.roles.role import Role, RoleName
from playhead.actors.roles.tool import ToolRole
from playhead.events.event import Block, Event
from playhead.events.kinds.model_calls import ModelAnswered, ModelCall, ModelFailed
from playhead.events.kinds.runs import RunStarted, StrategyChosen
from playhead.events.kinds.steps import StepStarted
from playhead.events.kinds.tool_calls import ToolStarted, ToolSucceeded
from playhead.events.model_api import Request
from playhead.events.record import Origin, Record
from playhead.events.spec.agent import AgentSpec
from playhead.events.spec.prices import Price
from playhead.events.usage import Usage
from playhead.projections.cost.pricing import cost_of, most
from playhead.projections.cost.targets import max_tokens, target_of
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState
from tests.support.prompt_cache import blocks, unmarked

LOST = ("timeout", "connection", "truncated", "interrupted", "cancelled")
"""The request was sent and its complete reply never came: it may have been charged in full."""

REFUSED = (("overloaded", 529), ("rate_limit", 429), ("server_error", 500))

HIDDEN = 700
"""Tokens that the API itself adds for tools."""


class Branching(Planner):
    """Starts several steps at once, and ends the run when all have ended."""

    branches: ClassVar[int] = 8

    def decide(self, state: RunState, record: Record) -> Sequence[Event]:
        if isinstance(record.event, RunStarted):
            names = [f"branch {n}" for n in range(self.branches)]
            chosen = StrategyChosen(strategy="react", reason="a test")
            return [chosen, *(StepStarted(step=name, task=name) for name in names)]
        if record.event.kind in ("step_finished", "step_failed"):
            left = state.at_rest and not state.ready
            return super().decide(state, record) if left else []
        return super().decide(state, record)


class World:
    """What the provider counts and charges."""

    def __init__(self, agent: AgentSpec, random: Random) -> None:
        self.agent = agent
        self.random = random
        self.charged = 0
        self.at_risk: dict[int, int] = {}
        """Open call -> its maximum cost."""
        self.sent = 0

    def send(self, seq: int, asked: ModelCall, request: Request) -> None:
        """A request is sent: from now on its possible cost is at risk."""
        price = self.agent.prices[asked.model]
        longest = max_tokens(self.agent, target_of(self.agent, asked))
        tokens = self.tokens(request)
        assert tokens + longest <= asked.reserved_tokens, (tokens, asked.reserved_tokens)
        self.at_risk[seq] = most(price, tokens, longest, self.agent.model.cache)
        self.sent += 1

    def tokens(self, request: Request) -> int:
        """A count that is always the same for the same block, and at most one token per byte."""
        return HIDDEN + sum(_tokens(where, block) for where, block in blocks(request.body))

    def usage(self, request: Request, longest: int) -> Usage:
        """How the provider splits the tokens: from all cache reads to all cache writes."""
        tokens, cache = self.tokens(request), self.agent.model.cache
        written = 0 if cache == "off" else self.random.choice((0, tokens // 2, tokens))
        read = 0 if cache == "off" else self.random.choice((0, tokens - written))
        return Usage(
            input_tokens=tokens - written - read, cache_creation_input_tokens=written,
            cache_creation_1h_input_tokens=written if cache == "1h" else 0,
            cache_read_input_tokens=read, output_tokens=self.random.choice((1, longest)),
        )  # fmt: skip

    def charge(self, seq: int, cost: int) -> None:
        """The actual cost of a call."""
        assert cost <= self.at_risk.pop(seq)
        self.charged += cost


def _tokens(where: str, block: Block) -> int:
    content = (where.rpartition(".")[2] + json.dumps(unmarked(block))).encode()
    share = sha256(content).digest()[0] / 255
    return int(share * len(json.dumps(unmarked(block), ensure_ascii=False)))


def roles() -> dict[RoleName, Role]:
    return {
        "planner": Branching(),
        "executor": Executor(),
        "tool": ToolRole(),
        "memory": MemoryRole(),
    }


def price_of(agent: AgentSpec, model: str) -> Price:
    return agent.prices[model]


class Life:
    """A run from start to end, through crashes; `records` is its log."""

    def __init__(self, agent: AgentSpec, random: Random) -> None:
        self.world = World(agent, random)
        self.random = random
        self.records: list[Record] = []
        self.state = RunState("run")
        self.interrupted: set[int] = set()

    def turn(self, event: Event, cause: int | None = None) -> None:
        """One turn, and the effects that it starts."""
        origin: Origin = "outside" if cause is None else "effect"
        trigger = Trigger(event, "user", origin, cause)
        new = Turn(self.state, trigger, len(self.records)).settle(roles())
        self.records += new
        for record in new:
            if isinstance(record.event, ModelCall):
                request = self.state.request_of(record.event)
                self.world.send(record.seq, record.event, request)

    def crash(self) -> None:
        """The process dies: its state is folded again, and open calls are interrupted."""
        self.state = RunState("run")
        for record in self.records:
            fold(self.state, record)
        self.interrupted = set(self.state.open)

    def step(self) -> None:
        """One open effect ends, in any order and in any way."""
        seq = self.random.choice(sorted(self.state.open))
        intent = self.state.open[seq].event
        if isinstance(intent, ModelCall):
            self.turn(self._outcome(seq, intent), seq)
        elif seq in self.interrupted:
            self.turn(ToolSucceeded(result="found", duration_ms=1.0), seq)
        else:
            assert isinstance(intent, ToolStarted)
            size = self.random.choice((1, 50, 2000))
            self.turn(ToolSucceeded(result="é" * size, duration_ms=1.0), seq)

    def _outcome(self, seq: int, asked: ModelCall) -> Event:
        agent, world = self.world.agent, self.world
        longest = max_tokens(agent, target_of(agent, asked))
        usage = world.usage(self.state.request_of(asked), longest)
        price = price_of(agent, asked.model)
        if seq in self.interrupted:
            world.charge(seq, self.random.choice((0, cost_of(price, usage))))
            return ModelFailed(error="interrupted", message="", retryable=True)
        chance = self.random.random()
        if chance < 0.15:
            world.charge(seq, 0)
            error, status = self.random.choice(REFUSED)
            return ModelFailed(error=error, message="", status=status, retryable=True)
        world.charge(seq, cost_of(price, usage))
        if chance < 0.35:
            told = self.random.choice((None, usage.model_copy(update={"output_tokens": 1})))
            error = self.random.choice(LOST)
            return ModelFailed(error=error, message="", retryable=True, usage=told)
        return self._answer(usage, asked.model, seq)

    def _answer(self, usage: Usage, model: str, seq: int) -> ModelAnswered:
        content: list[Block] = [{"type": "text", "text": "word " * self.random.choice((1, 300))}]
        if self.random.random() < 0.8:
            uses = range(self.random.choice((1, 3)))
            calls: list[Block] = [
                {
                    "type": "tool_use",
                    "id": f"{seq}.{n}",
                    "name": "look",
                    "input": {"n": seq * 9 + n},
                }
                for n in uses
            ]
            content += calls
        reason = "tool_use" if len(content) > 1 else "end_turn"
        if self.random.random() < 0.05:
            content, reason = content[:1], "refusal"
        return ModelAnswered(
            content=tuple(content), stop_reason=reason, usage=usage, model=model, duration_ms=1.0
        )
