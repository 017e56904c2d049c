"""The state of one run, folded in place from its records: all that a decision may look at.

O(1) a record. Nothing here decides anything; the roles do, and this says what is so.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pydantic_core import to_json

from playhead.events import (
    children,
    forks,
    guards,
    learning,
    model_calls,
    plans,
    runs,
    steps,
    tool_calls,
)
from playhead.events.children import Spending
from playhead.events.event import Block, Event, Json
from playhead.events.kinds import ENDINGS, OUTCOMES
from playhead.events.log import Head
from playhead.events.record import Record
from playhead.events.request import Request
from playhead.events.routing import Target
from playhead.events.spec import AgentSpec, Limits, Status, ToolSpec, Usage, text_of
from playhead.projections.compression import BYTES_A_TOKEN
from playhead.projections.compression import Plan as Compression
from playhead.projections.context import CONTEXT_FORMAT, Context
from playhead.projections.extraction import extraction_request, sayings
from playhead.projections.heads import RequestHead, render_head
from playhead.projections.plan import Plan
from playhead.projections.plan_prompt import agent_of, first_words
from playhead.projections.pricing import at_most, cost_of, picodollars
from playhead.projections.results import READ_RESULT, Shown
from playhead.projections.targets import FALLS_BACK, max_tokens, target_of
from playhead.projections.trail import Trail

SILENT = ("tool", "plan")
"""Purposes of steps that are no part of what was said."""


@dataclass(slots=True)
class Stop:
    """Why nothing new may start any more."""

    kind: Literal["cancelled", "failed"]
    reason: str
    message: str
    cancels: bool
    """Whether open effects are cancelled; otherwise they are awaited."""


@dataclass(slots=True)
class Call:
    """A tool call from its wish on; forgotten when it has ended."""

    seq: int
    run: str
    """Whose call it is: the run that wished it, for a fork's past the parent. It names the key."""
    wish: tool_calls.ToolRequested
    spec: ToolSpec | None
    """None for a tool that the agent does not have."""
    arguments: dict[str, Json]
    """What it is called with: as wished, or as the person who approved it changed them."""
    attempts: int = 0
    waits: guards.ApprovalRequested | None = None
    """The open request for approval."""
    lapsed: bool = False
    """Nobody answered the request in time; it is refused as soon as the run decides again."""
    asked: bool = False
    """Whether a rule of the user's is being asked about it."""
    approved: bool = False
    cleared: bool = False
    """In a fork: its next attempt needs no person, its parent's records answer it."""
    started: int | None = None
    """The seq of the attempt under way."""


@dataclass(slots=True)
class Step:
    """A step under way, and the conversation that it holds with the model."""

    id: str
    context: Context
    agent: AgentSpec
    """As it works on this step: its instructions, tools and form of answer."""
    task: str = ""
    """What it is to reach."""
    purpose: steps.Purpose = "react"
    limits: Limits | None = None
    """Its share; None for all that the run has left."""
    problem: str | None = None
    """Why it cannot even begin."""
    outcome: Event | None = None
    """What became of the last call."""
    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    round: int = 0
    attempt: int = 0
    """Attempts of the model call of this round."""
    calls: int = 0
    """Tool calls that have not ended."""
    unread: bool = False
    """Somebody said something that no request carried yet."""
    trail: Trail = field(default_factory=Trail)
    """The calls so far, as the loop guard looks at them."""
    rejected: int = 0
    """Answers in a row that did not fit the output schema."""
    empty: int = 0
    """Empty replies in a row."""
    used: tuple[bytes, int, int] | None = None
    """The last answered request: its head, its input tokens, and what they were bounded by."""
    tokens_a_byte: float = 1 / BYTES_A_TOKEN
    """What the API has counted for what was sent, at most so many bytes."""
    plan: Compression | None = None
    """How its context is to be compressed before the model is asked again."""
    said: str = ""
    """The text of the last reply."""
    task_type: str = ""
    """What its model is chosen by; empty until that is known."""
    why: str = ""
    """Where the type came from, if not from the step or the agent."""
    tried: int = 0
    """How many of those who can be asked have failed in this round."""
    heads: dict[tuple[str, str, bool], RequestHead] = field(default_factory=dict)
    """By model, endpoint, and whether it is the first request."""


