"""The trace of a run, from records alone."""

from collections.abc import Sequence

import pytest

from playhead.events.event import Event
from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.kinds.runs import RunFailed, RunFinished, RunPaused, RunResumed, RunStarted
from playhead.events.kinds.steps import StepFailed, StepFinished, StepStarted
from playhead.events.kinds.tool_calls import (
    ToolFailed,
    ToolOutcomeUnknown,
    ToolRefused,
    ToolRequested,
    ToolStarted,
    ToolSucceeded,
)
from playhead.events.record import Origin, Record
from playhead.events.spec.agent import AgentSpec, ModelSettings
from playhead.events.usage import Usage
from playhead.projections.tracing.ids import origin_of, own_trace, span_id, traceparent
from playhead.projections.tracing.span import SpanData
from playhead.projections.tracing.trace import Handlers, Trace

HANDLERS: Handlers = {
    (RunStarted, None): ("planner",),
    (StepStarted, None): ("executor",),
    (ModelAnswered, ModelRequested): ("planner", "executor"),
    (ModelFailed, ModelRequested): ("executor",),
    (ToolRequested, None): ("tool",),
    (ToolSucceeded, ToolStarted): ("executor",),
    (ToolFailed, ToolStarted): ("executor", "tool"),
    (RunResumed, None): ("executor",),
}
AGENT = AgentSpec(name="a", instructions="Be brief.", model=ModelSettings(model="m"))
START = RunStarted(goal="g", agent=AGENT, code="1")
ANSWER = ModelAnswered(
    content=({"type": "text", "text": "secret"},), stop_reason="end_turn",
    usage=Usage(input_tokens=1, output_tokens=2, cache_read_input_tokens=4,
                cache_creation_input_tokens=8),
    model="m-1", duration_ms=1.0,
)  # fmt: skip


class Story:
    """A run's turns as they are written down; every record comes 10 ms after the one before."""

    def __init__(self, start: RunStarted = START, caller: str | None = None) -> None:
        self.seq = 0
        self.turns: list[list[Record]] = []
        self.opens(start, traceparent=caller)

    def opens(
        self, event: Event, cause: int | None = None, *, held: bool = False,
        traceparent: str | None = None,
    ) -> int:  # fmt: skip
        origin: Origin = "outside" if cause is None else "effect"
        self.turns.append([])
        return self._add(event, "x", origin, cause, held, traceparent)

    def decides(self, role: str, cause: int, event: Event) -> int:
        return self._add(event, role, "decided", cause)

    def _add(
        self, event: Event, actor: str, origin: Origin, cause: int | None, held: bool = False,
        caller: str | None = None,
    ) -> int:  # fmt: skip
        self.seq += 1
        at = len(self.turns) * 10_000
        turn = self.turns[-1]
        turn.append(Record("r", self.seq, at, actor, origin, cause, event, held, None, caller))
        return self.seq

    def asks(self, attempt: int = 1, cause: int = 0, role: str = "executor") -> int:
        asked = ModelRequested(
            step="s", round=1, attempt=attempt, model="m", request="", reserved_tokens=0
        )
        return self.decides(role, cause or self.seq, asked)

    def steps(self) -> int:
        return self.decides("planner", 1, StepStarted(step="s", task="g"))

    def finishes(self, cause: int) -> None:
        done = self.decides("executor", cause, StepFinished(step="s", answer="secret"))
        self.decides("planner", done, RunFinished(answer="secret"))

    def trace(self, **more: object) -> Trace:
        return Trace(self.turns[0][0], HANDLERS, **more)  # type: ignore[arg-type]

    def spans(self, **more: object) -> list[SpanData]:
        trace = self.trace(**more)
        return [span for turn in self.turns for span in trace.fold(turn)]


def asked() -> tuple[Story, int]:
    """A run whose first model call is under way; the call's seq."""
    story = Story()
    step = story.steps()
    return story, story.asks(cause=step)


def named(spans: Sequence[SpanData], name: str) -> list[SpanData]:
    return [span for span in spans if span.name == name]


def one(spans: Sequence[SpanData], name: str) -> SpanData:
    (found,) = named(spans, name)
    return found


