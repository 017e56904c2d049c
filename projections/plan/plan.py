"""The plan of a run, folded from its records: what is done, what runs, what may start now.

A step becomes ready in the fold of the record that ended the last one it depends on, so the
whole plan is never searched: folding a record costs as much as the step has dependents.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from playhead.events.event import Event, Json
from playhead.events.kinds.approvals import ApprovalDecided, ApprovalRequested
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.plans import PlanProposed, PlanRevised, PlanStep
from playhead.events.kinds.runs import RunStarted
from playhead.events.kinds.steps import StepFailed, StepFinished, StepStarted
from playhead.events.record import Record
from playhead.events.registry import ENDINGS
from playhead.projections.plan.references import (
    ITEM,
    Reference,
    Unresolved,
    as_text,
    follow,
    only_reference,
    references,
    resolve,
)

OWN = ("reason", "synthesize")
"""What a step may be without a tool: the model works on it."""

PLANNING = "plan"
"""The id of the step in which the model is asked for a plan."""

NodeStatus: TypeAlias = Literal["waiting", "ready", "running", "done", "failed", "stopped"]
"""`stopped`: it ran when its run ended."""


@dataclass(slots=True)
class PlanNode:
    """One step of the plan, or one element of a step with `for_each`."""

    id: str
    step: PlanStep
    group: str | None = None
    """The step with `for_each` that it is an element of."""
    item: Json = None
    waits: int = 0
    """Steps that it depends on and that are not done."""
    dependents: list[str] = field(default_factory=list[str])
    """Steps that depend on it."""
    status: NodeStatus = "waiting"
    attempt: int = 0
    had_side_effects: bool = False
    """It started a call that does more than read."""
    result: Json = None
    answer: str = ""
    """The result in the model's words, where it was one."""
    problem: str | None = None
    """Why it cannot be fanned out."""
    items: list[str] | None = None
    """Its elements, once it was fanned out."""
    left: int = 0
    """Elements that are not done."""


