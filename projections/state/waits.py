"""The open waits of a run: one fold for how every wait starts and ends.

It needs only the run's records, so the state, the stored list of waits and commands that read one
run all use it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from playhead.events.event import Event
from playhead.events.kinds import approvals, runs, tool_calls, waits
from playhead.events.record import Record
from playhead.events.registry import ENDINGS

About: TypeAlias = Literal["call", "plan", "input", "answer", "time", "model"]
"""What is waited for: a person's approval of a call or a plan, or their answer to a tool; the
answer of a deferred call; a time; or a model that is down."""

APPROVALS = ("call", "plan", "input")
"""What a person approves, or answers."""

DEFERRED = ("answer", "time")
"""What a deferred call waits for."""


@dataclass(frozen=True, slots=True)
class Wait:
    """One open wait."""

    seq: int
    """The seq of the record that began it, which identifies the wait."""
    about: About
    since: int
    """Microseconds since the epoch, like `until`."""
    until: int | None
    """When it ends by itself: an approval expires, or the model is asked again."""
    call: int | None = None
    """The call, or the plan, that a person is asked about."""
    step: str | None = None
    """The step whose model is down."""
    binding: str | None = None
    """The hash that an approval must carry."""
    error: str | None = None
    """The reason: the model's last error, or the error of the approval rule."""
    message: str | None = None
    tries: int = 0
    """Number of failed attempts so far."""
    counts: bool = False
    """Whether the time counts towards max_seconds."""
    bound: str | None = None
    """It ends with this: `session`, of the server that asks."""
    run_ends: int | None = None
    """If it counts: when max_seconds will have passed, unless the wait ends before."""

    @property
    def over(self) -> runs.TimeReached:
        """The event to record at `until`."""
        if self.about in APPROVALS:
            return runs.TimeReached(due="approval", call=self.call)
        return runs.TimeReached(due="wait", wait=self.seq)

    @property
    def times(self) -> list[tuple[int, runs.TimeReached]]:
        """What becomes due while it lasts."""
        over = [] if self.until is None else [(self.until, self.over)]
        if self.run_ends is None:
            return over
        return [*over, (self.run_ends, runs.TimeReached(due="max_seconds"))]

    def ended_by(self, record: Record) -> bool:
        """Whether a record of the run ends it."""
        match record.event:
            case approvals.ApprovalDecided(call=call, binding=binding):
                return call == self.call and binding == self.binding
            case tool_calls.CallAnswered(call=call):
                return call == self.call and self.about in DEFERRED
            case runs.TimeReached(due="approval", call=call) | tool_calls.ToolRefused(call=call):
                return call == self.call
            case runs.TimeReached(due="wait", wait=wait):
                return wait == self.seq
            case runs.RunResumed(agent=agent):  # with an agent: earlier approvals do not count
                again = self.about in APPROVALS and agent is not None
                return not record.held and (self.about == "model" or again)
            case event:
                return _stops(event)


ENDS: frozenset[type[Event]] = frozenset({
    approvals.ApprovalDecided, tool_calls.CallAnswered, tool_calls.ToolRefused, runs.TimeReached,
    runs.RunResumed, runs.CancelRequested, runs.LimitReached, approvals.LoopDetected,
    runs.RunFailing, runs.RunFinished, runs.RunFailed, runs.RunCancelled,
})  # fmt: skip
"""Kinds that may end a wait."""


def fold_waits(open_waits: dict[int, Wait], record: Record) -> list[Wait]:
    """Fold a run's next record; returns the waits that it ends."""
    event = record.event
    if isinstance(event, waits.WaitStarted):
        open_waits[record.seq] = _started(record, event)
    if not open_waits or type(event) not in ENDS:
        return []
    ended = [wait for wait in open_waits.values() if wait.ended_by(record)]
    for wait in ended:
        del open_waits[wait.seq]
    return ended


def _started(record: Record, event: waits.WaitStarted) -> Wait:
    match event:
        case approvals.ApprovalRequested(about=about, call=call):
            return Wait(
                record.seq, about, record.at, event.expires_at, call, binding=event.binding,
                error=event.rule_error, bound=event.bound,
            )  # fmt: skip
        case waits.OutageWaitStarted():
            return Wait(
                record.seq, "model", event.since, event.until, step=event.step, error=event.error,
                message=event.message, tries=event.tries,
            )  # fmt: skip
        case waits.AnswerAwaited():
            return Wait(
                record.seq, event.about, record.at, event.until, event.call, message=event.note,
                counts=event.counts, run_ends=event.run_ends,
            )  # fmt: skip
        case _:
            raise TypeError(event.kind)


def _stops(event: Event) -> bool:
    """Whether the run stops or ends: then its waits are over."""
    match event:
        case runs.CancelRequested() | runs.LimitReached() | runs.TimeReached(due="max_seconds"):
            return True
        case runs.RunFailing():
            return True
        case approvals.LoopDetected(action="stop"):
            return True
        case _:
            return event.kind in ENDINGS


WAITING: Mapping[About, str] = {
    "call": "waits for you", "plan": "waits for you", "input": "waits for you",
    "answer": "waits for an answer",
    "time": "waits for a time", "model": "waits for the model",
}  # fmt: skip
"""How the status of a run reads that waits, by what it waits for: people come first."""


def shown_status(status: str, open_waits: Iterable[About]) -> str:
    """The one word, or few, for how a run stands, wherever it is shown.

    A run that nobody has is open, unless a person can answer it: the answer lies there until
    somebody takes the run up.
    """
    waits_for = set(open_waits)
    if status == "open":
        waits_for &= {*APPROVALS, "answer"}
    elif status != "running":
        return status
    return next((words for about, words in WAITING.items() if about in waits_for), status)


def wait_text(wait: Wait, local: Callable[[int], str]) -> str:
    """A wait as text; `local` formats a time."""
    since = f"since {local(wait.since)}"
    if wait.about == "model":
        again = "" if wait.until is None else f", tries again at {local(wait.until)}"
        return f"waits for the model {since} ({wait.error}: {wait.message}){again}"
    lapses = "" if wait.until is None else f", until {local(wait.until)}"
    note = "" if not wait.message else f" ({wait.message})"
    if wait.about == "time":
        return f"waits {since}{lapses}, as call {wait.call} asked{note}"
    if wait.about == "answer":
        return f"waits for the answer of call {wait.call} {since}{note}{lapses}"
    return f"waits for a person {since}, about {wait.about} {wait.call}{lapses}"