def requested(story: Story, call: int) -> tuple[int, int]:
    """An answer that wishes one call, started at once: the seqs of the wish and of its start."""
    answered = story.opens(ANSWER, call)
    requested_call = story.decides(
        "executor", answered, ToolRequested(step="s", tool="t", arguments={"a": "secret"}, use="u")
    )
    return requested_call, story.decides(
        "tool", requested_call, ToolStarted(call=requested_call, attempt=1, definition="")
    )


@pytest.mark.parametrize(
    "outcome",
    [
        ToolSucceeded(result=1, duration_ms=1.0, confined="landlock7+seccomp"),
        ToolFailed(error="timeout", message="too late", confined="landlock7+seccomp"),
        ToolOutcomeUnknown(reason="died", confined="landlock7+seccomp"),
    ],
)
def test_a_calls_span_says_what_held_its_process(outcome: Event) -> None:
    story, call = asked()
    _, started = requested(story, story.opens(ANSWER, call))
    story.opens(outcome, started)
    span = one(story.spans(), "execute_tool t")
    assert span.attributes["playhead.confined"] == "landlock7+seccomp"


def test_an_effect_hangs_on_the_look_that_decided_it() -> None:
    story, call = asked()
    story.opens(ANSWER, call)
    spans = story.spans()
    look = one(spans, "process step_started")
    assert one(spans, "chat m").parent == look.id
    assert look.parent == one(spans, "process run_started").id


def test_the_turn_of_an_outcome_hangs_on_the_run_and_links_to_its_effect() -> None:
    story, call = asked()
    requested(story, call)
    trace = story.trace()
    spans = [span for turn in story.turns for span in trace.fold(turn)]
    looks = named(spans, "process model_answered")
    assert [look.attributes["messaging.consumer.group.name"] for look in looks] == [
        "planner",
        "executor",
    ]
    assert {look.parent for look in looks} == {trace.root}
    assert {look.links for look in looks} == {(one(spans, "chat m").id,)}


def test_a_long_run_makes_no_deep_tree() -> None:
    story, call = asked()
    for _ in range(50):
        _, started = requested(story, call)
        done = story.opens(ToolSucceeded(result=1, duration_ms=1.0), started)
        call = story.asks(cause=done)
    parents = {span.id: span.parent for span in story.spans()}

    def depth(span: int | None) -> int:
        return 0 if span is None or span not in parents else 1 + depth(parents[span])

    assert max(depth(span) for span in parents) <= 4


def test_the_runs_own_span_comes_last_and_covers_it_all() -> None:
    story, call = asked()
    answered = story.opens(ANSWER, call)
    story.finishes(answered)
    *inner, root = story.spans()
    assert root.name == "invoke_agent a"
    assert root.parent is None
    assert root.attributes["playhead.status"] == "finished"
    assert all(root.start <= span.start <= span.end <= root.end for span in inner)


def test_a_call_begins_when_it_was_sent_and_not_when_it_was_decided() -> None:
    story, call = asked()
    story.opens(ANSWER, call)
    span = one(story.spans(), "chat m")
    assert (span.start, span.end) == (19_000_000, 20_000_000)


def test_tokens_from_the_cache_count_as_input_and_are_told_apart() -> None:
    story, call = asked()
    story.finishes(story.opens(ANSWER, call))
    spans = story.spans()
    told = one(spans, "chat m").attributes
    assert told["gen_ai.usage.input_tokens"] == 13
    assert told["gen_ai.usage.cache_read.input_tokens"] == 4
    assert told["gen_ai.usage.cache_creation.input_tokens"] == 8
    assert spans[-1].attributes["gen_ai.usage.input_tokens"] == 13


def test_a_failure_is_a_status_and_an_error_type() -> None:
    story, call = asked()
    failed = ModelFailed(error="overloaded", message="busy: secret", status=529, retryable=False)
    ended = story.opens(failed, call)
    step = story.decides("executor", ended, StepFailed(step="s", reason="overloaded", message="x"))
    story.decides("planner", step, RunFailed(reason="overloaded", message="secret"))
    spans = story.spans()
    for span in (one(spans, "chat m"), spans[-1]):
        assert span.failed
        assert span.attributes["error.type"] == "overloaded"
        assert span.description is None


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (ToolSucceeded(result=1, duration_ms=1.0), None),
        (ToolFailed(error="timeout", message="no"), "timeout"),
        (ToolOutcomeUnknown(reason="interrupted"), "interrupted"),
    ],
)
def test_a_tools_span_says_how_the_attempt_ended(outcome: Event, error: str | None) -> None:
    story, call = asked()
    _, started = requested(story, call)
    story.opens(outcome, started)
    span = one(story.spans(), "execute_tool t")
    assert span.attributes.get("error.type") == error
    assert span.failed == (error is not None)
    assert span.attributes["gen_ai.tool.call.id"] == "u"