@dataclass(slots=True)
class Plan:
    """The plan as its records so far have it."""

    most_items: int
    """How many elements a step with `for_each` may have."""
    seq: int = 0
    """Of the record that brought the plan as it stands; 0 while there is none."""
    steps: tuple[PlanStep, ...] = ()
    """As it stands, without those that an earlier version had finished."""
    nodes: dict[str, PlanNode] = field(default_factory=dict[str, PlanNode])
    ready: dict[str, None] = field(default_factory=dict[str, None])
    running: dict[str, None] = field(default_factory=dict[str, None])
    failed: dict[str, StepFailed] = field(default_factory=dict[str, StepFailed])
    left: int = 0
    """Steps that are not done."""
    planning: bool = False
    """The model is being asked for a plan."""
    askings: int = 0
    """How often it was."""
    awaiting_budget: int = 0
    """Model steps that have not started; each gets a share of the budget."""
    revisions: int = 0
    waits: ApprovalRequested | None = None
    """The open request for a review."""
    lapsed: bool = False
    reviewed: bool = False
    denied: str | None = None
    """Why a person denied it; None if it was not denied."""
    denials: int = 0
    begun: bool = False
    """One of its steps was started."""
    over: bool = False
    """Its run has ended, so that nothing runs any more."""

    def asked(self) -> None:
        """The model is asked for a plan."""
        self.planning = True
        self.askings += 1

    def propose(self, seq: int, steps: Sequence[PlanStep]) -> None:
        """A plan, or the rest of one: what is done stays, but elements of a step that is new."""
        new = {step.id for step in steps}
        done = {
            node.id: node
            for node in self.nodes.values()
            if node.status == "done" and node.id.partition("[")[0] not in new
        }
        self.revisions += bool(self.begun)
        self.seq, self.steps, self.nodes = seq, tuple(steps), done
        self.ready, self.failed, self.left = {}, {}, len(steps)
        self.awaiting_budget = sum(step.tool in OWN for step in steps)
        self.planning = self.begun = self.reviewed = False
        self.denied = None
        for node in done.values():
            node.dependents = []
            node.group = node.group if node.group in done else None
        for step in steps:
            self.nodes[step.id] = PlanNode(step.id, step)
        for step in steps:
            self._connect(self.nodes[step.id])
        self._open([node for node in self.nodes.values() if node.waits == 0])

    def _connect(self, node: PlanNode) -> None:
        for other in node.step.depends_on:
            before = self.nodes.get(other)
            if before is not None and before.status != "done":
                before.dependents.append(node.id)
                node.waits += 1

    def _open(self, nodes: Iterable[PlanNode]) -> None:
        """Nothing stands before these any more."""
        waiting = [node for node in nodes if node.status == "waiting"]
        while waiting:
            node = waiting.pop(0)
            if node.step.for_each is None or node.group is not None:
                self._make_ready(node)
            else:
                self._fan_out(node)
                if node.items == []:
                    waiting += self._done(node, [], "")

    def _make_ready(self, node: PlanNode) -> None:
        node.status = "ready"
        self.ready[node.id] = None

    def _fan_out(self, node: PlanNode) -> None:
        found = self._elements(node)
        if isinstance(found, str):
            node.problem = found
            self._make_ready(node)
            return
        node.items = [f"{node.id}[{n}]" for n in range(len(found))]
        node.left = len(found)
        node.status = "running"
        self.awaiting_budget += (len(found) - 1) * (node.step.tool in OWN)
        for name, item in zip(node.items, found, strict=True):
            element = self.nodes[name] = PlanNode(name, node.step, node.id, item)
            self._make_ready(element)

    def _elements(self, node: PlanNode) -> list[Json] | str:
        """What a step is fanned out over, or why it cannot be."""
        text = node.step.for_each or ""
        reference = only_reference(text)
        try:
            value = None if reference is None else self.value(reference)
        except Unresolved as error:
            return str(error)
        if not isinstance(value, list):
            return f"for_each: {text} is not a list"
        if len(value) > self.most_items:
            return f"for_each: {text} has {len(value)} elements, at most {self.most_items} may run"
        return value

    def started(self, step: str, attempt: int) -> None:
        """A step of the plan was started."""
        node = self.nodes[step]
        self.begun = True
        self.awaiting_budget -= node.attempt == 0 and node.step.tool in OWN
        self.ready.pop(step, None)
        self.failed.pop(step, None)
        self.running[step] = None
        node.status, node.attempt = "running", attempt

    def finished(self, step: str, result: Json, answer: str) -> None:
        """A step of the plan has its result."""
        self.running.pop(step, None)
        self._open(self._done(self.nodes[step], result, answer))

    def _done(self, node: PlanNode, result: Json, answer: str) -> list[PlanNode]:
        """The steps that nothing stands before any more."""
        node.status, node.result, node.answer = "done", result, answer
        if node.group is not None:
            return self._element_done(self.nodes[node.group])
        self.left -= 1
        opened: list[PlanNode] = []
        for name in node.dependents:
            behind = self.nodes[name]
            behind.waits -= 1
            if behind.waits == 0:
                opened.append(behind)
        return opened

    def _element_done(self, group: PlanNode) -> list[PlanNode]:
        group.left -= 1
        if group.left:
            return []
        return self._done(group, [self.nodes[name].result for name in group.items or ()], "")

    def failed_at(self, event: StepFailed) -> None:
        """A step of the plan has failed."""
        self.running.pop(event.step, None)
        self.nodes[event.step].status = "failed"
        self.failed[event.step] = event

    def review_again(self) -> None:
        """Whatever anybody said about it counts for nothing."""
        self.waits, self.denied = None, None
        self.reviewed = self.begun = self.lapsed = False

    def decided(self, event: ApprovalDecided) -> None:
        """A person has reviewed it."""
        if self.waits is None or self.waits.binding != event.binding:
            return
        self.waits = None
        if not event.approved:
            self.denied = event.reason or "no reason was given"
            self.denials += 1
            return
        if event.plan is not None:
            revisions = self.revisions
            self.propose(self.seq, event.plan)
            self.revisions = revisions
        self.reviewed = True

    def value(self, reference: Reference, item: Json = None) -> Json:
        """What a reference stands for. Raises Unresolved."""
        if reference.id == ITEM:
            return follow(item, reference)
        node = self.nodes.get(reference.id)
        if node is not None and node.status == "done":
            return follow(node.result, reference)
        first = reference.path[0] if reference.path else None
        element = self.nodes.get(f"{reference.id}[{first}]")
        if element is not None and element.status == "done":
            return follow(element.result, reference, reference.path[1:])
        msg = f"{reference.text} leads nowhere: {reference.id} has no result"
        raise Unresolved(msg)

    def arguments(self, step: str) -> dict[str, Json]:
        """A step's arguments, every reference replaced by its value. Raises Unresolved."""
        node = self.nodes[step]
        resolved = resolve(node.step.arguments, lambda found: self.value(found, node.item))
        assert isinstance(resolved, dict)
        return resolved

    def inputs(self, step: str) -> Mapping[str, Json]:
        """What a step of the model's is given: arguments, and results it only depends on."""
        node = self.nodes[step]
        given: dict[str, Json] = {} if node.group is None else {ITEM: node.item}
        given.update(self.arguments(step))
        named = {found.id for found in references(node.step.arguments)}
        for other in node.step.depends_on:
            before = self.nodes.get(other)
            if other not in named and before is not None and before.status == "done":
                given.setdefault(other, before.result)
        return given

    def task(self, step: str) -> str:
        """A step's description; what cannot be resolved in it stays as it is."""
        node = self.nodes[step]
        try:
            return as_text(resolve(node.step.description, lambda r: self.value(r, node.item)))
        except Unresolved:
            return node.step.description

    def wanted_as(self, step: str) -> Reference | None:
        """How the list that another step is fanned out over is found in this step's result."""
        for name in self.nodes[step].dependents:
            found = only_reference(self.nodes[name].step.for_each or "")
            if found is not None and found.id == step:
                return found
        return None

    @property
    def final(self) -> PlanNode | None:
        """The step whose answer is the run's: the last `synthesize`."""
        last = next((s for s in reversed(self.steps) if s.tool == "synthesize"), None)
        return None if last is None else self.nodes.get(last.id)

    @property
    def kept(self) -> tuple[str, ...]:
        """What is done, in order; an element only where its step is not."""
        return tuple(
            node.id
            for node in self.nodes.values()
            if node.status == "done"
            and (node.group is None or self.nodes[node.group].status != "done")
        )

    def staying(self, steps: Sequence[PlanStep]) -> tuple[str, ...]:
        """What of `kept` these steps leave: a step that takes an id takes its elements' ids too."""
        new = {step.id for step in steps}
        return tuple(name for name in self.kept if name.partition("[")[0] not in new)

    @property
    def whole(self) -> list[PlanNode]:
        """Every step, those done under an earlier version first; without the elements."""
        return [node for node in self.nodes.values() if node.group is None]

    def elements(self, node: PlanNode) -> list[PlanNode]:
        """The elements of a step, once it was fanned out."""
        return [self.nodes[name] for name in node.items or () if name in self.nodes]

    def status(self, node: PlanNode) -> NodeStatus:
        """How a step stands; one with elements fails when one of them does."""
        if any(each.status == "failed" for each in self.elements(node)):
            return "failed"
        return "stopped" if self.over and node.status == "running" else node.status


