"""A caller's handle of a run, and its result."""

import asyncio
import html
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, overload

from playhead.definition.agent import Out
from playhead.definition.messages import Said, spoken
from playhead.events.errors import UsageError
from playhead.events.event import Block, Json
from playhead.events.kinds.approvals import ApprovalDecided
from playhead.events.kinds.plans import PlanStep
from playhead.events.kinds.runs import CancelRequested, MessageReceived, RunPaused
from playhead.events.record import Record
from playhead.events.spec.agent import Status
from playhead.events.usage import Usage
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.projections.state.calls.approvals import OpenApproval
from playhead.service.decider import this_process
from playhead.service.run_control import RunControl
from playhead.service.subscriptions import (
    Listening,
    Piece,
    RunEnd,
    TextChunk,
    ToolProgress,
)
from playhead.service.updates import Updates
from playhead.tools.calls.approval import arguments_fault


@dataclass(frozen=True)
class Result(Generic[Out]):
    """The result of a finished run."""

    run_id: str
    output: Out
    """The answer as the agent's output type; the text itself if the agent has none."""
    answer: str
    metrics: RunMetrics
    """Steps, calls, errors, tokens, duration."""
    agent: str | None = None
    """Who answered, if the conversation was handed over; None for the run's own agent."""

    @property
    def usage(self) -> Usage:
        """Tokens over the whole run."""
        return self.metrics.usage

    def _repr_html_(self) -> str:
        m = self.metrics
        facts = f"{m.steps} steps, {m.tool_calls} tool calls, {m.usage.total} tokens"
        return (
            f"<div><pre style='white-space:pre-wrap'>{html.escape(self.answer)}</pre>"
            f"<small>run {html.escape(self.run_id)}: {facts}, {m.duration:.1f} s</small></div>"
        )


