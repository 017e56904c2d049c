"""What went wrong on the way of a run, the most telling first, with the records that show it.

A guard that ended a run says when it had enough, not why it came to that: four failures of the same
call explain more than "max_steps is 8". What is here comes before the guard.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from playhead.events.kinds.approvals import LoopDetected
from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed
from playhead.events.kinds.tool_calls import (
    AttemptStarted,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolRefused,
    ToolRequested,
    ToolSucceeded,
)
from playhead.events.kinds.waits import OutageWaitStarted
from playhead.events.record import Record

OFTEN = 2
"""From this many equal failures on, a failure is a reason."""


class Reason(NamedTuple):
    """Something that explains how a run went."""

    what: str
    """failure, refusal, loop, outage or unknown."""
    text: str
    """One sentence."""
    records: tuple[int, ...]
    """Seqs of the records that show it, in order."""
    commands: tuple[str, ...]
    """What to run next; `{run}` stands for how commands name the run."""


_Error: TypeAlias = tuple[str, str, str]
"""Tool, error or reason, message."""


class _Failures(NamedTuple):
    """The same error of the same tool, time after time."""

    places: list[tuple[int, int]]
    """Call, and the intent of its attempt."""
    records: list[int]


def reasons(records: Iterable[Record]) -> list[Reason]:
    """What explains the run's end, or where it stands. Empty if nothing went wrong.

    What a later success has mended is left out: failures of a tool that then succeeded, an outage
    after which the model answered.
    """
    past = _Past()
    for record in records:
        past.fold_call(record)
        past.fold_model(record)
    repeated = [*_failed(past.failures), *_refused(past.refusals)]
    repeated.sort(key=lambda reason: -len(reason.records))
    failed = bool(past.failures)
    loops = [each for each in past.loops if not (failed and each[1].pattern == "same_failure")]
    return [*_outage(past.outage), *repeated, *_loops(loops), *_unknown(past.unknown)]


class _Past:
    """The run so far."""

    def __init__(self) -> None:
        self.calls: dict[int, ToolRequested] = {}
        self.attempts: dict[int, int] = {}
        self.failures: dict[_Error, _Failures] = {}
        self.refusals: dict[_Error, _Failures] = {}
        self.loops: list[tuple[int, LoopDetected]] = []
        self.outage: list[tuple[int, ModelFailed | OutageWaitStarted]] = []
        self.unknown: list[tuple[int, str]] = []

    def fold_call(self, record: Record) -> None:
        match record.event:
            case ToolRequested() as call:
                self.calls[record.seq] = call
            case AttemptStarted(call=number):
                self.attempts[record.seq] = number
            case ToolFailed(error=error, message=message):
                number = self.attempts.get(record.cause or 0, 0)
                place = number, record.cause or 0
                _add(self.failures, (self._tool(number), error, message), place, record.seq)
            case ToolRefused(call=number, reason=reason, message=message):
                place = number, number
                _add(self.refusals, (self._tool(number), reason, message), place, record.seq)
            case ToolOutcomeUnknown():
                self.unknown.append((record.seq, self._of(record)))
            case ToolSucceeded():
                tool = self._of(record)
                self.failures = {e: each for e, each in self.failures.items() if e[0] != tool}
            case _:
                pass

    def fold_model(self, record: Record) -> None:
        match record.event:
            case LoopDetected() as loop:
                self.loops.append((record.seq, loop))
            case ModelFailed() | OutageWaitStarted() as event:
                self.outage.append((record.seq, event))
            case ModelAnswered():
                self.outage.clear()
            case _:
                pass

    def _of(self, outcome: Record) -> str:
        return self._tool(self.attempts.get(outcome.cause or 0, 0))

    def _tool(self, number: int) -> str:
        return self.calls[number].tool if number in self.calls else "a tool"


def _add(found: dict[_Error, _Failures], key: _Error, place: tuple[int, int], seq: int) -> None:
    failures = found.setdefault(key, _Failures([], []))
    failures.places.append(place)
    failures.records.append(seq)


def _failed(failures: dict[_Error, _Failures]) -> Iterator[Reason]:
    for (tool, error, message), found in failures.items():
        if len(found.records) >= OFTEN:
            call, attempt = found.places[-1]
            instead = f"--at {attempt} --tool-result {call}='what it should say'"
            yield Reason(
                "failure",
                f"{tool} failed {_times(found)} with the same error: {error}: {message}",
                tuple(found.records),
                (
                    f"playhead causes {{run}} {found.records[-1]}",
                    f"playhead fork {{run}} {instead}",
                ),
            )


def _refused(refusals: dict[_Error, _Failures]) -> Iterator[Reason]:
    for (tool, reason, message), found in refusals.items():
        if reason == "stopped" or (len(found.records) < OFTEN and reason != "denied"):
            continue
        yield Reason(
            "refusal",
            f"{tool} was refused {_times(found)} ({reason}): {message}",
            tuple(found.records),
            (f"playhead causes {{run}} {found.records[-1]}",),
        )


def _loops(loops: list[tuple[int, LoopDetected]]) -> Iterator[Reason]:
    if not loops:
        return
    seq, last = loops[-1]
    yield Reason(
        "loop",
        f"it went in circles ({last.pattern}, {last.count} times): {last.message}",
        tuple(seq for seq, _ in loops),
        (f"playhead causes {{run}} {seq}",),
    )


def _outage(outage: list[tuple[int, ModelFailed | OutageWaitStarted]]) -> Iterator[Reason]:
    if len(outage) < OFTEN:
        return
    _, last = outage[-1]
    yield Reason(
        "outage",
        f"the model failed {len(outage)} times in a row, the last time with "
        f"{last.error}: {last.message}",
        tuple(seq for seq, _ in outage),
        ("playhead resume {run}", "playhead doctor"),
    )


def _unknown(unknown: list[tuple[int, str]]) -> Iterator[Reason]:
    for seq, tool in unknown:
        yield Reason(
            "unknown",
            f"{tool} was cut off, and whether it took effect is unknown",
            (seq,),
            (f"playhead causes {{run}} {seq}",),
        )


def _times(found: _Failures) -> str:
    return "once" if len(found.records) == 1 else f"{len(found.records)} times"
