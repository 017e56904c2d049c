"""A plan drawn: as text for a terminal, as Mermaid for a page."""

from collections.abc import Iterator, Mapping, Sequence

from playhead.projections.plan.plan import NodeStatus, Plan

MARKS: Mapping[NodeStatus, str] = {
    "waiting": " ", "ready": " ", "running": ">", "done": "x", "failed": "!",
}  # fmt: skip

COLOURS: Mapping[NodeStatus, str] = {
    "running": "fill:#fff3c4,stroke:#b58900",
    "done": "fill:#d7f5dd,stroke:#2e7d32",
    "failed": "fill:#fbd5d5,stroke:#b71c1c",
}


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
    depth = depths({node.id: node.step.depends_on for node in plan.whole})
    wide = max(map(len, depth))
    level = 0
    for node in sorted(plan.whole, key=lambda node: depth[node.id]):
        if depth[node.id] > level:
            level = depth[node.id]
            yield "    |"
        step = node.step
        after = f"  <- {', '.join(step.depends_on)}" if step.depends_on else ""
        each = f"  for each of {step.for_each}" if step.for_each else ""
        mark = MARKS[plan.status(node)]
        yield f"[{mark}] {node.id:<{wide}}  {step.tool}: {step.description}{each}{after}"
        for element in plan.elements(node):
            yield f"     [{MARKS[element.status]}] {element.id}"


def as_mermaid(plan: Plan) -> str:
    """The graph as a Mermaid flowchart."""
    lines = ["flowchart TD"]
    names = {node.id: f"s{n}" for n, node in enumerate(plan.whole)}
    for node in plan.whole:
        step = node.step
        words = _quoted(f"{node.id}: {step.description}")
        each = _quoted(f" (for each of {step.for_each})") if step.for_each else ""
        lines.append(f'    {names[node.id]}["{words}<br/><i>{_quoted(step.tool)}</i>{each}"]')
        lines += [f"    {names[d]} --> {names[node.id]}" for d in step.depends_on if d in names]
    for node in plan.whole:
        if plan.status(node) in COLOURS:
            lines.append(f"    style {names[node.id]} {COLOURS[plan.status(node)]}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """What Mermaid takes within quotes."""
    safe = text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return " ".join(safe.replace(">", "&gt;").replace("#", "&num;").split())
