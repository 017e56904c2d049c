"""Which model is asked: reads the routing table for deciding, folding and pricing alike."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from playhead.events.event import Json
from playhead.events.kinds.model_calls import ModelCall, SummaryRequested
from playhead.events.spec.agent import AgentSpec
from playhead.events.spec.routing import Route, Target

FALLS_BACK = frozenset({
    "overloaded", "server_error", "timeout", "connection", "unreachable", "circuit_open",
    "rate_limit", "refusal", "truncated", "malformed_reply",
})  # fmt: skip
"""Failures after which another model or endpoint may do better."""

OUTAGES = frozenset({"overloaded", "server_error", "timeout", "connection", "rate_limit"})
"""Failures of a model that is down or busy for everybody: they pass by waiting."""

QUOTA = "quota_reached"
"""The error of a call that would pass a quota; with a time to wait, the period turns then."""

PENDING = "batch_pending"
"""The error of a call whose batch has not ended."""

CANCELED = "batch_canceled"
"""The error of a call whose batch was cancelled before it was answered."""

PASSES = frozenset({QUOTA, PENDING})
"""What passes at a known time, or certainly passes: no limit of outages applies."""

UNREACHED = frozenset({"unreachable", "circuit_open"})
"""Failures to reach an endpoint at all: an outage where it has answered before, else more likely a
mistake in the settings."""


def route_of(agent: AgentSpec, task: str) -> Route:
    """The route for a type of task; unknown types go to the agent's own model."""
    found = agent.routing.get(task)
    if found is not None:
        return found
    own = _own_route(agent.model.model)
    return Route(ladder=own.ladder, fallback=agent.fallback) if agent.fallback else own


@lru_cache
def _own_route(model: str) -> Route:
    return Route(ladder=(Target(model=model),))


def ring(agent: AgentSpec, task: str, rejected: int) -> tuple[Target, ...]:
    """The targets to ask in turn: the rung after that many rejected answers, then the fallbacks."""
    route = route_of(agent, task)
    rung = route.ladder[min(rejected, len(route.ladder) - 1)]
    return (rung, *(target for target in route.fallback if target != rung))


def target_of(agent: AgentSpec, asked: ModelCall) -> Target:
    """The target that a recorded request names."""
    found = _alike(agent, asked.task, asked.model, asked.endpoint)
    if not found:
        return Target(model=asked.model, endpoint=asked.endpoint)
    return found[min(asked.variant, len(found) - 1)]


def variant(agent: AgentSpec, task: str, target: Target) -> int:
    """How a recorded request says which of the targets of one model and endpoint it means."""
    return _alike(agent, task, target.model, target.endpoint).index(target)


def _alike(agent: AgentSpec, task: str, model: str, endpoint: str) -> list[Target]:
    route, cheaper = route_of(agent, task), agent.budget.cheaper
    named = [*route.ladder, *route.fallback, *(() if cheaper is None else (cheaper,))]
    return [each for each in named if each.model == model and each.endpoint == endpoint]


def all_targets(agent: AgentSpec) -> Iterator[Target]:
    """Every target that a run of the agent may ask."""
    yield Target(model=agent.model.model)
    yield from agent.fallback
    for route in agent.routing.values():
        yield from route.ladder
        yield from route.fallback
    if agent.budget.cheaper is not None:
        yield agent.budget.cheaper


def unpriced(agent: AgentSpec) -> list[str]:
    """Models without a known price that it, or an agent among its tools, may ask."""
    unknown = {t.model for t in all_targets(agent)} - agent.prices.keys()
    for child in children(agent):
        unknown.update(unpriced(child))
    return sorted(unknown)


def unbounded(agent: AgentSpec) -> str | None:
    """What, in it or an agent among its tools, lets the API bill more than was sent; or None."""
    if agent.model.server_tools:
        return "server_tools"
    for extra in (agent.model.extra, *(target.extra for target in all_targets(agent))):
        for name, value in extra.items():
            if name in UNBOUNDED or (name == "context_management" and not _only_clears(value)):
                return f"{name!r} in extra"
    return next(filter(None, map(unbounded, children(agent))), None)


UNBOUNDED = frozenset({"mcp_servers", "tools", "compaction", "fallbacks", "thread"})
"""Fields of a request with which other input, or another model, is billed with the call."""


def _only_clears(management: Json) -> bool:
    """Whether the API only leaves parts of the context out, and asks no model about them."""
    match management:
        case {"edits": list(edits)}:
            return all(
                isinstance(e, dict) and str(e.get("type")).startswith("clear_") for e in edits
            )
        case _:
            return False


SIDE = ("summarization", "data_extraction")
"""Types of tasks whose calls are not made by a step, and never by batch."""


def named_models(agent: AgentSpec) -> set[str]:
    """The models that its requests may use: its targets, and those that settings name."""
    found = {target.model for target in all_targets(agent)}
    named: list[Json] = [*agent.model.server_tools]
    for extra in (agent.model.extra, *(target.extra for target in all_targets(agent))):
        fallbacks = extra.get("fallbacks")
        named += fallbacks if isinstance(fallbacks, list) else ()
    found.update(str(each["model"]) for each in named if isinstance(each, dict) and "model" in each)
    return found


def special_rates(agent: AgentSpec, target: Target, task: str) -> tuple[str, ...]:
    """The special rates that its requests to a target ask for (see Usage.rates)."""
    extra = {**agent.model.extra, **target.extra}
    asked = (("fast", extra.get("speed")), ("us", extra.get("inference_geo")))
    found = tuple(name for name, value in asked if value == name)
    return (*found, "batch") if route_of(agent, task).batch and task not in SIDE else found


def children(agent: AgentSpec) -> list[AgentSpec]:
    """The agents among its tools."""
    return [tool.agent for tool in agent.tools if tool.agent is not None]


def max_tokens(agent: AgentSpec, target: Target) -> int:
    """The longest reply of a target."""
    return target.max_tokens or agent.model.max_tokens


def longest(agent: AgentSpec, asked: ModelCall) -> int:
    """Tokens of the longest reply to a recorded request."""
    if isinstance(asked, SummaryRequested):
        return agent.memory.summary_tokens
    return max_tokens(agent, target_of(agent, asked))


def models(targets: Iterable[Target]) -> list[str]:
    """Their models, each once, in order."""
    return list(dict.fromkeys(target.model for target in targets))
