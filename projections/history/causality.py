"""Why a record is there, back to the goal, and what it influenced, forward to the end.

Every record names its cause, the one it was decided on. A model request also reads: what came into
its step's conversation since the request before. So does a step of a plan: what the steps that it
depends on gave. All are edges here, so a tool's result leads to the answer that used it, also when
a parallel call's result was the one that set the request off.
"""

from collections.abc import Iterable
from typing import NamedTuple

from playhead.events.kinds import (
    approvals,
    child_runs,
    forks,
    guardrails,
    memory,
    model_calls,
    plans,
    runs,
    steps,
    tool_calls,
)
from playhead.events.record import Record

READ = (
    runs.MessageReceived, forks.RunForked, steps.StepStarted, steps.OutputRejected,
    model_calls.ModelAnswered, tool_calls.ToolSucceeded, tool_calls.ToolFailed,
    tool_calls.ToolOutcomeUnknown, tool_calls.ToolRefused, tool_calls.ToolResolved,
    tool_calls.CallAnswered,
    child_runs.ChildFinished, memory.MemoryRecalled,
    approvals.LoopDetected, approvals.ApprovalDecided, guardrails.GuardrailDecided,
)  # fmt: skip
"""Kinds that say something to the model."""


class Link(NamedTuple):
    """Why one record led to another."""

    seq: int
    """The earlier one."""
    read: bool
    """Read by a model request or a step of a plan; otherwise it is the cause."""


class Causes:
    """The links between the records of one run. O(1) a record."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._links: dict[int, list[Link]] = {}
        self._step_of: dict[int, str] = {}
        self._unread: dict[str, list[int]] = {}
        self._needs: dict[str, tuple[str, ...]] = {}
        """Step of a plan -> the steps that it depends on."""
        self._begun: dict[str, int] = {}
        """Step -> where it started last."""
        self._done: dict[str, list[int]] = {}
        """Step of a plan -> where it, or its elements, finished."""
        for record in records:
            self._add(record)

    def links(self, seq: int) -> list[Link]:
        """What led to a record directly, its cause first. Raises KeyError for no record."""
        return self._links[seq]

    def back(self, seq: int) -> list[int]:
        """All records that led to this one, oldest first, itself last. Raises KeyError."""
        found = {seq}
        waiting = [seq]
        while waiting:
            for link in self._links[waiting.pop()]:
                if link.seq not in found:
                    found.add(link.seq)
                    waiting.append(link.seq)
        return sorted(found)

    def chain(self, seq: int) -> list[int]:
        """The shortest way back: causes only, the goal first, itself last. Raises KeyError."""
        found = [seq]
        while links := [link for link in self._links[found[-1]] if not link.read]:
            found.append(links[0].seq)
        return found[::-1]

    def forward(self, seq: int) -> list[int]:
        """All records that this one influenced, itself first. Raises KeyError."""
        _ = self._links[seq]
        found = {seq: None}
        for later in range(seq + 1, len(self._links) + 1):
            if any(link.seq in found for link in self._links[later]):
                found[later] = None
        return list(found)

    def _add(self, record: Record) -> None:
        seq, event = record.seq, record.event
        links = [] if record.cause is None else [Link(record.cause, read=False)]
        step = self._step(record)
        if isinstance(event, model_calls.ModelCall):
            unread = self._unread.pop(event.step, [])
            links += [Link(n, read=True) for n in unread if n != record.cause]
        elif isinstance(event, READ):
            steps = list(self._unread) if step is None else [step]
            for each in steps:
                self._unread.setdefault(each, []).append(seq)
        links += [Link(n, read=True) for n in self._given(record) if n != record.cause]
        if step is not None:
            self._step_of[seq] = step
            self._unread.setdefault(step, [])
        self._links[seq] = links

    def _given(self, record: Record) -> list[int]:
        """What a plan gives: to a step the ends of those it builds on, to a wish its step."""
        match record.event:
            case plans.PlanProposed(steps=planned) | plans.PlanRevised(steps=planned):
                self._needs.update({each.id: tuple(each.depends_on) for each in planned})
            case approvals.ApprovalDecided(plan=tuple(planned)):
                self._needs.update({each.id: tuple(each.depends_on) for each in planned})
            case steps.StepFinished(step=step):
                self._done.setdefault(_base(step), []).append(record.seq)
            case steps.StepStarted(step=step):
                self._begun[step] = record.seq
                return [
                    n for need in self._needs.get(_base(step), ()) for n in self._done.get(need, ())
                ]
            case tool_calls.ToolRequested(step=step) | model_calls.ModelCall(step=step):
                # Steps that start in one turn are all decided on with the first.
                beside = self._step_of.get(record.cause or 0, step) != step
                return [self._begun[step]] if beside and step in self._begun else []
            case _:
                pass
        return []

    def _step(self, record: Record) -> str | None:
        """The step that a record belongs to: it says so, or what it is about does."""
        event = record.event
        step = getattr(event, "step", None)
        if step is not None:
            return str(step)
        about = getattr(event, "call", None) or record.cause or 0
        if isinstance(event, runs.MessageReceived | forks.RunForked):
            return None
        return self._step_of.get(about)


def _base(step: str) -> str:
    """The step of the plan that an element belongs to."""
    return step.partition("[")[0]
