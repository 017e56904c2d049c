"""A run's steps as a graph: a column for all that may go on at once, an edge for what waits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from playhead.events.record import Record

WIDTH, HEIGHT, GAP_X, GAP_Y = 220, 56, 60, 20


@dataclass(slots=True)
class PlacedNode:
    """One step."""

    id: str
    task: str
    after: tuple[str, ...] = ()
    status: str = "planned"
    """planned, running, finished, failed or dropped."""
    seq: int = 0
    """The record that begins it; that of the plan before."""
    x: int = 0
    y: int = 0


class Edge(NamedTuple):
    """A line from one step to the one that waits for it."""

    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(slots=True)
class Graph:
    """What is drawn."""

    nodes: list[PlacedNode] = field(default_factory=list[PlacedNode])
    edges: list[Edge] = field(default_factory=list[Edge])
    width: int = 0
    height: int = 0
    revisions: int = 0
    """How often the plan was changed."""


ENDS: Mapping[str, str] = {"step_finished": "finished", "step_failed": "failed"}


def plan_graph(records: Iterable[Record]) -> Graph:
    """The steps of a run as far as its records go."""
    nodes: dict[str, PlacedNode] = {}
    graph = Graph()
    for record in records:
        _fold(nodes, graph, record)
    place(nodes)
    graph.nodes = list(nodes.values())
    graph.edges = [
        Edge(nodes[name].x + WIDTH, nodes[name].y + HEIGHT // 2, node.x, node.y + HEIGHT // 2)
        for node in graph.nodes
        for name in node.after
        if name in nodes
    ]
    graph.width = max((node.x + WIDTH for node in graph.nodes), default=0)
    graph.height = max((node.y + HEIGHT for node in graph.nodes), default=0)
    return graph


def _fold(nodes: dict[str, PlacedNode], graph: Graph, record: Record) -> None:
    event: Any = record.event
    match event.kind:
        case "plan_proposed" | "plan_revised":
            graph.revisions += event.kind == "plan_revised"
            for step in event.steps:
                after = tuple(getattr(step, "depends_on", ()))
                known = nodes.get(step.id)
                if known is None or known.status == "planned":
                    nodes[step.id] = PlacedNode(step.id, step.description, after, seq=record.seq)
        case "step_started":
            node = nodes.setdefault(event.step, PlacedNode(event.step, event.task))
            node.status, node.seq = "running", record.seq
        case "step_finished" | "step_failed" if event.step in nodes:
            nodes[event.step].status = ENDS[event.kind]
        case _:
            pass


def place(nodes: Mapping[str, PlacedNode]) -> None:
    """Each step one column to the right of the last one that it waits for."""
    columns: dict[str, int] = {}

    def column(name: str, above: tuple[str, ...] = ()) -> int:
        if name not in columns:
            after = [n for n in nodes[name].after if n in nodes and n not in above]
            columns[name] = max((column(n, (*above, name)) + 1 for n in after), default=0)
        return columns[name]

    filled: dict[int, int] = {}
    for name, node in nodes.items():
        where = column(name)
        node.x = where * (WIDTH + GAP_X)
        node.y = filled.get(where, 0) * (HEIGHT + GAP_Y)
        filled[where] = filled.get(where, 0) + 1