@dataclass(slots=True)
class Spent:
    """What the limits count, reservations included."""

    steps: int = 0
    """Rounds."""
    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    cost: int = 0
    """Picodollars."""
    unpriced: int = 0
    """Model calls that ended and whose price is not known."""
    reserved: dict[int, int] = field(default_factory=dict)
    """Open model call -> tokens set aside for it."""
    reserved_cost: dict[int, int] = field(default_factory=dict)
    """Open model call -> picodollars set aside for it."""
    children: dict[int, Limits] = field(default_factory=dict[int, Limits])
    """Open child -> what was set aside for it."""
    warned: bool = False
    """BudgetNeared was recorded."""

    @property
    def steps_at_most(self) -> int:
        """Rounds made, plus those that open children may still make."""
        return self.steps + sum(child.max_steps for child in self.children.values())

    @property
    def model_calls_at_most(self) -> int:
        """Model calls made, plus those that open children may still make."""
        return self.model_calls + sum(c.max_model_calls or 0 for c in self.children.values())

    @property
    def tool_calls_at_most(self) -> int:
        """Tool calls made, plus those that open children may still make."""
        return self.tool_calls + sum(c.max_tool_calls or 0 for c in self.children.values())

    @property
    def tokens_at_most(self) -> int:
        """Tokens used, plus those that open calls and children may still use."""
        below = sum(child.max_tokens or 0 for child in self.children.values())
        return self.tokens + sum(self.reserved.values()) + below

    @property
    def cost_at_most(self) -> int:
        """Picodollars spent, plus those that open calls and children may still cost."""
        below = sum(picodollars(child.max_cost or 0) for child in self.children.values())
        return self.cost + sum(self.reserved_cost.values()) + below

    @property
    def total(self) -> Spending:
        """What was used, for whoever it was used for."""
        return Spending(
            steps=self.steps, model_calls=self.model_calls, tool_calls=self.tool_calls,
            tokens=self.tokens, cost=self.cost, unpriced=self.unpriced,
        )  # fmt: skip


