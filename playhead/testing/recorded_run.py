"""A recorded run in a test: loaded from its export, replayed, inspected, forked.

run = RecordedRun.load("runs/refund.jsonl")
run.assert_replays()
run.assert_called("find_order", before="refund")
run.fork(at=1, instead=Instead(agent=support)).assert_answer("refunded")
"""

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn, cast

from pydantic_core import to_json

from playhead.actors.replay import Divergence, replay
from playhead.definition.agent import Agent
from playhead.events.codec import decode
from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.events.kinds.approvals import ApprovalRequested
from playhead.events.kinds.runs import RunFinished, RunPaused, RunStarted
from playhead.events.kinds.tool_calls import (
    AttemptStarted,
    ToolRefused,
    ToolRequested,
    ToolSucceeded,
)
from playhead.events.log.contract import Log, Reader
from playhead.events.log.memory import MemoryLog
from playhead.events.maintenance.export import export
from playhead.events.maintenance.import_run import import_run
from playhead.events.registry import OUTCOMES
from playhead.forking import NOTHING, Instead
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.run import Run
from playhead.runtime import Runtime
from playhead.service.subscriptions import RunEnd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playhead.events.record import Record


class Called(NamedTuple):
    """One tool call of a run."""

    seq: int
    """The seq of its ToolRequested: the key in `Instead(results={seq: ...})`."""
    tool: str
    arguments: dict[str, Json]
    succeeded: bool
    result: Json = None


