"""A plan as a graph on a page: a column for all that may run at once, an edge for a dependency."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from playhead.events.kinds.steps import StepStarted
from playhead.events.record import Record
from playhead.projections.plan.drawing import DrawnStep, drawn
from playhead.projections.plan.plan import plan_of

WIDTH, HEIGHT, GAP_X, GAP_Y = 232, 74, 56, 18


class PlacedNode(NamedTuple):
    """One step, or one element of a step with `for_each`, and where it stands."""

    step: DrawnStep
    seq: int
    """The record that started it; until then, the one that brought the plan."""
    x: int
    y: int


class Edge(NamedTuple):
    """A line from one step to one that comes after it."""

    x1: int
    y1: int
    x2: int
    y2: int
    fans: bool
    """It leads to an element of a step with `for_each`, or back from one."""


class Graph(NamedTuple):
    """What is drawn."""

    nodes: list[PlacedNode]
    edges: list[Edge]
    width: int
    height: int
    revisions: int
    """How often the plan was changed."""


def plan_graph(records: Iterable[Record]) -> Graph | None:
    """The plan of a run as far as its records go; None if it has none."""
    records = list(records)
    plan = plan_of(records)
    if plan is None:
        return None
    begun = {r.event.step: r.seq for r in records if isinstance(r.event, StepStarted)}
    nodes = {node.step.id: node for node in _placed(drawn(plan), begun, plan.seq)}
    edges = [
        Edge(
            nodes[name].x + WIDTH, nodes[name].y + HEIGHT // 2, node.x, node.y + HEIGHT // 2,
            node.step.group is not None or nodes[name].step.group is not None,
        )
        for node in nodes.values()
        for name in node.step.after
        if name in nodes
    ]  # fmt: skip
    width = max((node.x + WIDTH for node in nodes.values()), default=0)
    height = max((node.y + HEIGHT for node in nodes.values()), default=0)
    return Graph(list(nodes.values()), edges, width, height, plan.revisions)


def _placed(
    steps: Sequence[DrawnStep], begun: Mapping[str, int], proposed: int
) -> Iterator[PlacedNode]:
    filled: dict[int, int] = {}
    for step in steps:
        row = filled.get(step.depth, 0)
        filled[step.depth] = row + 1
        seq = begun.get(step.id, proposed)
        yield PlacedNode(
            step, seq, step.depth * (WIDTH + GAP_X), row * (HEIGHT + GAP_Y)
        )  # fmt: skip
