"""The ledger: what each attempt of a model call used, and what it cost or would have cost.

Folded from records alone. A model with an unknown price gives cost None, which totals report; an
attempt that was cut off counts for all that was set aside for it, and is marked as estimated.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypeAlias

from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.model_calls import ModelAnswered, ModelCall, ModelFailed, in_batch
from playhead.events.kinds.runs import RunStarted
from playhead.events.record import Record
from playhead.events.registry import ENDINGS
from playhead.events.spec.prices import Price
from playhead.events.usage import Usage
from playhead.projections.cost.pricing import charge, cost_at, sum_usage, uncached
from playhead.projections.cost.targets import longest

By: TypeAlias = Literal["run", "session", "agent", "step", "task", "model", "day"]


LEFT = ModelFailed(error="cancelled", message="its run has ended", retryable=False)
"""The end of a call that a batch holds when its run ends: it counts for all that was reserved."""


class Line(NamedTuple):
    """One attempt."""

    run: str
    seq: int
    """Of its ModelCall."""
    at: int
    """Microseconds since the epoch: when it was asked."""
    session: str | None
    agent: str
    step: str
    task: str
    model: str
    usage: Usage
    cost: int | None
    """Picodollars; None where the model's price is not known."""
    price: Price | None
    estimated: bool = False
    """It broke off: the usage, or the cost, is an upper bound."""
    uncached: int | None = None
    """What it would have cost without a prompt cache, in picodollars."""

    def key(self, by: By) -> str:
        """The group that it belongs to."""
        if by == "day":
            return datetime.fromtimestamp(self.at / 1_000_000, UTC).date().isoformat()
        if by == "session":
            return self.session or self.run
        if by == "step":
            return f"{self.run} {self.step}"
        return str(getattr(self, by))


class Bill(NamedTuple):
    """The sum of some lines."""

    name: str
    calls: int
    usage: Usage
    cost: int
    """Picodollars of the calls whose price is known."""
    unpriced: int
    """Calls whose price is not known; excluded from the cost."""
    estimated: int
    uncached: int

    @property
    def cached_share(self) -> float:
        """The share of the input that was read from the cache, from 0 to 1."""
        return self.usage.cache_read_input_tokens / max(1, self.usage.input_total)


class Ledger:
    """One run's lines; `fold` takes in its next record and gives the line that it completes."""

    def __init__(self) -> None:
        self._started: RunStarted | None = None
        self._open: dict[int, tuple[int, ModelCall]] = {}
        self._batched: dict[str, tuple[int, int, ModelCall]] = {}
        """By step: the seq, the time and the call that a batch holds."""

    @property
    def prices(self) -> Mapping[str, Price]:
        """The prices that the run recorded: of every model that it might have asked."""
        return {} if self._started is None else self._started.agent.prices

    def fold(self, record: Record) -> list[Line]:
        """The lines of the attempts that end with this record.

        What a batch holds at the end of the run is billed all the same.
        """
        if record.event.kind in ENDINGS:
            left = [self._line(record.run, *each, LEFT) for each in self._batched.values()]
            self._batched.clear()
            return left
        line = self._fold(record)
        return [] if line is None else [line]

    def _fold(self, record: Record) -> Line | None:
        event = record.event
        if isinstance(event, RunStarted):
            self._started = event
        elif isinstance(event, RunForked) and event.agent is not None and self._started is not None:
            self._started = self._started.model_copy(update={"agent": event.agent})
        elif isinstance(event, ModelCall):
            self._open[record.seq] = (record.at, event)
            self._batched.pop(event.step, None)
        elif isinstance(event, ModelAnswered | ModelFailed) and record.cause in self._open:
            at, asked = self._open.pop(record.cause)
            if isinstance(event, ModelFailed) and in_batch(asked, event):
                self._batched[asked.step] = record.cause, at, asked
                return None
            if record.actor == "runtime":
                return None  # answered from the records of a fork's parent
            return self._line(record.run, record.cause, at, asked, event)
        return None

    def _line(
        self, run: str, seq: int, at: int, asked: ModelCall, end: ModelAnswered | ModelFailed
    ) -> Line:
        assert self._started is not None
        agent = self._started.agent
        price = agent.prices.get(asked.model)
        usage, cost, uncached, estimated = charge(
            end, agent.prices.get, asked.model, asked.reserved_cost, longest(agent, asked)
        )
        return Line(
            run, seq, at, self._started.session, agent.name, asked.step, asked.task, asked.model,
            usage or Usage(), cost, price, estimated, uncached,
        )  # fmt: skip


def ledger(records: Iterable[Record]) -> Iterator[Line]:
    """The lines of some runs' records, in their order."""
    ledgers: dict[str, Ledger] = {}
    for record in records:
        yield from ledgers.setdefault(record.run, Ledger()).fold(record)


def bill(name: str, lines: Iterable[Line]) -> Bill:
    """The sum."""
    usage = Usage()
    calls = cost = unpriced = estimated = uncached = 0
    for line in lines:
        calls += 1
        usage = sum_usage(usage, line.usage)
        cost += line.cost or 0
        uncached += line.uncached or 0
        unpriced += line.cost is None
        estimated += line.estimated
    return Bill(name, calls, usage, cost, unpriced, estimated, uncached)


def grouped(lines: Iterable[Line], by: By) -> list[Bill]:
    """A bill for each group, the most expensive first."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.key(by), []).append(line)
    bills = [bill(name, group) for name, group in groups.items()]
    if by == "day":
        return sorted(bills, key=lambda b: b.name)
    return sorted(bills, key=lambda b: (-b.cost, b.name))


def repriced(
    lines: Iterable[Line],
    prices: Callable[[str], Price | None],
    routing: Mapping[str, str] | None = None,
    *,
    cached: bool = True,
) -> Iterator[Line]:
    """What the same tokens would cost otherwise.

    Args:
        lines: what was used.
        prices: of a model; None where there is none.
        routing: type of task ("*": any other) -> the model that is asked instead.
        cached: whether the prompt cache is used as it was, or not at all.

    Another model would count and produce other tokens: this is arithmetic, not a forecast.
    """
    for line in lines:
        others = routing or {}
        model = others.get(line.task, others.get("*", line.model))
        price = prices(model)
        usage = line.usage if cached else uncached(line.usage)
        lost = line.estimated and line.usage.total == 0  # only its reservation is known
        yield line._replace(
            model=model, usage=usage, price=price,
            cost=line.cost if lost else cost_at(prices, model, usage),
            uncached=cost_at(prices, model, uncached(usage)),
        )  # fmt: skip
