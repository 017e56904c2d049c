"""Promises about limits: no record of a run, or of its children, exceeds what the run may use.

Each function is one promise: it yields a line for each violation.
"""

from collections import Counter
from collections.abc import Iterator

from playhead.events.kinds.child_runs import ChildStarted
from playhead.events.kinds.model_calls import ModelAnswered, ModelCall, ModelFailed
from playhead.events.kinds.runs import RunStarted
from playhead.events.kinds.tool_calls import AttemptStarted
from playhead.events.record import Record
from playhead.events.spec.agent import AgentSpec
from playhead.events.spec.prices import PICODOLLARS
from playhead.projections.cost.pricing import at_most, cost_of
from playhead.projections.cost.targets import longest
from playhead.simulation.invariants.evidence import Evidence, Promise

LIMITS = ("max_steps", "max_model_calls", "max_tool_calls", "max_tokens", "max_cost")


def spent_within_caps(e: Evidence) -> Iterator[str]:
    """At every record, a run and its children have used and reserved no more than allowed."""
    caps: dict[str, dict[str, int]] = {}
    agents: dict[str, AgentSpec] = {}
    spent: dict[str, Counter[str]] = {}
    open_calls: dict[tuple[str, int], ModelCall] = {}
    for record in sorted(e.all(), key=lambda r: r.position):
        if isinstance(record.event, RunStarted):
            agents[record.run] = record.event.agent
            caps[record.run] = _caps(record.event.agent)
        delta = _used(record, agents[record.run], open_calls)
        for run in _lineage(record.run) if delta else ():
            total = spent.setdefault(run, Counter())
            total.update(delta)
            for name, cap in caps[run].items():
                if total[name] > cap:
                    yield f"{record.run} {record.seq}: {name} of {run} is {cap}: {total[name]} used"
                    return


def reserved_is_enough(e: Evidence) -> Iterator[str]:
    """No call uses, or costs, more than was reserved for it when it was decided."""
    for run, records in e.records.items():
        first = records[0].event
        assert isinstance(first, RunStarted)
        for record in records:
            asked = records[(record.cause or 1) - 1].event
            if not isinstance(record.event, ModelAnswered) or not isinstance(asked, ModelCall):
                continue
            used, price = record.event.usage, first.agent.prices.get(asked.model)
            if used.total > asked.reserved_tokens:
                yield f"{run} {record.seq}: {used.total} tokens of {asked.reserved_tokens}"
            if price is not None and cost_of(price, used) > (asked.reserved_cost or 0):
                yield f"{run} {record.seq}: {cost_of(price, used)} of {asked.reserved_cost}"


def the_bill_is_within_caps(e: Evidence) -> Iterator[str]:
    """The provider's count, including replies that never arrived, is within every run's limits."""
    for run, records in e.records.items():
        first = records[0].event
        assert isinstance(first, RunStarted)
        caps, bill = _caps(first.agent), Counter[str]()
        for model, usage in e.ledger.billed(run):
            bill["max_tokens"] += usage.total
            if "max_cost" in caps:
                bill["max_cost"] += cost_of(first.agent.prices[model], usage)
        for name, billed in bill.items():
            if billed > caps.get(name, billed):
                yield f"{run}: {name} is {caps[name]}, and the provider counts {billed}"


def _caps(agent: AgentSpec) -> dict[str, int]:
    """The limits that are set; money in picodollars."""
    found = {name: getattr(agent.limits, name) for name in LIMITS}
    unit = {"max_cost": PICODOLLARS}
    return {name: int(cap * unit.get(name, 1)) for name, cap in found.items() if cap is not None}


def _lineage(run: str) -> list[str]:
    """The run and its ancestors: a child's id is its parent's, a dot and a seq."""
    parts = run.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts) + 1)]


def _used(
    record: Record, agent: AgentSpec, open_calls: dict[tuple[str, int], ModelCall]
) -> Counter[str]:
    """The amounts that a record adds; an outcome releases the unused part of the reservation."""
    match record.event:
        case ModelCall() as asked:
            open_calls[record.run, record.seq] = asked
            return Counter(
                max_model_calls=1, max_steps=asked.opens_round,
                max_tokens=asked.reserved_tokens, max_cost=asked.reserved_cost or 0,
            )  # fmt: skip
        case ModelAnswered() | ModelFailed() as ended:
            return _settled(open_calls[record.run, record.cause or 0], ended, agent)
        case AttemptStarted(attempt=1) | ChildStarted():
            return Counter(max_tool_calls=1)
        case _:
            return Counter()


def _settled(
    asked: ModelCall, ended: ModelAnswered | ModelFailed, agent: AgentSpec
) -> Counter[str]:
    if isinstance(ended, ModelAnswered):
        usage = ended.usage
    else:
        known = at_most(ended, longest(agent, asked))
        if known is None:
            return Counter()  # the whole reservation counts as spent
        usage = known
    cost = cost_of(agent.prices[asked.model], usage) if asked.model in agent.prices else 0
    return Counter(
        max_tokens=usage.total - asked.reserved_tokens, max_cost=cost - (asked.reserved_cost or 0)
    )


BUDGET_PROMISES: tuple[Promise, ...] = (
    spent_within_caps, reserved_is_enough, the_bill_is_within_caps,
)  # fmt: skip