class Run(Generic[Out]):
    """An open run: wait for it, listen to it, send to it, stop it.

    `run.wait()` blocks; `await run` does not. Every method may be called from any thread. After the
    runtime's `close` they raise RuntimeClosed; blocking methods raise CalledOnLoop if they are
    called on the runtime's own loop (by a watcher, a model).
    """

    def __init__(self, control: RunControl, run: str, read: Callable[[str, Json], Out]) -> None:
        self._control = control
        self._read = read
        self.id = run

    def wait(self, timeout: float | None = None) -> Result[Out]:
        """The result, once it exists.

        Raises RunNotFinished if the run failed, was cancelled or is paused, TimeoutError after
        `timeout` seconds (the run continues), StorageUnavailable if the log cannot be written for
        `Runtime(storage_seconds=...)` (it continues by itself when it can; wait again), and
        LogError if this process may no longer write the run (RunTakenOver, LogClosed and others).
        """
        self._control.check_may_wait()
        outcome = self._control.outcome(self.id)
        try:
            return self._result(outcome.result(timeout))
        finally:
            outcome.cancel()  # stop listening after a timeout or Ctrl-C

    def __await__(self) -> Generator[Any, None, Result[Out]]:
        """`await run`: like `wait`, without blocking the caller's loop.

        Cancelling the awaiting task (a timeout, a client that disconnected) leaves the run going:
        it can be awaited again. To stop it too, call `run.cancel()`.
        """
        answer = yield from asyncio.wrap_future(self._control.outcome(self.id)).__await__()
        return self._result(answer)

    def _result(self, ended: RunEnd) -> Result[Out]:
        output = self._read(ended.answer, ended.output)
        return Result(self.id, output, ended.answer, ended.metrics, ended.agent)

    @property
    def status(self) -> Status:
        """running, paused, finished, failed or cancelled."""
        return self._control.status(self.id)

    @overload
    def events(self) -> Listening[Record]: ...

    @overload
    def events(self, *, pieces: Literal[True]) -> Listening[Piece]: ...

    def events(self, *, pieces: bool = False) -> Listening[Any]:
        """Every record of the run from its first, with `for` or `async for`, until it ends.

        With `pieces=True` also what is not recorded, as it comes: a TextChunk of a reply, and
        ToolProgress, what a tool says of its call.
        """
        if pieces:
            return self._control.listen(self.id, Record, TextChunk, ToolProgress)
        return self._control.listen(self.id, Record)

    def stream(self) -> Listening[TextChunk]:
        """The model's text as it arrives, with `for` or `async for`, until the run ends."""
        return self._control.listen(self.id, TextChunk)

    def updates(self, after: int = 0) -> Updates:
        """What a page shows of the run, as typed values, with `for` or `async for`, until it ends.

        It begins with the run's first record, or with the one after seq `after`, for a listener who
        comes back. Text and tools' progress are given only as they come in.
        """
        return Updates(
            lambda: self._control.listen(self.id, Record, TextChunk, ToolProgress), after
        )

    def cancel(self, reason: str = "") -> None:
        """Stop it: nothing new starts, open effects are cancelled, then the run ends.

        This stops a run that nobody awaits any more. Like every command, it raises
        StorageUnavailable if the log cannot be written in time, and is then not recorded later,
        unless the last failed try had written it.
        """
        self._control.tell(self.id, CancelRequested(reason=reason))

    def pause(self, reason: str = "paused by the caller") -> None:
        """Stop it from deciding anything until it is resumed; arriving events are held."""
        self._control.tell(self.id, RunPaused(reason=reason))

    def resume(self) -> None:
        """Continue after a pause, or after this process had to drop the run (RunTakenOver)."""
        self._control.resume(self.id)

    def approvals(self) -> list[OpenApproval]:
        """The calls that wait for a person's approval."""
        return self._control.approvals(self.id)

    def approve(
        self,
        call: int,
        arguments: dict[str, Json] | None = None,
        *,
        plan: Sequence[Mapping[str, Json]] | None = None,
    ) -> None:
        """Let a call start, with changed arguments if given; or a plan, with changed steps.

        A call whose tool asks something (`about` is "input") goes on with `arguments` as the
        answer: the fields of its one question, or of each question by its key.

        Raises UsageError, also for steps that cannot run and arguments that are not JSON.
        """
        if arguments is not None and (fault := arguments_fault(arguments)) is not None:
            msg = f"call {call} of run {self.id}: arguments= cannot be recorded: {fault}"
            raise UsageError(msg)
        steps = None if plan is None else self._control.edited_plan(self.id, plan)
        self._decide(call, approved=True, arguments=arguments, plan=steps)

    def deny(self, call: int, reason: str | None = None) -> None:
        """Refuse a call, or a plan; the model reads the reason. Raises UsageError.

        To a tool that asks something it says `decline`.
        """
        self._decide(call, approved=False, reason=reason)

    def _decide(
        self,
        call: int,
        *,
        approved: bool,
        reason: str | None = None,
        arguments: dict[str, Json] | None = None,
        plan: tuple[PlanStep, ...] | None = None,
    ) -> None:
        waiting = {found.call: found for found in self.approvals()}
        if call not in waiting:
            calls = ", ".join(map(str, waiting)) or "none"
            msg = f"call {call} of run {self.id} is not waiting for approval (waiting: {calls})"
            raise UsageError(msg)
        self._control.tell(
            self.id,
            ApprovalDecided(
                call=call, binding=waiting[call].binding, approved=approved, reason=reason,
                arguments=arguments, plan=plan, by=this_process(),
            ),
        )  # fmt: skip

    def complete(self, call: int, result: Json = None) -> None:
        """Give the answer of a deferred call. Raises AnswerRefused, whose `reason` says why."""
        self._control.complete(self.id, call, result)

    def fail(self, call: int, message: str, hint: str | None = None) -> None:
        """Say that what a deferred call began has failed. Raises AnswerRefused."""
        self._control.fail(self.id, call, message, hint)

    def resolve(self, call: int, *, succeeded: bool, note: str = "") -> None:
        """Record what happened to a call whose outcome is unknown. Raises UsageError."""
        self._control.resolve(self.id, call, succeeded=succeeded, note=note)

    def send(self, text: Said, content: Sequence[Block] = ()) -> None:
        """Send another message: a text, or texts, images and documents in order.

        `content`: images and documents before a text, as API content blocks. The model reads it
        with its next request.
        """
        said = spoken(text, content)
        event = MessageReceived(text=said.text, content=said.content, ordered=said.ordered)
        self._control.tell(self.id, event)

    def __repr__(self) -> str:
        return f"<Run {self.id}: {self._shown_status()}>"

    def _repr_html_(self) -> str:
        return f"<code>run {html.escape(self.id)}</code>: {html.escape(self._shown_status())}"

    def _shown_status(self) -> str:
        """For debuggers and notebooks: never raises, even if the runtime or its log is gone."""
        try:
            return self.status
        except Exception as error:
            return f"status unknown: {error}"