def test_a_retry_is_an_event_of_the_look_that_decided_it() -> None:
    story, call = asked()
    failed = story.opens(ModelFailed(error="e", message="m", retryable=True), call)
    story.asks(attempt=2, cause=failed)
    (event,) = one(story.spans(), "process model_failed").events
    assert event.name == "playhead.retry"
    assert event.attributes == {"playhead.attempt": 2}


def test_a_refusal_is_an_event_of_the_look_that_decided_it() -> None:
    story, call = asked()
    answered = story.opens(ANSWER, call)
    requested_call = story.decides(
        "executor", answered, ToolRequested(step="s", tool="t", arguments={})
    )
    refused = ToolRefused(call=requested_call, reason="unknown_tool", message="secret")
    story.decides("tool", requested_call, refused)
    (event,) = one(story.spans(), "process tool_requested").events
    assert event.attributes == {"playhead.call": requested_call, "playhead.reason": "unknown_tool"}


def test_a_role_that_raised_is_seen_and_its_record_is_looked_at_again_on_resume() -> None:
    story, call = asked()
    held = story.opens(ANSWER, call, held=True)
    story.opens(RunPaused(reason="a role raised", role="executor", error="KeyError: 'secret'"))
    story.opens(RunResumed(code="1"))
    story.finishes(held)
    spans = story.spans()
    raised, planner, executor = named(spans, "process model_answered")
    assert raised.failed
    assert raised.attributes["error.type"] == "KeyError"
    assert (planner.start, executor.start) == (40_000_000, 40_000_000)
    assert executor.links == (one(spans, "chat m").id,)
    assert len({span.id for span in spans}) == len(spans)


def test_nothing_that_was_said_is_on_a_span_unless_asked_for() -> None:
    story, call = asked()
    _, started = requested(story, call)
    done = story.opens(ToolSucceeded(result="secret", duration_ms=1.0), started)
    again = story.asks(cause=done)
    story.finishes(story.opens(ANSWER, again))
    assert "secret" not in repr(story.spans())
    told = story.spans(content=True)
    assert "secret" in str(one(told, "execute_tool t").attributes["gen_ai.tool.call.arguments"])
    assert one(told, "execute_tool t").attributes["gen_ai.tool.call.result"] == "secret"
    assert "secret" in str(told[-1].attributes["gen_ai.output.messages"])


def test_the_callers_trace_surrounds_the_run() -> None:
    caller = traceparent(7, 9, sampled=True)
    story = Story(caller=caller)
    failed = RunFailed(reason="x", message="")
    story.decides("planner", 1, failed)
    assert story.trace().origin.trace == 7
    assert story.spans()[-1].parent == 9


@pytest.mark.parametrize(
    "garbage",
    ["", "00", "00-0-0-0", f"00-{'0' * 32}-{'1' * 16}-01", f"00-{'g' * 32}-{'1' * 16}-01"],
)
def test_a_caller_that_makes_no_sense_is_as_none(garbage: str) -> None:
    first = Story(caller=garbage).turns[0][0]
    assert origin_of(first).trace == own_trace("r")
    assert origin_of(first).parent is None


def test_an_unsampled_caller_is_remembered_as_that() -> None:
    first = Story(caller=traceparent(7, 9, sampled=False)).turns[0][0]
    assert not origin_of(first).sampled


def test_ids_are_what_they_were_in_the_first_release() -> None:
    assert f"{own_trace('r'):032x}" == "46064740aa8e95cc97fd352bd23eed78"
    assert f"{span_id('r', 1, 'invoke_agent a', 'run'):016x}" == "6a4b07d46baeeb8d"