def plan_of(records: Iterable[Record]) -> Plan | None:
    """The plan of a run as far as its records go; None if it has none."""
    plan: Plan | None = None
    most_items = 0
    for record in records:
        match record.event:
            case RunStarted(agent=agent):
                most_items = agent.plan.for_each_items
            case RunForked(agent=agent) if agent is not None:
                most_items = agent.plan.for_each_items
            case PlanProposed(steps=steps) | PlanRevised(steps=steps):
                plan = plan or Plan(most_items)
                plan.propose(record.seq, steps)
            case event if plan is not None:
                _fold(plan, event)
                plan.over = event.kind in ENDINGS
            case _:
                pass
    return plan


def _fold(plan: Plan, event: Event) -> None:
    match event:
        case ApprovalRequested(about="plan"):
            plan.waits = event
        case ApprovalDecided():
            plan.decided(event)
        case StepStarted(step=step, attempt=attempt) if step in plan.nodes:
            plan.started(step, attempt)
        case StepFinished(step=step, answer=answer, output=output) if step in plan.nodes:
            given = output is not None or plan.nodes[step].step.tool not in OWN
            plan.finished(step, output if given else answer, answer)
        case StepFailed(step=step) if step in plan.nodes:
            plan.failed_at(event)
        case _:
            pass
