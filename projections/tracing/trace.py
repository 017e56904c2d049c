"""A run's trace, folded from its records: names, ids, parents, times, attributes. No exporter here.

    invoke_agent {agent}             the run; it comes last, with the ending record
      process {kind}                 a role's look at what opened a turn; links to what brought it
        process {kind}               ... and at what was decided on it
          chat {model} | execute_tool {tool}     an effect, from its intent to its outcome
      plan {agent}                   a step that makes a plan, with its chats below it

A turn hangs on the run and not on the effect that brought it: otherwise each step would lie deeper
than the one before. The log has no time within a turn, so a `process` span has a moment, no length.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from playhead.events.event import Address, Event, Intent, Outcome
from playhead.events.kinds.approvals import ApprovalDecided, ApprovalRequested
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.model_calls import ModelAnswered, ModelCall
from playhead.events.kinds.runs import RunFinished, RunPaused, RunStarted
from playhead.events.kinds.steps import StepFailed, StepFinished, StepStarted
from playhead.events.kinds.tool_calls import (
    AttemptStarted,
    ToolRequested,
    ToolSucceeded,
)
from playhead.events.model_api import Request
from playhead.events.record import Record
from playhead.events.registry import ENDINGS
from playhead.projections.tracing import content, semconv
from playhead.projections.tracing.call_spans import EffectSpan, EffectSpans, RequestedCallSpan
from playhead.projections.tracing.ids import TraceOrigin, origin_of, span_id
from playhead.projections.tracing.span import (
    NANO,
    Attributes,
    SpanData,
    error_of,
    span_events,
)

Handlers: TypeAlias = Mapping[Address, Sequence[str]]
"""Event, and for an outcome its intent -> the roles that are shown it, in their order."""


class _Planning(NamedTuple):
    """A step that makes a plan."""

    seq: int
    at: int
    span: int
    parent: int


class Trace:
    """One run's trace as it grows; `fold` takes in the next turn and gives the spans that ended."""

    def __init__(self, first: Record, handlers: Handlers, *, content: bool = False) -> None:
        """Begin with a run's first record, which is folded like the others afterwards.

        Args:
            first: a RunStarted. Raises ValueError for anything else.
            handlers: which roles are shown which kinds.
            content: whether prompts, arguments, results and error messages go onto the spans.
        """
        if not isinstance(first.event, RunStarted):
            msg = f"run {first.run} begins with {first.event.kind}, not run_started"
            raise ValueError(msg)  # noqa: TRY004 - the type is right, the run is not
        self.run, self.first, self.started = first.run, first, first.event
        self.origin: TraceOrigin = origin_of(first)
        self.name = f"{semconv.INVOKE_AGENT} {self.started.agent.name}"
        self.root = span_id(self.run, first.seq, self.name, "run")
        self.conversation = self.started.session or self.run
        self._handlers, self._content = handlers, content
        self._effects = EffectSpans(self.run, self.conversation, content)
        self._open: dict[int, EffectSpan] = {}
        self._requested_calls: dict[int, RequestedCallSpan] = {}
        self._questions = set[str]()
        self._addresses: dict[int, Address] = {}
        self._plans: dict[str, _Planning] = {}
        self._parent: str | None = None
        """The run that this one was forked from."""
        self._held: list[tuple[Record, int | None]] = []
        self._input = self._output = 0
        self._base: dict[tuple[str, str], tuple[str, Attributes]] = {}
        """(kind, role) -> the name and the attributes that all its `process` spans share."""

    def fold(
        self, turn: Sequence[Record], requests: Mapping[int, Request] | None = None
    ) -> list[SpanData]:
        """The spans that end with a turn, parents before children; the run's own with its last.

        `requests` are the run's open ones as rendered, by seq; read only where content is captured.
        """
        spans: list[SpanData] = []
        to_process: list[tuple[Record, int | None]] = []
        for record in turn:
            self._note_address(record)
            link = self._outcome(record, spans) if isinstance(record.event, Outcome) else None
            if record.held:
                self._held.append((record, link))
                continue
            if record.event.kind == "run_resumed":
                to_process, self._held = self._held, []
            to_process.append((record, link))
        visited = self._process(to_process, turn, spans)
        for record in turn:
            self._begin(record, visited, requests)
            spans += self._planned(record)
        last = turn[-1]
        if last.event.kind in ENDINGS:
            spans.append(self._end(last))
        return spans

    def effect(self, seq: int) -> EffectSpan | None:
        """The open effect of an intent."""
        return self._open.get(seq)

    def _note_address(self, record: Record) -> None:
        """Who hears of an outcome: that depends on its intent."""
        if isinstance(record.event, Outcome) and record.cause in self._open:
            intent = self._open[record.cause].intent.event
            if isinstance(intent, Intent):
                self._addresses[record.seq] = type(record.event), type(intent)

    def attributes(self) -> Attributes:
        """What a sampler is told: the root span's attributes that are known from the start."""
        agent = self.started.agent
        return {
            semconv.OPERATION: semconv.INVOKE_AGENT,
            semconv.PROVIDER_NAME: semconv.provider(agent.model.model),
            semconv.AGENT: agent.name,
            semconv.REQUEST_MODEL: agent.model.model,
            semconv.CONVERSATION: self.conversation,
            semconv.RUN: self.run,
        }

    def _process(
        self,
        records: Sequence[tuple[Record, int | None]],
        turn: Sequence[Record],
        spans: list[SpanData],
    ) -> dict[tuple[int | None, str], int]:
        """A span for each role that was shown a record; (seq, role) -> its id."""
        decided: dict[tuple[int | None, str], list[Event]] = {}
        for record in turn:
            if record.origin == "decided":
                decided.setdefault((record.cause, record.actor), []).append(record.event)
        at = turn[0].at * NANO
        visited: dict[tuple[int | None, str], int] = {}
        for record, link in records:
            if isinstance(record.event, RunPaused) and record.event.role and self._held:
                spans.append(self._raised(record, record.event))
            kind, parent = record.event.kind, self.root
            if record.origin == "decided":
                parent = visited.get((record.cause, record.actor), parent)
            address = self._addresses.pop(record.seq, (type(record.event), None))
            for role in self._handlers.get(address, ()):
                events = decided.get((record.seq, role), ())
                name, base = self._base.get((kind, role)) or self._make_base(kind, role)
                attributes: Attributes = {**base, semconv.MESSAGE: f"{self.run}/{record.seq}"}
                if events:
                    attributes[semconv.DECIDED] = tuple([event.kind for event in events])
                span = visited[record.seq, role] = span_id(self.run, record.seq, name, role)
                spans.append(
                    SpanData(
                        name, "consumer", span, parent, at, at, attributes,
                        events=span_events(events, at) if events else (),
                        links=() if link is None else (link,),
                    )
                )  # fmt: skip
        return visited

    def _make_base(self, kind: str, role: str) -> tuple[str, Attributes]:
        base = self._base[kind, role] = (
            f"{semconv.PROCESS} {kind}",
            {
                semconv.MESSAGING_SYSTEM: semconv.SYSTEM,
                semconv.MESSAGING_OPERATION: semconv.PROCESS,
                semconv.MESSAGING_TYPE: semconv.PROCESS,
                semconv.DESTINATION: kind,
                semconv.CONSUMER: role,
                semconv.MESSAGE_CONVERSATION: self.conversation,
            },
        )
        return base

    def _raised(self, record: Record, paused: RunPaused) -> SpanData:
        """The visit in which a role raised; its id is the pause's, for the visit comes again."""
        held, role = self._held[-1][0], paused.role or ""
        name, base = self._make_base(held.event.kind, role)
        error = (paused.error or "").partition(":")[0] or "_OTHER"
        message = f"{self.run}/{held.seq}"
        return SpanData(
            name, "consumer", span_id(self.run, record.seq, name, role), self.root,
            record.at * NANO, record.at * NANO,
            {**base, semconv.MESSAGE: message, semconv.ERROR_TYPE: error},
            failed=True, description=paused.error if self._content else None,
        )  # fmt: skip

    def _begin(
        self,
        record: Record,
        visited: Mapping[tuple[int | None, str], int],
        requests: Mapping[int, Request] | None,
    ) -> None:
        """Remember what an effect's span will need."""
        event = record.event
        if isinstance(event, ToolRequested):
            arguments = event.arguments if self._content else None
            use = event.use or f"{self.run}/{record.seq}"
            self._requested_calls[record.seq] = RequestedCallSpan(event.tool, use, arguments)
        elif isinstance(event, ApprovalRequested) and event.about == "input":
            self._questions.add(event.binding)
        elif isinstance(event, ApprovalDecided) and event.arguments is not None:
            answers = event.binding in self._questions
            requested = None if answers else self._requested_calls.get(event.call)
            if requested is not None and self._content:
                self._requested_calls[event.call] = requested._replace(arguments=event.arguments)
        if isinstance(event, Intent):
            parent = visited.get((record.cause, record.actor), self.root)
            planning = self._plans.get(getattr(event, "step", ""))
            parent = parent if planning is None else planning.span
            said = requests.get(record.seq) if self._content and requests else None
            prompt = None if said is None else content.prompt(said)
            requested = (
                self._requested_calls[event.call] if isinstance(event, AttemptStarted) else None
            )
            self._open[record.seq] = EffectSpan(record, parent, prompt, requested)

    def _planned(self, record: Record) -> list[SpanData]:
        """The spans of planning that end with a record; a plan's beginning is remembered."""
        event, name = record.event, f"{semconv.PLAN} {self.started.agent.name}"
        if isinstance(event, StepStarted) and event.purpose == "plan":
            span = span_id(self.run, record.seq, name, record.actor)
            self._plans[event.step] = _Planning(record.seq, record.at, span, self.root)
        elif isinstance(event, RunForked):
            self._parent = event.parent
        ended: list[str] = []
        if isinstance(event, StepFinished | StepFailed):
            ended = [event.step] if event.step in self._plans else []
        elif event.kind in ENDINGS:
            ended = list(self._plans)
        return [self._plan(self._plans.pop(step), name, record) for step in ended]

    def _plan(self, planning: _Planning, name: str, last: Record) -> SpanData:
        attributes: Attributes = {
            semconv.OPERATION: semconv.PLAN,
            semconv.AGENT: self.started.agent.name,
            semconv.CONVERSATION: self.conversation,
            semconv.SEQ: planning.seq,
        }
        failed = not isinstance(last.event, StepFinished)
        if failed:
            attributes[semconv.ERROR_TYPE] = str(getattr(last.event, "reason", "") or "_OTHER")
        return SpanData(
            name, "internal", planning.span, planning.parent, planning.at * NANO, last.at * NANO,
            attributes, failed=failed,
        )  # fmt: skip

    def _elsewhere(self) -> list[tuple[int, int]]:
        """What a fork links to: the root span of the run that it was forked from."""
        if self._parent is None:
            return []
        parent = self.first._replace(run=self._parent)
        return [(origin_of(parent).trace, span_id(self._parent, 1, self.name, "run"))]

    def _outcome(self, record: Record, spans: list[SpanData]) -> int | None:
        """The effect's span, now that it has ended; its id."""
        effect = self._open.pop(record.cause or 0, None)
        if effect is None:
            return None
        span = self._effects.span(effect, record)
        spans.append(span)
        match effect.intent.event, record.event:
            case AttemptStarted(call=call), ToolSucceeded():
                del self._requested_calls[call]
            case ModelCall(), ModelAnswered(usage=usage):
                self._input += usage.input_total
                self._output += usage.output_tokens
            case _:
                pass
        return span.id

    def _end(self, last: Record) -> SpanData:
        attributes = self.attributes()
        attributes[semconv.STATUS] = ENDINGS[last.event.kind]
        attributes[semconv.INPUT_TOKENS] = self._input
        attributes[semconv.OUTPUT_TOKENS] = self._output
        if self.started.session is not None:
            attributes[semconv.SESSION] = self.started.session
        error, description = error_of(last.event)
        if error is not None:
            attributes[semconv.ERROR_TYPE] = error
        if self._content:
            self._say(last.event, attributes)
        return SpanData(
            self.name, "internal", self.root, self.origin.parent, self.first.at * NANO,
            last.at * NANO, attributes, failed=error is not None,
            description=description if self._content else None, elsewhere=self._elsewhere(),
        )  # fmt: skip

    def _say(self, ending: Event, attributes: Attributes) -> None:
        agent = self.started.agent
        attributes[semconv.INSTRUCTIONS] = agent.instructions
        attributes[semconv.INPUT_MESSAGES] = content.text("user", self.started.goal)
        if isinstance(ending, RunFinished):
            attributes[semconv.OUTPUT_MESSAGES] = content.text("assistant", ending.answer)
