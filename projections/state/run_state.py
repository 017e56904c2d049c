"""The state of one run: all that a decision may look at.

Nothing here decides or changes anything: `fold` takes in the records, the roles decide, and this
says what is so.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from playhead.events.event import Block, Event
from playhead.events.kinds import facts, forks, model_calls, runs, tool_calls
from playhead.events.kinds.registry import ENDINGS
from playhead.events.kinds.steps import StepPurpose
from playhead.events.log.contract import Head
from playhead.events.model_api import Request
from playhead.events.record import Record
from playhead.events.spec.agent import AgentSpec, Limits, Status, ToolSpec
from playhead.events.spec.memory import Scope
from playhead.events.spec.routing import Target
from playhead.projections.cost.targets import longest, target_of
from playhead.projections.plan.plan import Plan
from playhead.projections.plan.prompt import agent_of
from playhead.projections.prompt.context import Context
from playhead.projections.prompt.fact_extraction import extraction_request, sayings
from playhead.projections.prompt.head import render_head
from playhead.projections.state.limits_used import Spent
from playhead.projections.state.step_state import Step, Stop, ToolCall

SILENT = ("tool", "plan")
"""Purposes of steps that are no part of what was said."""


class RunState:
    """One run as its records so far have it. `fold` is the only thing that changes it."""

    __slots__ = (
        "answer",
        "at",
        "calls",
        "closed",
        "code",
        "ended",
        "ending",
        "first_at",
        "forked",
        "forks",
        "head",
        "held",
        "interrupted",
        "last",
        "last_interruption",
        "open",
        "parked",
        "past",
        "paused",
        "plan",
        "ready",
        "recalled",
        "requests",
        "run",
        "said",
        "spent",
        "started",
        "steps",
        "stop",
        "traceparent",
        "unsupported",
    )  # fmt: skip

    def __init__(self, run: str, past: Context | None = None) -> None:
        self.run = run
        self.past = past
        """The context with which the session's last run ended."""
        self.head = Head()
        self.at = 0
        self.first_at = 0
        self.started: runs.RunStarted | None = None
        self.forked: forks.RunForked | None = None
        """Where this run left its parent, if it is a fork."""
        self.forks: tuple[str, ...] = ()
        """The forks that it is, or was started by."""
        self.recalled: Record | None = None
        """What its namespace remembered before its first step; None until that is known."""
        self.last: Record | None = None
        """The last record that opened a turn."""
        self.paused: runs.RunPaused | None = None
        self.parked = False
        """It was imported, and nobody here has taken it up by name."""
        self.stop: Stop | None = None
        self.ending: Event | None = None
        self.traceparent: str | None = None
        """The trace context of the run's caller."""
        self.plan: Plan | None = None
        """Once the strategy is to plan."""
        self.said: list[Record] = []
        """What people said before the first step, and to a run with a plan: steps that start later
        hear it too."""
        self.steps: dict[str, Step] = {}
        self.calls: dict[int, ToolCall] = {}
        """Calls that have not ended, by the seq of their wish."""
        self.open: dict[int, Record] = {}
        """Intents without an outcome, by seq."""
        self.ended: dict[int, Record] = {}
        """Intents whose outcome is being decided on, by seq."""
        self.closed: dict[int, ToolCall] = {}
        """Calls whose end is being decided on, by the seq of their wish."""
        self.ready: dict[str, None] = {}
        """Steps whose calls have all ended and that the model has not heard of it yet."""
        self.requests: dict[int, Request] = {}
        """The rendered requests of open model calls."""
        self.spent = Spent()
        self.held: list[Record] = []
        """Records that the next RunResumed decides."""
        self.interrupted = 0
        """Interruptions of the process since something last succeeded."""
        self.last_interruption = 0
        """The seq of the record that counted as the last one."""
        self.code = ""
        """The version of the code that last took the run up."""
        self.answer: facts.AnswerReached | None = None
        """The run's answer, while what it learned is extracted."""
        self.unsupported: str | None = None
        """A kind in this run that the code does not know: it cannot be continued."""

    @property
    def agent(self) -> AgentSpec:
        """The agent as the run recorded it."""
        return self.run_started.agent

    @property
    def run_started(self) -> runs.RunStarted:
        """The first record's event. Raises ValueError for a run without one."""
        if self.started is None:
            msg = f"run {self.run} does not begin with run_started"
            raise ValueError(msg)
        return self.started

    @property
    def limits(self) -> Limits:
        """The run's limits."""
        return self.agent.limits

    @property
    def status(self) -> Status:
        """What became of the run so far."""
        if self.ending is not None:
            return ENDINGS[self.ending.kind]
        return "running" if self.paused is None else "paused"

    @property
    def may_start(self) -> bool:
        """Whether anything new may be decided: neither stopped nor ended."""
        return self.stop is None and self.ending is None

    @property
    def scope(self) -> Scope:
        """What the run may recall, and where what it learns goes."""
        return Scope(self.agent.memory.namespace, self.forks)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way: no open effect, no wish that waits."""
        return not self.open and not self.calls

    @property
    def due(self) -> tuple[int, runs.TimeReached] | None:
        """The next due time (microseconds since the epoch) and what is to be said then."""
        times = [
            (call.waits.expires_at, runs.TimeReached(due="approval", call=call.seq))
            for call in self.calls.values()
            if call.waits is not None and call.waits.expires_at is not None and not call.lapsed
        ]
        times += _review_due(self.plan) if self.plan is not None else []
        if self.limits.max_seconds is not None and self.stop is None:
            end = self.first_at + int(self.limits.max_seconds * 1_000_000)
            times.append((end, runs.TimeReached(due="max_seconds")))
        return min(times, key=lambda time: time[0], default=None)

    @property
    def conversation(self) -> Context | None:
        """What the session's next run starts from: the last step's messages."""
        talks = (s.context for s in reversed(self.steps.values()) if s.purpose not in SILENT)
        return next(talks, self.past)

    def request(self, step: Step, target: Target, *, first: bool) -> Request:
        """What would be sent to the target now; `first`: of the step's first round."""
        own = repr(target.extra) if target.extra else ""
        key = (target.model, target.endpoint, target.max_tokens, own, first)
        head = step.heads.get(key)
        if head is None:
            head = step.heads[key] = render_head(step.agent, target, first=first)
        return step.context.request(target.model, head)

    def side_request(self, asked: model_calls.ModelRequested) -> Request:
        """What a recorded request beside a step's own asks."""
        step, target = self.steps[asked.step], self.target(asked)
        facts = self.agent.memory.facts
        if asked.purpose == "extraction" and facts is not None:
            answer = "" if self.answer is None else self.answer.answer
            return extraction_request(self.agent, target, facts, self.sayings(), answer)
        assert step.plan is not None
        return step.context.summary_request(self.agent, target, step.plan.upto)

    def sayings(self) -> dict[int, list[str]]:
        """What was said in the run, by the record that says it; not what it remembered before."""
        said = sayings(self.run, (step.context for step in self.steps.values()))
        if self.recalled is not None:
            said.pop(self.recalled.seq, None)
        return said

    def longest(self, asked: model_calls.ModelRequested) -> int:
        """Tokens of the longest reply to a recorded request."""
        return longest(self.agent, asked)

    def target(self, asked: model_calls.ModelRequested) -> Target:
        """Whom a recorded request was for."""
        return target_of(self.agent, asked)

    def intent_of(self, outcome: Record) -> Event:
        """The intent that an outcome just folded has ended. Raises KeyError if there is none."""
        return self.ended[outcome.cause or 0].event

    def step_of(self, outcome: Record) -> Step:
        """The step that asked for the model call with this outcome."""
        intent = self.intent_of(outcome)
        assert isinstance(intent, model_calls.ModelRequested)
        return self.steps[intent.step]

    def retries(self, outcome: Record) -> bool:
        """Whether a failed attempt is followed by another.

        One that was interrupted is, and by the tool's retry policy one that may work later; never
        one of a `once` tool.
        """
        event, intent = outcome.event, self.intent_of(outcome)
        assert isinstance(event, tool_calls.ToolFailed)
        assert isinstance(intent, tool_calls.ToolStarted)
        spec = self.calls[intent.call].spec if intent.call in self.calls else None
        if spec is None or spec.effect == "once" or not self.may_start:
            return False
        if event.error == "interrupted":
            return True
        attempts = spec.retry.attempts if spec.retry is not None else 1
        return event.retryable is True and intent.attempt < attempts

    def interruption(self, outcome: Record) -> None:
        """Count an interruption of the process once, however many effects it cut off."""
        if (outcome.cause or 0) > self.last_interruption:
            self.interrupted += 1
            self.last_interruption = outcome.seq

    def agent_for(self, step: str, purpose: StepPurpose) -> AgentSpec:
        """The agent as it works on a step."""
        final = None if self.plan is None else self.plan.final
        return agent_of(self.agent, purpose, final=final is not None and final.id == step)

    def hear(self, seq: int, text: str, content: tuple[Block, ...] = ()) -> None:
        """Tell every step under way what somebody said in a record."""
        for step in self.steps.values():
            step.context.user(text, content, seq)
            step.unread = True


def tool_of(agent: AgentSpec, name: str) -> ToolSpec | None:
    """The agent's tool of that name."""
    for tool in agent.tools:
        if tool.name == name:
            return tool
    return None


def _review_due(plan: Plan) -> list[tuple[int, runs.TimeReached]]:
    """When the open review of a plan lapses, if it does."""
    review = None if plan.lapsed else plan.waits
    if review is None or review.expires_at is None:
        return []
    return [(review.expires_at, runs.TimeReached(due="approval", call=review.call))]


FoldFunction: TypeAlias = Callable[[RunState, Record, Any], None]
"""Takes one kind of event into the state."""
