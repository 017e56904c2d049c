"""A plan drawn: as text for a terminal, as Mermaid for a page."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from playhead.events.kinds.approvals import ApprovalDecided
from playhead.events.kinds.plans import PlanProposed, PlanRevised, PlanStep
from playhead.events.kinds.steps import StepFailed, StepFinished, StepStarted
from playhead.events.record import Record

MARKS: Mapping[str, str] = {"waiting": " ", "running": ">", "done": "x", "failed": "!"}

COLOURS: Mapping[str, str] = {
    "running": "fill:#fff3c4,stroke:#b58900",
    "done": "fill:#d7f5dd,stroke:#2e7d32",
    "failed": "fill:#fbd5d5,stroke:#b71c1c",
}


class Drawn(NamedTuple):
    """A plan as it stands: its steps, and how each of them and its elements are."""

    steps: tuple[PlanStep, ...]
    status: Mapping[str, str]
    """Step or element -> waiting, running, done or failed."""

    def elements(self, step: str) -> list[str]:
        """The elements of a step with `for_each`, as far as they were started."""
        return [name for name in self.status if name.startswith(f"{step}[")]

    def of(self, step: str) -> str:
        """How a step is; one with elements as they are together."""
        parts = [self.status[name] for name in self.elements(step)]
        if not parts or step in self.status:
            return self.status.get(step, "waiting")
        worst = ("failed", "running")
        return next((word for word in worst if word in parts), "done")


def drawn(records: Iterable[Record]) -> Drawn | None:
    """The plan of a run from its records; None for a run without one."""
    steps: tuple[PlanStep, ...] = ()
    status: dict[str, str] = {}
    for record in records:
        match record.event:
            case PlanProposed(steps=steps):
                status = {}
            case PlanRevised(steps=rest, kept=kept):
                steps = (*(s for s in steps if s.id in kept), *rest)
                status = {name: "done" for name in status if name in kept or _base(name) in kept}
            case ApprovalDecided(plan=tuple(edited)):
                steps = edited
            case StepStarted(step=step, purpose=purpose) if purpose not in ("react", "direct"):
                status[step] = "running"
            case StepFinished(step=step):
                status[step] = "done"
            case StepFailed(step=step):
                status[step] = "failed"
            case _:
                pass
    return Drawn(steps, status) if steps else None


def _base(name: str) -> str:
    return name.partition("[")[0]


def levels(steps: Sequence[PlanStep]) -> list[list[PlanStep]]:
    """Steps by how many stand before them: what is on one level may run at the same time."""
    depth: dict[str, int] = {}
    left = list(steps)
    while left:
        found = [s for s in left if all(d in depth or not _in(d, steps) for d in s.depends_on)]
        for step in found or left:
            depth[step.id] = 1 + max((depth.get(d, 0) for d in step.depends_on), default=0)
        left = [step for step in left if step.id not in depth]
    last = max(depth.values(), default=0)
    return [[s for s in steps if depth[s.id] == n] for n in range(1, last + 1)]


def _in(name: str, steps: Sequence[PlanStep]) -> bool:
    return any(step.id == name for step in steps)


def as_text(plan: Drawn) -> str:
    """The graph, level by level; a step shows what it waits for."""
    return "\n".join(_lines(plan))


def _lines(plan: Drawn) -> Iterator[str]:
    wide = max(len(step.id) for step in plan.steps)
    for number, level in enumerate(levels(plan.steps)):
        if number:
            yield "    |"
        for step in level:
            after = f"  <- {', '.join(step.depends_on)}" if step.depends_on else ""
            each = f"  for each of {step.for_each}" if step.for_each else ""
            mark = MARKS[plan.of(step.id)]
            yield f"[{mark}] {step.id:<{wide}}  {step.tool}: {step.description}{each}{after}"
            for name in plan.elements(step.id):
                yield f"     [{MARKS[plan.status[name]]}] {name}"


def as_mermaid(plan: Drawn) -> str:
    """The graph as a Mermaid flowchart."""
    lines = ["flowchart TD"]
    names = {step.id: f"s{n}" for n, step in enumerate(plan.steps)}
    for step in plan.steps:
        words = _quoted(f"{step.id}: {step.description}")
        each = _quoted(f" (for each of {step.for_each})") if step.for_each else ""
        lines.append(f'    {names[step.id]}["{words}<br/><i>{_quoted(step.tool)}</i>{each}"]')
        lines += [f"    {names[d]} --> {names[step.id]}" for d in step.depends_on if d in names]
    for step in plan.steps:
        if plan.of(step.id) in COLOURS:
            lines.append(f"    style {names[step.id]} {COLOURS[plan.of(step.id)]}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """What Mermaid takes within quotes."""
    safe = text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return " ".join(safe.replace(">", "&gt;").replace("#", "&num;").split())
