"""The state of one run: everything that a decision may look at.

Nothing here decides or changes anything: `fold` adds the records, the roles decide, and this class
answers questions about the state.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from playhead.events.envelope import container_id
from playhead.events.event import Block, Event, Intent, Json
from playhead.events.kinds import facts, forks, model_calls, runs, tool_calls
from playhead.events.kinds.steps import StepPurpose
from playhead.events.log.contract import Head
from playhead.events.model_api import Request
from playhead.events.record import Record
from playhead.events.registry import ENDINGS
from playhead.events.spec.agent import AgentSpec, Limits, Status, ToolSpec
from playhead.events.spec.memory import Scope
from playhead.events.spec.routing import Target
from playhead.projections.cost.targets import target_of
from playhead.projections.plan.plan import Plan
from playhead.projections.plan.prompt import agent_of
from playhead.projections.prompt.context import Context
from playhead.projections.prompt.fact_extraction import extraction_request, texts_by_record
from playhead.projections.prompt.head import RequestHead, render_head
from playhead.projections.state.limits_used import Spent
from playhead.projections.state.step_state import Guarded, Step, Stop, ToolCall
from playhead.projections.state.waits import Wait

SILENT = ("tool", "plan")
"""Purposes of steps that are not part of the conversation."""


@dataclass(slots=True)
class RunState:
    """One run, according to its records so far. Only `fold` changes it."""

    run: str
    past: Context | None = None
    """The context at the end of the session's last run."""
    head: Head = field(default_factory=Head)
    at: int = 0
    first_at: int = 0
    started: runs.RunStarted | None = None
    agent: AgentSpec = field(init=False)
    """The agent as the run recorded it; set by its first record."""
    forked: forks.RunForked | None = None
    """Where this run left its parent, if it is a fork."""
    forks: tuple[str, ...] = ()
    """The forks that it is, or was started by."""
    waits: dict[int, Wait] = field(default_factory=dict[int, Wait])
    """Its open waits, by the seq of the record that began each."""
    waited: int = 0
    """Microseconds in which it only waited: they do not count towards max_seconds."""
    answered: bool = False
    """Whether a model has answered it."""
    containers: dict[str, Json] = field(default_factory=dict[str, Json])
    """By endpoint: the API's container in which code ran last, in this run or its session."""
    recalled: Record | None = None
    """The memories recalled before its first step; None until they are known."""
    last: Record | None = None
    """The last record that opened a turn."""
    paused: runs.RunPaused | None = None
    parked: bool = False
    """Whether it was imported and no one here has resumed it by name."""
    stop: Stop | None = None
    ending: Event | None = None
    traceparent: str | None = None
    """The trace context of the run's caller."""
    plan: Plan | None = None
    """The plan, if the strategy is to plan."""
    said: list[Record] = field(default_factory=list[Record])
    """Messages before the first step, and to a run with a plan: steps that start later receive them
    too."""
    steps: dict[str, Step] = field(default_factory=dict[str, Step])
    calls: dict[int, ToolCall] = field(default_factory=dict[int, ToolCall])
    """Calls that have not ended, by the seq of their ToolRequested."""
    open: dict[int, Record] = field(default_factory=dict[int, Record])
    """Intents without an outcome, by seq."""
    ended: dict[int, Record] = field(default_factory=dict[int, Record])
    """Intents whose outcome is being decided on, by the seq of the outcome."""
    closed: dict[int, ToolCall] = field(default_factory=dict[int, ToolCall])
    """Calls whose end is being decided on, by the seq of their ToolRequested."""
    ready: dict[str, None] = field(default_factory=dict[str, None])
    """Steps whose calls have all ended but whose model has not been asked again yet."""
    guarded: dict[int, Guarded] = field(default_factory=dict[int, Guarded])
    """What waits for guardrails, by the seq of the record that it is in."""
    goal_released: int = 0
    """The seq of the verdict after which the goal may be used; 0 if none was needed."""
    blocked: bool = False
    """Whether a guardrail stopped it."""
    spent: Spent = field(default_factory=Spent)
    held: list[Record] = field(default_factory=list[Record])
    """Held records, which the next RunResumed decides."""
    interrupted: int = 0
    """Interruptions of the process since the last success."""
    last_interruption: int = 0
    """The seq of the record that was last counted as an interruption."""
    instructions: str | None = None
    """What the instructions function answered, if the agent has one."""
    code: str = ""
    """The version of the code that last resumed the run."""
    answer: facts.AnswerReached | None = None
    """The run's answer, while something is left to do before the end."""
    extracted: bool = False
    """Whether its facts were extracted."""
    unused: dict[str, model_calls.ModelAnswered] = field(default_factory=dict)
    """By step: a reply that came while input was judged; it is acted on after the verdict."""
    unsupported: str | None = None
    """A kind in this run that the code does not know: the run cannot be continued."""

    def __post_init__(self) -> None:
        if self.past is not None:
            self.containers.update(self.past.containers)

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
        """The status of the run so far."""
        if self.ending is not None:
            return ENDINGS[self.ending.kind]
        return "running" if self.paused is None else "paused"

    @property
    def may_start(self) -> bool:
        """Whether anything new may be decided: the run is not stopping and has not ended."""
        return self.stop is None and self.ending is None

    @property
    def input_waits(self) -> bool:
        """Whether a goal or message waits for a guardrail: no reply is acted on."""
        return any(guarded.on == "input" for guarded in self.guarded.values())

    @property
    def goal_waits(self) -> bool:
        """Whether a guardrail must allow the goal before anything may be done with it."""
        return any(
            not guarded.released
            and guarded.said is not None
            and isinstance(guarded.said.event, runs.RunStarted)
            for guarded in self.guarded.values()
        )

    @property
    def scope(self) -> Scope:
        """What the run may recall, and where its facts are stored."""
        return Scope(self.agent.memory.namespace, self.forks)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is running: no open effect, no requested call that waits."""
        return not self.open and not self.calls

    @property
    def batches_left(self) -> list[Step]:
        """The steps whose batches a stopping run has still to cancel."""
        if self.parked:  # they are another log's
            return []
        held = [(step, step.batch) for step in self.steps.values() if step.batch is not None]
        return [step for step, batch in held if batch.may_be_cancelled]

    @property
    def handed_to(self) -> str | None:
        """The agent that its last step was handed over to, and that has answered."""
        return next((step.handed for step in reversed(self.steps.values())), None)

    @property
    def only_waits(self) -> bool:
        """Whether everything it has open are waits that do not count towards max_seconds."""
        if not self.waits or self.open:
            return False
        return not any(wait.counts for wait in self.waits.values())

    @property
    def ends_by(self) -> int | None:
        """When max_seconds will have passed, if it does not only wait; None without that limit."""
        if self.limits.max_seconds is None:
            return None
        return self.first_at + self.waited + int(self.limits.max_seconds * 1_000_000)

    @property
    def due(self) -> tuple[int, runs.TimeReached] | None:
        """The next due time (microseconds since the epoch) and the event to record then."""
        times = [(w.until, w.over) for w in self.waits.values() if w.until is not None]
        end = self.ends_by
        if end is not None and self.stop is None and not self.only_waits:
            times.append((end, runs.TimeReached(due="max_seconds")))
        return min(times, key=lambda time: time[0], default=None)

    @property
    def conversation(self) -> Context | None:
        """The context for the session's next run: the last step's messages, unless blocked."""
        if self.blocked:
            return self.past
        talks = (s.context for s in reversed(self.steps.values()) if s.purpose not in SILENT)
        return next(talks, self.past)

    def head_of(
        self, step: Step, target: Target, *, first: bool, container: str | None = None
    ) -> RequestHead:
        """The head of the step's requests; `first`: in the step's first round."""
        own = repr(target.extra) if target.extra else ""
        key = (target.model, target.endpoint, target.max_tokens, own, first, container)
        head = step.heads.get(key)
        if head is None:
            head = render_head(step.agent, target, first=first, container=container)
            step.heads[key] = head
        return head

    def request(
        self, step: Step, target: Target, *, first: bool, container: str | None = None
    ) -> Request:
        """The request that would be sent to the target now."""
        head = self.head_of(step, target, first=first, container=container)
        return step.context.request(target.model, head)

    def container_for(self, step: Step, target: Target) -> str | None:
        """The API's container that the step's next request names, if its code may run in one."""
        own = step.agent.model
        if not self.containers or not (own.server_tools or "container" in own.extra):
            return None
        return container_id(self.containers.get(target.endpoint), self.at)

    def request_of(self, asked: model_calls.ModelCall) -> Request:
        """The request of an open model call; for a step's, the one rendered for the decision."""
        step, target = self.steps[asked.step], target_of(self.agent, asked)
        match asked:
            case model_calls.SummaryRequested():
                return self.summary_request(step, target)
            case model_calls.ExtractionRequested():
                return self.extraction_request(target)
            case _:
                first = asked.round == 1
                return self.request(step, target, first=first, container=asked.container)

    def summary_request(self, step: Step, target: Target) -> Request:
        """The request for a summary of the older part of a step's full context."""
        upto = 0 if step.plan is None else step.plan.upto
        return step.context.summary_request(self.agent, target, upto)

    def extraction_request(self, target: Target) -> Request:
        """The request for the facts of the run. Raises ValueError if it extracts none."""
        schema = self.agent.memory.facts
        if schema is None:
            msg = f"{self.agent.name} extracts no facts"
            raise ValueError(msg)
        answer = "" if self.answer is None else self.answer.answer
        return extraction_request(self.agent, target, schema, self.texts_by_record(), answer)

    def texts_by_record(self) -> dict[int, list[str]]:
        """The texts of the run, by the record that contains them; without recalled memories."""
        said = texts_by_record(self.run, (step.context for step in self.steps.values()))
        if self.recalled is not None:
            said.pop(self.recalled.seq, None)
        return said

    def asked(self, record: Record) -> Intent | None:
        """The intent that a record has ended; None unless it is an outcome being decided on."""
        ended = self.ended.get(record.seq)
        return ended.event if ended is not None and isinstance(ended.event, Intent) else None

    def retries(self, started: tool_calls.AttemptStarted, failed: tool_calls.ToolFailed) -> bool:
        """Whether a failed attempt is repeated.

        An interrupted one is, and one that may succeed later according to the tool's retry policy;
        never one of a `once` tool.
        """
        spec = self.calls[started.call].spec if started.call in self.calls else None
        if spec is None or spec.effect == "once" or not self.may_start:
            return False
        if failed.error == "interrupted":
            return True
        attempts = spec.retry.attempts if spec.retry is not None else 1
        return failed.retryable is True and started.attempt < attempts

    def interruption(self, outcome: Record, intent: int) -> None:
        """Count an interruption of the process once, however many effects it cut off."""
        if intent > self.last_interruption:
            self.interrupted += 1
            self.last_interruption = outcome.seq

    def agent_for(self, step: str, purpose: StepPurpose) -> AgentSpec:
        """The agent as it works on a step."""
        final = None if self.plan is None else self.plan.final
        return agent_of(self.agent, purpose, final=final is not None and final.id == step)

    def instruct(self, instructions: str) -> None:
        """What the instructions function answered, before the first step."""
        self.instructions = instructions
        self.as_agent(self.agent)

    def as_agent(self, agent: AgentSpec) -> None:
        """From here on the run is one of this agent, with the instructions that it was given."""
        if agent.instructions_asked and self.instructions is not None:
            told = "\n\n".join(filter(None, [self.instructions, agent.instructions]))
            agent = agent.model_copy(update={"instructions": told})  # before its skills
        self.started = self.run_started.model_copy(update={"agent": agent})
        self.agent = agent

    def hear(self, seq: int, text: str, content: tuple[Block, ...] = ()) -> None:
        """Add a message to every open step."""
        for step in self.steps.values():
            step.context.user(text, content, seq)
            step.unread = True


def tool_of(agent: AgentSpec, name: str) -> ToolSpec | None:
    """The agent's tool of that name."""
    for tool in agent.tools:
        if tool.name == name:
            return tool
    return None


FoldFunction: TypeAlias = Callable[[RunState, Record, Any], None]
"""Folds one kind of event into the state."""

FoldOutcome: TypeAlias = Callable[[RunState, Record, Any, Any, int], None]
"""Folds an outcome into the state: its record and event, the intent that it ends and its seq."""
