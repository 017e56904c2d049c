"""A plan as a graph on a page: a column for all that may run at once, an edge for a dependency."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from playhead.events.kinds.steps import StepStarted
from playhead.events.record import Record
from playhead.projections.plan.drawing import depths
from playhead.projections.plan.plan import NodeStatus, Plan, plan_of

WIDTH, HEIGHT, GAP_X, GAP_Y = 220, 56, 60, 20


class PlacedNode(NamedTuple):
    """One step, or one element of a step with `for_each`."""

    id: str
    task: str
    after: tuple[str, ...]
    status: NodeStatus
    seq: int
    """The record that started it; until then, the one that brought the plan."""
    x: int
    y: int


class Edge(NamedTuple):
    """A line from one step to one that depends on it."""

    x1: int
    y1: int
    x2: int
    y2: int


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
    nodes = {node.id: node for node in _placed(plan, begun)}
    edges = [
        Edge(nodes[name].x + WIDTH, nodes[name].y + HEIGHT // 2, node.x, node.y + HEIGHT // 2)
        for node in nodes.values()
        for name in node.after
        if name in nodes
    ]
    width = max((node.x + WIDTH for node in nodes.values()), default=0)
    height = max((node.y + HEIGHT for node in nodes.values()), default=0)
    return Graph(list(nodes.values()), edges, width, height, plan.revisions)


def _placed(plan: Plan, begun: Mapping[str, int]) -> Iterator[PlacedNode]:
    """Each step one column to the right of the last one that it depends on.

    The elements of a step stand to its right, and to the left of what depends on it.
    """
    after: dict[str, tuple[str, ...]] = {}
    for node in plan.whole:
        before = (plan.nodes[name] for name in node.step.depends_on if name in plan.nodes)
        after[node.id] = tuple(e.id for each in before for e in plan.elements(each) or [each])
        after.update((element.id, (node.id,)) for element in plan.elements(node))
    filled: dict[int, int] = {}
    for name, column in depths(after).items():
        node = plan.nodes[name]
        row = filled.get(column, 0)
        filled[column] = row + 1
        yield PlacedNode(
            name, plan.task(name), after[name], plan.status(node), begun.get(name, plan.seq),
            column * (WIDTH + GAP_X), row * (HEIGHT + GAP_Y),
        )  # fmt: skip
