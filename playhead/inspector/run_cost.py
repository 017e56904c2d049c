"""What a run cost, for its page: by model, by step, by kind of task, and its dearest calls."""

from collections.abc import Iterable
from typing import Literal, NamedTuple, cast

from playhead.events.record import Record
from playhead.projections.cost.ledger import Bill, By, Ledger, Line, bill, grouped

BY: tuple[Literal["model", "step", "task"], ...] = ("model", "step", "task")

DEAREST = 10


class RunCost(NamedTuple):
    """The bills of one run, from its ledger."""

    by: By
    groups: list[Bill]
    total: Bill
    dearest: list[Line]
    """Of the calls whose price is known."""


def run_cost(run: str, records: Iterable[Record], by: str) -> RunCost:
    """The bills of what the run itself asked: what a fork took from its parent is the parent's."""
    ledger = Ledger()
    lines = [line for r in records for line in ledger.fold(r) if r.run == run]
    chosen = cast("By", by if by in BY else "model")
    groups = [
        each._replace(name=each.name.removeprefix(f"{run} ")) for each in grouped(lines, chosen)
    ]
    priced = [line for line in lines if line.cost is not None]
    dearest = sorted(priced, key=lambda line: -(line.cost or 0))[:DEAREST]
    return RunCost(chosen, groups, bill("total", lines), dearest)