class RunState:
    """One run as its records so far have it. `fold` is the only thing that changes it."""

    __slots__ = (
        "answer",
        "at",
        "calls",
        "code",
        "ended",
        "ending",
        "first_at",
        "forked",
        "head",
        "held",
        "interrupted",
        "last",
        "last_interruption",
        "open",
        "past",
        "paused",
        "plan",
        "ready",
        "requests",
        "run",
        "said",
        "spent",
        "started",
        "steps",
        "stop",
        "strange",
        "traceparent",
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
        self.last: Record | None = None
        """The last record that opened a turn."""
        self.paused: runs.RunPaused | None = None
        self.stop: Stop | None = None
        self.ending: Event | None = None
        self.traceparent: str | None = None
        """The trace context of the run's caller."""
        self.plan: Plan | None = None
        """Once the strategy is to plan."""
        self.said: list[Record] = []
        """What people said to a run with a plan: steps that start later hear it too."""
        self.steps: dict[str, Step] = {}
        self.calls: dict[int, Call] = {}
        """Calls that have not ended, by the seq of their wish."""
        self.open: dict[int, Record] = {}
        """Intents without an outcome, by seq."""
        self.ended: dict[int, Record] = {}
        """Intents whose outcome is being decided on, by seq."""
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
        self.answer: learning.AnswerReached | None = None
        """The run's answer, while what it learned is extracted."""
        self.strange: str | None = None
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
        plan = self.plan
        review = None if plan is None or plan.lapsed else plan.waits
        if review is not None and review.expires_at is not None:
            lapses = runs.TimeReached(due="approval", call=review.call)
            times.append((review.expires_at, lapses))
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
        key = (target.model, target.endpoint, first)
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
        """What was said in the run, by the record that says it."""
        return sayings(self.run, (step.context for step in self.steps.values()))

    def longest(self, asked: model_calls.ModelRequested) -> int:
        """Tokens of the longest reply to a recorded request."""
        if asked.purpose == "summary":
            return self.agent.memory.summary_tokens
        return max_tokens(self.agent, self.target(asked))

    def target(self, asked: model_calls.ModelRequested) -> Target:
        """Whom a recorded request was for."""
        return target_of(self.agent, asked.task, asked.model, asked.endpoint)

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

    def fold(self, record: Record) -> None:
        """Take in the run's next record."""
        self.run = record.run  # in a fork's past its parent's
        self.head = Head(record.seq, record.hash)
        self.at = record.at
        if record.held:
            self.held.append(record)
        elif record.origin != "decided" and not self.held:
            self.ended.clear()
        if record.origin != "decided" and record.event.kind != "run_forked":
            self.last = record
        if record.event.kind in OUTCOMES:
            self.ended[record.cause or 0] = self.open.pop(record.cause or 0)
        folder = _FOLDS.get(record.event.kind)
        if folder is None:
            self.strange = self.strange or record.event.kind
        else:
            folder(self, record, record.event)


def tool_of(agent: AgentSpec, name: str) -> ToolSpec | None:
    """The agent's tool of that name."""
    return next((t for t in agent.tools if t.name == name), None)


Folder: TypeAlias = Callable[[RunState, Record, Any], None]


def _run_started(state: RunState, record: Record, event: runs.RunStarted) -> None:
    state.started = event
    state.first_at = record.at
    state.traceparent = record.traceparent
    state.code = event.code
    if event.context_format != CONTEXT_FORMAT:
        state.strange = f"context format {event.context_format}"
    if event.redacted:
        state.strange = "redacted words"


def _nothing(*_: object) -> None:
    """The kind changes nothing that a decision looks at."""


def _message_received(state: RunState, record: Record, event: runs.MessageReceived) -> None:
    if state.plan is not None:
        state.said.append(record)
    _hear(state, record.seq, event.text, event.content or ())


def _hear(state: RunState, seq: int, text: str, content: tuple[Block, ...] = ()) -> None:
    for step in state.steps.values():
        step.context.user(text, content, seq)
        step.unread = True


def _cancel_requested(state: RunState, _: Record, event: runs.CancelRequested) -> None:
    state.stop = Stop("cancelled", "cancelled", event.reason, cancels=True)


def _time_reached(state: RunState, _: Record, event: runs.TimeReached) -> None:
    if event.due == "approval" and event.call in state.calls:
        state.calls[event.call].lapsed = True
    elif event.due == "approval" and state.plan is not None:
        state.plan.lapsed = True
    elif state.stop is None and event.due == "max_seconds":
        limit = state.limits.max_seconds
        state.stop = Stop("failed", event.due, f"{limit} s of wall clock have passed", cancels=True)


def _limit_reached(state: RunState, _: Record, event: runs.LimitReached) -> None:
    if state.stop is None:
        message = f"{event.limit} is {event.maximum:g}; the run would have reached {event.wanted:g}"
        state.stop = Stop("failed", event.limit, message, cancels=False)


def _run_paused(state: RunState, _: Record, event: runs.RunPaused) -> None:
    state.paused = event


def _run_resumed(state: RunState, record: Record, event: runs.RunResumed) -> None:
    state.code = event.code
    if record.held:
        return
    if state.paused is not None:
        state.interrupted = 0
    state.paused = None
    state.held.clear()


def _run_forked(state: RunState, record: Record, event: forks.RunForked) -> None:
    state.code, state.forked, state.paused, state.interrupted = event.code, event, None, 0
    if state.last is not None:
        state.first_at += record.at - state.last.at  # the time in between was not the run's
        if event.undecided == state.last.seq:
            state.held.insert(len(state.held) - record.held, state.last)
    for step in state.steps.values():
        step.context.run = record.run
    if event.agent is not None:
        state.started = state.run_started.model_copy(update={"agent": event.agent})
        for step in state.steps.values():
            step.agent = _agent_for(state, step.id, step.purpose)
            step.context.head = render_head(step.agent)
            step.heads.clear()
    for call in state.calls.values():
        call.approved = False  # that was for the parent's call
    for text in event.messages:
        _hear(state, record.seq, text)


def _run_ended(state: RunState, _: Record, event: Event) -> None:
    state.ending = event
    state.paused = None


def _step_started(state: RunState, record: Record, event: steps.StepStarted) -> None:
    if event.purpose == "plan":
        state.plan = state.plan or Plan(state.agent.plan.for_each_items)
        state.plan.asked()
    elif state.plan is not None:
        state.plan.started(event.step, event.attempt)
    step = state.steps[event.step] = _begin(state, record.seq, event)
    if event.task_type is not None or not state.agent.router:
        step.task_type = event.task_type or state.agent.task_type
    state.ready[event.step] = None


def _begin(state: RunState, seq: int, event: steps.StepStarted) -> Step:
    plan, content, past = state.plan, state.run_started.content or (), state.past
    agent = _agent_for(state, event.step, event.purpose)
    if plan is not None:
        content = (*content, *first_words(state.run_started.goal, state.agent, event, plan))
        past = past if event.purpose == "plan" else None
    context = Context(render_head(agent), event.task, past, content, run=state.run, seq=seq)
    for said in state.said if event.purpose not in SILENT else ():
        assert isinstance(said.event, runs.MessageReceived)
        context.user(said.event.text, said.event.content or (), said.seq)
    return Step(
        event.step, context, agent, event.task, event.purpose, event.limits, event.problem
    )  # fmt: skip


def _agent_for(state: RunState, step: str, purpose: steps.Purpose) -> AgentSpec:
    final = None if state.plan is None else state.plan.final
    return agent_of(state.agent, purpose, final=final is not None and final.id == step)


def _step_finished(state: RunState, _: Record, event: steps.StepFinished) -> None:
    state.ready.pop(event.step, None)
    step, plan = state.steps[event.step], state.plan
    if plan is not None and step.purpose != "plan":
        told = event.output is not None or step.purpose == "tool"
        plan.finished(event.step, event.output if told else event.answer, event.answer)


def _step_failed(state: RunState, _: Record, event: steps.StepFailed) -> None:
    state.ready.pop(event.step, None)
    if state.plan is not None and state.steps[event.step].purpose != "plan":
        state.plan.failed_at(event)


def _plan_made(
    state: RunState, record: Record, event: plans.PlanProposed | plans.PlanRevised
) -> None:
    if state.plan is not None:
        state.plan.propose(record.seq, event.steps)


def _output_rejected(state: RunState, record: Record, event: steps.OutputRejected) -> None:
    step = state.steps[event.step]
    step.rejected += 1
    step.context.user(event.error, seq=record.seq)
    state.ready[step.id] = None


def _model_requested(state: RunState, record: Record, event: model_calls.ModelRequested) -> None:
    step = state.steps[event.step]
    state.open[record.seq] = record
    state.spent.model_calls += 1
    state.spent.steps += event.opens_round
    step.model_calls += 1
    state.spent.reserved[record.seq] = event.reserved_tokens
    if event.reserved_cost is not None:
        state.spent.reserved_cost[record.seq] = event.reserved_cost
    if event.purpose != "step":
        state.requests[record.seq] = state.side_request(event)
        return
    state.requests[record.seq] = state.request(step, state.target(event), first=event.round == 1)
    step.context.settle()
    step.tried = 0 if event.attempt == 1 else step.tried
    step.round, step.attempt, step.unread = event.round, event.attempt, False
    state.ready.pop(step.id, None)


def _model_answered(state: RunState, record: Record, event: model_calls.ModelAnswered) -> None:
    step = state.step_of(record)
    asked, request = state.intent_of(record), state.requests[record.cause or 0]
    _model_ended(state, record, event.usage)
    state.interrupted = 0
    assert isinstance(asked, model_calls.ModelRequested)
    if asked.purpose != "step":
        return
    step.used = (request.head, event.usage.input_total, request.bound)
    step.tokens_a_byte = max(0.01, min(1.0, event.usage.input_total / max(1, request.bound)))
    if event.stop_reason == "refusal":
        step.tried += 1
        return  # the API wants a refusal left out of the conversation
    step.empty = 0 if event.content else step.empty + 1
    step.said = text_of(event.content)
    step.context.assistant(event.content, record.seq)


def _model_failed(state: RunState, record: Record, event: model_calls.ModelFailed) -> None:
    asked = state.intent_of(record)
    assert isinstance(asked, model_calls.ModelRequested)
    if event.error == "interrupted":
        _interrupted(state, record)
    elif event.error in FALLS_BACK and asked.purpose == "step":
        state.steps[asked.step].tried += 1
    _model_ended(state, record, at_most(event, state.longest(asked)))


def _model_ended(state: RunState, record: Record, usage: Usage | None) -> None:
    """Count what it used; where that is not known, all that was set aside for it."""
    cause, spent = record.cause or 0, state.spent
    asked = state.intent_of(record)
    assert isinstance(asked, model_calls.ModelRequested)
    tokens, cost = spent.reserved.pop(cause, 0), spent.reserved_cost.pop(cause, None)
    price = state.agent.prices.get(asked.model)
    if usage is not None:
        tokens = usage.total
        cost = 0 if usage.total == 0 else cost_of(price, usage) if price is not None else None
    spent.tokens += tokens
    state.steps[asked.step].tokens += tokens
    spent.cost += cost or 0
    spent.unpriced += cost is None
    state.requests.pop(cause, None)


def _tool_requested(state: RunState, record: Record, event: tool_calls.ToolRequested) -> None:
    step = state.steps[event.step]
    call = Call(record.seq, record.run, event, tool_of(step.agent, event.tool), event.arguments)
    state.calls[record.seq] = call
    state.ready.pop(step.id, None)
    step.calls += 1
    step.context.requested(record.seq, event)


def _approval_requested(state: RunState, _: Record, event: guards.ApprovalRequested) -> None:
    if event.about == "call":
        state.calls[event.call].waits = event
    elif state.plan is not None:
        state.plan.waits, state.plan.lapsed = event, False


def _approval_decided(state: RunState, record: Record, event: guards.ApprovalDecided) -> None:
    plan, call = state.plan, state.calls.get(event.call)
    if plan is not None and plan.waits is not None and plan.waits.call == event.call:
        plan.decided(event)
    if call is None or call.waits is None or call.waits.binding != event.binding:
        return
    call.waits, call.approved = None, event.approved
    if event.approved and event.arguments is not None:
        call.arguments = event.arguments
        changed = f"A person approved the call of {call.wish.tool} with other arguments: "
        said = changed + to_json(event.arguments).decode()
        state.steps[call.wish.step].context.user(said, seq=record.seq)


def _rule_asked(state: RunState, record: Record, event: guards.RuleAsked) -> None:
    state.open[record.seq] = record
    if event.call is not None:
        state.calls[event.call].asked = True
    if event.rule == "router":
        state.ready.pop(event.step or "", None)


def _rule_answered(state: RunState, record: Record, event: guards.RuleAnswered) -> None:
    intent = state.intent_of(record)
    assert isinstance(intent, guards.RuleAsked)
    if event.error == "interrupted":
        _interrupted(state, record)
    if intent.call in state.calls:
        call = state.calls[intent.call]
        call.asked, call.cleared = False, intent.rule == "fork" and event.answer is False
    if intent.rule == "router":
        _routed(state, state.steps[intent.step or ""], event)


def _routed(state: RunState, step: Step, event: guards.RuleAnswered) -> None:
    state.ready[step.id] = None
    if isinstance(event.answer, str) and event.answer:
        step.task_type, step.why = event.answer, "the router says so"
    elif event.error != "interrupted":
        step.task_type = state.agent.task_type
        step.why = f"the router failed ({event.error or 'it gave no type'})"


def _budget_neared(state: RunState, _: Record, event: model_calls.BudgetNeared) -> None:
    state.spent.warned = True


def _loop_detected(state: RunState, record: Record, event: guards.LoopDetected) -> None:
    step = state.steps[event.step]
    step.trail.told[event.pattern] = event.count
    if event.action == "warn":
        step.context.user(event.message, seq=record.seq)
    elif state.stop is None:
        state.stop = Stop("failed", "loop", event.message, cancels=False)


def _tool_resolved(state: RunState, record: Record, event: tool_calls.ToolResolved) -> None:
    found = "did take effect" if event.succeeded else "did not take effect"
    note = f": {event.note}" if event.note else "."
    for step in state.steps.values():
        step.context.user(
            f"A person looked into call {event.call}, whose outcome was unknown: it {found}{note}",
            seq=record.seq,
        )
        step.unread = True


def _tool_started(state: RunState, record: Record, event: tool_calls.ToolStarted) -> None:
    state.open[record.seq] = record
    call = state.calls[event.call]
    call.attempts, call.started = event.attempt, record.seq
    _count_call(state, call, event.attempt == 1)


def _child_started(state: RunState, record: Record, event: children.ChildStarted) -> None:
    state.open[record.seq] = record
    call = state.calls[event.call]
    call.attempts, call.started = 1, record.seq
    state.spent.children[record.seq] = event.limits
    _count_call(state, call, True)


def _count_call(state: RunState, call: Call, first: bool) -> None:
    step = state.steps[call.wish.step]
    state.spent.tool_calls += first
    step.tool_calls += first
    node = None if state.plan is None else state.plan.nodes.get(step.id)
    if node is not None and call.spec is not None:
        node.acted = node.acted or call.spec.effect != "read"


def _child_finished(state: RunState, record: Record, event: children.ChildFinished) -> None:
    spent, used = state.spent, event.spent
    spent.children.pop(record.cause or 0, None)
    spent.steps += used.steps
    spent.model_calls += used.model_calls
    spent.tool_calls += used.tool_calls
    spent.tokens += used.tokens
    spent.cost += used.cost
    spent.unpriced += used.unpriced
    state.interrupted = 0
    _close_call(state, state.intent_of(record), event, record.seq)


def _tool_unknown(state: RunState, record: Record, event: tool_calls.ToolOutcomeUnknown) -> None:
    if event.reason == "interrupted":
        _interrupted(state, record)
    _close_call(state, state.intent_of(record), event, record.seq)


def _interrupted(state: RunState, outcome: Record) -> None:
    """Count an interruption of the process once, however many effects it cut off."""
    if (outcome.cause or 0) > state.last_interruption:
        state.interrupted += 1
        state.last_interruption = outcome.seq


def _tool_ended(state: RunState, record: Record, event: Event) -> None:
    state.interrupted = 0
    _close_call(state, state.intent_of(record), event, record.seq)


def _tool_failed(state: RunState, record: Record, event: tool_calls.ToolFailed) -> None:
    intent = state.intent_of(record)
    assert isinstance(intent, tool_calls.ToolStarted)
    if event.error == "interrupted":
        _interrupted(state, record)
    else:
        state.interrupted = 0
    if state.retries(record):
        state.calls[intent.call].started = None
        state.calls[intent.call].cleared = False
    else:
        _close_call(state, intent, event, record.seq)


def _tool_refused(state: RunState, record: Record, event: tool_calls.ToolRefused) -> None:
    _close_call(state, event, event, record.seq)


def _close_call(state: RunState, about: Event, outcome: Event, seq: int) -> None:
    assert isinstance(
        about, tool_calls.ToolStarted | tool_calls.ToolRefused | children.ChildStarted
    )
    call = state.calls.pop(about.call)
    step = state.steps[call.wish.step]
    step.calls -= 1
    step.outcome = outcome
    shown = Shown(f"{call.run}:{call.seq}", call.spec, tool_of(step.agent, READ_RESULT) is not None)
    step.context.resulted(call.seq, outcome, seq, shown)
    step.trail.add(call.wish.tool, call.arguments, outcome)
    if not step.calls:
        state.ready[step.id] = None


def _answer_reached(state: RunState, _: Record, event: learning.AnswerReached) -> None:
    state.answer = event


def _context_filled(state: RunState, _: Record, event: learning.ContextFilled) -> None:
    step = state.steps[event.step]
    step.plan = step.context.plan(event.tokens, state.agent.memory)


def _context_compressed(state: RunState, record: Record, event: learning.ContextCompressed) -> None:
    step = state.steps[event.step]
    step.context.compress(event, record.seq)
    step.plan = step.used = None
    state.ready[step.id] = None


_FOLDS: dict[str, Folder] = {
    "run_started": _run_started,
    "message_received": _message_received,
    "strategy_chosen": _nothing,
    "cancel_requested": _cancel_requested,
    "time_reached": _time_reached,
    "limit_reached": _limit_reached,
    "run_paused": _run_paused,
    "run_resumed": _run_resumed,
    "run_forked": _run_forked,
    "run_finished": _run_ended,
    "run_failed": _run_ended,
    "run_cancelled": _run_ended,
    "step_started": _step_started,
    "step_finished": _step_finished,
    "step_failed": _step_failed,
    "plan_proposed": _plan_made,
    "plan_revised": _plan_made,
    "child_started": _child_started,
    "child_finished": _child_finished,
    "output_rejected": _output_rejected,
    "model_requested": _model_requested,
    "model_answered": _model_answered,
    "model_failed": _model_failed,
    "tool_requested": _tool_requested,
    "tool_started": _tool_started,
    "tool_succeeded": _tool_ended,
    "tool_failed": _tool_failed,
    "tool_outcome_unknown": _tool_unknown,
    "tool_refused": _tool_refused,
    "tool_resolved": _tool_resolved,
    "tool_pinned": _nothing,
    "approval_requested": _approval_requested,
    "approval_decided": _approval_decided,
    "rule_asked": _rule_asked,
    "rule_answered": _rule_answered,
    "budget_neared": _budget_neared,
    "loop_detected": _loop_detected,
    "context_filled": _context_filled,
    "answer_reached": _answer_reached,
    "fact_learned": _nothing,
    "extraction_ended": _nothing,
    "fact_retracted": _nothing,
    "memory_stored": _nothing,
    "memory_forgotten": _nothing,
    "context_compressed": _context_compressed,
}