class RecordedRun:
    """One run and its log. Its asserts raise AssertionError and say what happened instead."""

    def __init__(self, log: Reader, run: str, ended: RunEnd | None = None) -> None:
        """Its records are read when they are needed.

        `log`: a reader is enough for all but `fork`. `ended`: its result, where it is known.
        """
        self.log = log
        self.id = run
        self._ended = ended

    @cached_property
    def records(self) -> "Sequence[Record]":
        """All of its records, in order."""
        return [decode(row, self.log.body) for row in self.log.read(self.id)]

    @classmethod
    def load(cls, path: Path | str) -> "RecordedRun":
        """A run that `playhead export` wrote. Raises LogDamaged, LogTooNew, OSError."""
        log = MemoryLog()
        with Path(path).open("rb") as lines:
            return cls(log, import_run(log, lines, trusted=True).run)

    def save(self, path: Path | str) -> None:
        """Write it like `playhead export`; the file appears complete, or not at all."""
        path = Path(path)
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(b"".join(export(self.log, self.id)))
        part.replace(path)

    # What it did

    @property
    def started(self) -> RunStarted:
        """Its first event."""
        row = next(self.log.read(self.id, 0, 1))
        event = decode(row, self.log.body).event
        assert isinstance(event, RunStarted)
        return event

    @property
    def answer(self) -> str | None:
        """Its answer; None if it did not finish."""
        if self._ended is not None:
            return self._ended.answer
        event = self.records[-1].event
        return event.answer if isinstance(event, RunFinished) else None

    @property
    def output(self) -> Json:
        """Its answer as the agent's output type has it; None for text, or without an answer."""
        if self._ended is not None:
            return self._ended.output
        event = self.records[-1].event
        return event.output if isinstance(event, RunFinished) else None

    @property
    def calls(self) -> list[Called]:
        """Its tool calls, in the order requested."""
        found: dict[int, Called] = {}
        attempts: dict[int, int] = {}
        for record in self.records:
            event = record.event
            if isinstance(event, ToolRequested):
                found[record.seq] = Called(record.seq, event.tool, event.arguments, succeeded=False)
            elif isinstance(event, AttemptStarted):
                attempts[record.seq] = event.call
            elif isinstance(event, ToolRefused):
                found[event.call] = found[event.call]._replace(result=event.message)
            elif event.kind in OUTCOMES and record.cause in attempts:
                call = attempts[record.cause]
                result = event.result if isinstance(event, ToolSucceeded) else None
                found[call] = found[call]._replace(
                    succeeded=isinstance(event, ToolSucceeded), result=result
                )
        return list(found.values())

    @cached_property
    def metrics(self) -> RunMetrics:
        """Steps, calls, errors, tokens, duration."""
        if self._ended is not None:
            return self._ended.metrics
        metrics = RunMetrics()
        for record in self.records:
            metrics.fold(record)
        return metrics

    # Asserts

    def assert_replays(self) -> None:
        """The installed code decides as recorded."""
        at = replay(self.log, self.id).divergence
        if at is not None:
            _fail(f"run {self.id} {_told(at)}")

    def assert_called(
        self, tool: str, *, before: str | None = None, times: int | None = None, **arguments: Json
    ) -> None:
        """The tool was called with these arguments, first before the other tool's first call."""
        calls = [
            call for call in self.calls
            if call.tool == tool and arguments.items() <= call.arguments.items()
        ]  # fmt: skip
        wanted = f"{tool}({_words(arguments)})"
        if not calls or times not in (None, len(calls)):
            expected = "a call" if times is None else f"{times} calls"
            _fail(f"expected {expected} of {wanted}; {self._did()}")
        others = [call.seq for call in self.calls if call.tool == before]
        if before is not None and (not others or calls[0].seq > others[0]):
            _fail(f"expected {wanted} before {before}; {self._did()}")

    def assert_never_called(self, tool: str) -> None:
        """No call of the tool was even requested."""
        if any(call.tool == tool for call in self.calls):
            _fail(f"expected no call of {tool}; {self._did()}")

    def assert_steps(self, *, at_most: int) -> None:
        """It took at most that many rounds."""
        steps = self.metrics.steps
        if steps > at_most:
            _fail(f"expected at most {at_most} steps, it took {steps}")

    def assert_answer(self, pattern: str) -> None:
        """It finished, and the regular expression matches in its answer."""
        if self.answer is None or re.search(pattern, self.answer) is None:
            last = self.records[-1].event
            told = self.answer if self.answer is not None else f"(none: {last.kind})"
            _fail(f"expected an answer with {pattern!r}, it was: {told}")

    # What if

    def fork(self, at: int | None = None, instead: Instead = NOTHING) -> "RecordedRun":
        """Continue from record `at` with a change, to the end.

        Recorded outcomes answer equal calls; after the first different call everything is live:
        give the agent a scripted model (`Instead(agent=...)`). Raises UsageError.
        """
        with Runtime(cast("Log", self.log), only_runs=()) as runtime:
            made = runtime.fork(self.id, at, instead)
            _await_end(made)
        return RecordedRun(self.log, made.id)

    def again(self, agent: Agent[object]) -> "RecordedRun":
        """Run the same goal again, live. Raises UsageError for a run of a session."""
        if self.started.past is not None:
            msg = f"run {self.id} continues a session's past: record it again by hand"
            raise UsageError(msg)
        log = MemoryLog()
        with Runtime(log) as runtime:
            made = runtime.start(agent, self.started.goal, metadata=self.started.metadata)
            _await_end(made)
        return RecordedRun(log, made.id)

    def _did(self) -> str:
        calls = [f"{call.tool}({_words(call.arguments)})" for call in self.calls]
        return "it called " + (", ".join(calls) or "nothing")

    def __repr__(self) -> str:
        return f"<RecordedRun {self.id}: {self.records[-1].event.kind}>"


def _await_end(run: Run[object]) -> None:
    """Follow a run to its end. No one can approve anything here, so a request is an error."""
    for record in run.events():
        event = record.event
        if isinstance(event, RunPaused) and record.run == run.id:
            msg = f"run {run.id} was paused: {event.reason}"
            raise UsageError(msg)
        if isinstance(event, ApprovalRequested) and record.run == run.id:
            waits = next(w for w in run.approvals() if w.call == event.call)
            msg = f"call {event.call} of {waits.tool} has effects: Instead(allow=[{waits.tool!r}])"
            raise UsageError(msg)


def _fail(why: str) -> NoReturn:
    raise AssertionError(why)


def _words(arguments: dict[str, Json]) -> str:
    return ", ".join(f"{name}={to_json(value).decode()}" for name, value in arguments.items())


def _told(at: Divergence) -> str:
    lines = [f"diverges at record {at.seq} (its turn began with {at.trigger}): {at.field}"]
    if at.error is not None:
        return f"{lines[0]}\n  a role raised {at.error}"
    for name, record in (("recorded", at.recorded), ("decided now", at.decided)):
        event = "nothing" if record is None else f"{record.event!r}"
        lines.append(f"  {name}: {event[:500]}")
    return "\n".join(lines)
