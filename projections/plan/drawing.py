"""A plan drawn: one graph of steps and elements, which text, Mermaid and the page all draw."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from playhead.projections.plan.plan import NodeStatus, Plan

MARKS: Mapping[NodeStatus, str] = {
    "waiting": " ", "ready": " ", "running": ">", "done": "x", "failed": "!", "stopped": "-",
}  # fmt: skip

COLOURS: Mapping[NodeStatus, str] = {
    "running": "fill:#fff3c4,stroke:#b58900",
    "done": "fill:#d7f5dd,stroke:#2e7d32",
    "failed": "fill:#fbd5d5,stroke:#b71c1c",
    "stopped": "fill:#eeeeee,stroke:#757575",
}


class DrawnStep(NamedTuple):
    """One step of the plan, or one element of a step with `for_each`."""

    id: str
    tool: str
    task: str
    status: NodeStatus
    for_each: str | None
    """What it is fanned out over; None for an element."""
    group: str | None
    """The step that it is an element of."""
    after: tuple[str, ...]
    """What it comes after; after a step with elements come its elements, and then the others."""
    depth: int
    """How many stand before it, at most."""


def drawn(plan: Plan) -> list[DrawnStep]:
    """The plan's steps, each followed by its elements, in the order of running."""
    after: dict[str, tuple[str, ...]] = {}
    for node in plan.whole:
        before = (plan.nodes[name] for name in node.step.depends_on if name in plan.nodes)
        after[node.id] = tuple(e.id for each in before for e in plan.elements(each) or [each])
        after.update((element.id, (node.id,)) for element in plan.elements(node))
    depth = depths(after)
    found: list[DrawnStep] = []
    for node in sorted(plan.whole, key=lambda node: depth[node.id]):
        for each in (node, *plan.elements(node)):
            fans = each.step.for_each if each.group is None else None
            found.append(
                DrawnStep(
                    each.id, each.step.tool, each.step.description if fans else plan.task(each.id),
                    plan.status(each), fans,
                    each.group, after[each.id], depth[each.id],
                )
            )  # fmt: skip
    return found


def depths(after: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How many names stand before each, at most, given what each comes after.

    What depends on itself stands where it was reached; names that are not in `after` do not count.
    """
    depth: dict[str, int] = {}
    left = list(after)
    while left:
        found = [n for n in left if all(b in depth or b not in after for b in after[n])] or left
        for name in found:
            depth[name] = max((depth[b] + 1 for b in after[name] if b in depth), default=0)
        left = [name for name in left if name not in depth]
    return depth


def as_text(plan: Plan) -> str:
    """The graph, level by level; a step shows which steps it depends on."""
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    steps = drawn(plan)
    wide = max(len(each.id) for each in steps if each.group is None)
    level = 0
    for each in steps:
        if each.group is not None:
            yield f"     [{MARKS[each.status]}] {each.id}"
            continue
        if each.depth > level:
            level = each.depth
            yield "    |"
        step = plan.nodes[each.id].step
        after = f"  <- {', '.join(step.depends_on)}" if step.depends_on else ""
        fans = f"  for each of {each.for_each}" if each.for_each else ""
        words = f"{each.tool}: {step.description}{fans}{after}"
        yield f"[{MARKS[each.status]}] {each.id:<{wide}}  {words}"


def as_mermaid(plan: Plan) -> str:
    """The graph as a Mermaid flowchart, elements included."""
    steps = drawn(plan)
    names = {each.id: f"s{n}" for n, each in enumerate(steps)}
    lines = ["flowchart TD"]
    for each in steps:
        words = _quoted(f"{each.id}: {each.task}")
        fans = _quoted(f" (for each of {each.for_each})") if each.for_each else ""
        lines.append(f'    {names[each.id]}["{words}<br/><i>{_quoted(each.tool)}</i>{fans}"]')
    for each in steps:
        lines += [f"    {names[name]} --> {names[each.id]}" for name in each.after if name in names]
    for each in steps:
        if each.status in COLOURS:
            lines.append(f"    style {names[each.id]} {COLOURS[each.status]}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """What Mermaid takes within quotes."""
    safe = text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return " ".join(safe.replace(">", "&gt;").replace("#", "&num;").split())
