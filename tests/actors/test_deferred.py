"""A call whose answer comes later: the run waits for it as state, whatever happens meanwhile."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from playhead import Agent, AnswerRefused, CallDeferred, Deferral, Limits, Retry, tool
from playhead.actors.engine.recovery import take_up
from playhead.actors.engine.turn import Trigger
from playhead.actors.fork import cut_at, fork_run
from playhead.actors.replay import replay
from playhead.events.event import Event
from playhead.events.kinds.runs import CancelRequested, RunCancelled, RunFailed, RunFinished
from playhead.events.kinds.tool_calls import CallAnswered, ToolDeferred, ToolStarted
from playhead.events.kinds.waits import AnswerAwaited
from playhead.projections.state.run_state import RunState
from playhead.testing import ScriptedModel, call
from playhead.tools.builtin.wait import wait_tool
from playhead.tools.context import ToolContext
from tests.support.virtual import EPOCH, RUN, Play, of_kind, records

asked: list[str] = []
meanwhile: list[Callable[[], None]] = []
"""Run while the tool is being called."""


async def a_second() -> None:
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(1.0, later.set)
    await later.wait()


@tool(deferred=True)
async def quote(part: str) -> float:
    """Ask a supplier for a price.

    Args:
        part: the part.
    """
    asked.append(part)
    for each in meanwhile:
        each()
    await a_second()
    return None  # type: ignore[return-value]


@tool(effect="keyed", retry=3)
async def inspect_part(part: str, context: ToolContext) -> dict[str, int]:
    """Have a part inspected.

    Args:
        part: the part.
        context: the call.
    """
    asked.append(part)
    raise CallDeferred(f"ticket {context.key}", expires=60.0, if_expired="the inspector is ill")


def said(body: dict[str, Any]) -> Any:
    if len(body["messages"]) == 1:
        return call(body["tools"][0]["name"], part="p")
    return str(body["messages"][-1]["content"][0]["content"])


def agent_with(*tools: Any, **more: Any) -> Agent[str]:
    asked.clear()
    meanwhile.clear()
    return Agent(name="buyer", model=ScriptedModel(said), tools=list(tools), **more)


def waiting(*tools: Any, **more: Any) -> Play:
    """A run that waits for an answer, in its process."""
    play = Play(agent_with(*tools, **more))
    play.engine.watchers.append(
        lambda _, records: play.loop.stop() if records[-1].event.kind == "answer_awaited" else None
    )
    return play.start()


def call_of(play: Play) -> int:
    return next(r.seq for r in play.records if r.event.kind == "tool_requested")


def ends(play: Play) -> Event:
    assert replay(play.log, RUN).matches
    return play.records[-1].event


def refused(play: Play, event: CallAnswered) -> str:
    before = len(play.records)
    with pytest.raises(AnswerRefused) as info:
        play.say(event)
    assert len(play.records) == before
    return info.value.reason


def answers_after(seconds: float, play: Play) -> Play:
    """Somebody answers the run's call then."""

    def answer() -> None:
        event = CallAnswered(call=call_of(play), result={"cracks": 0})
        play.engine.arrive(RUN, Trigger(event, "user", "outside"))

    play.loop.call_later(seconds, answer)
    return play


def test_a_deferred_call_is_no_open_intent_and_no_task_while_it_waits() -> None:
    play = waiting(quote)
    state: RunState = play.engine.state(RUN)
    assert [(w.about, w.call) for w in state.waits.values()] == [("answer", call_of(play))]
    assert not state.open
    assert not play.engine.effects.of(RUN)


def test_the_model_reads_the_answer_as_the_calls_result() -> None:
    play = waiting(quote)
    play.say(CallAnswered(call=call_of(play), result=12.5))
    assert ends(play) == RunFinished(answer="12.5")
    assert asked == ["p"]


def test_the_model_reads_what_failed() -> None:
    play = waiting(quote)
    play.say(CallAnswered(call=call_of(play), error="out of stock", hint="ask for another part"))
    assert ends(play) == RunFinished(answer="out of stock\nHint: ask for another part")


def test_a_deferred_call_that_is_killed_after_any_record_ends_with_its_answer() -> None:
    whole = waiting(inspect_part)
    for kill in range(1, whole.appends + 1):
        play = Play(agent_with(inspect_part))
        play.dies_after = kill
        play.start()
        elapsed = play.loop.time()
        play.bury()
        later = answers_after(5.0, Play(play.agent, play.log, elapsed)).take_up()
        assert ends(later) == RunFinished(answer='{"cracks":0}'), kill
        assert len(of_kind(later.records, AnswerAwaited)) == 1


def test_a_call_that_is_answered_and_killed_after_any_record_is_taken_up() -> None:
    whole = waiting(inspect_part)
    awaited = whole.appends
    whole.say(CallAnswered(call=call_of(whole), result={"cracks": 0}))
    for kill in range(awaited + 1, whole.appends):
        play = waiting(inspect_part)
        play.dies_after = kill
        play.at(1.0, CallAnswered(call=call_of(play), result={"cracks": 0})).go(lambda: None)
        play.bury()
        later = Play(play.agent, play.log, 2.0).take_up()
        assert ends(later) == RunFinished(answer='{"cracks":0}'), kill
        assert asked == ["p"]


def test_an_answer_before_the_attempt_has_ended_is_kept_and_ends_the_call_with_it() -> None:
    play = Play(agent_with(quote))

    def answer() -> None:
        meanwhile.clear()
        play.at(0.0, CallAnswered(call=call_of(play), result=3.0))

    meanwhile.append(answer)
    play.start()
    kinds = [r.event.kind for r in play.records]
    assert kinds.index("call_answered") < kinds.index("tool_deferred")
    assert "answer_awaited" not in kinds
    assert ends(play) == RunFinished(answer="3.0")
    assert asked == ["p"]


def test_an_early_answer_of_the_wrong_type_is_refused_by_name() -> None:
    play = Play(agent_with(quote))
    told: list[Any] = []

    def answer() -> None:
        meanwhile.clear()
        play.at(0.0, CallAnswered(call=call_of(play), result="three"), told.append)
        play.at(0.0, CallAnswered(call=call_of(play), result=3.0))

    meanwhile.append(answer)
    play.start()
    assert [each.reason for each in told] == ["wrong_type"]
    assert ends(play) == RunFinished(answer="3.0")


@tool
async def plain(part: str) -> float:
    """Look a price up.

    Args:
        part: the part.
    """
    for each in meanwhile:
        each()
    await a_second()
    return 1.0


def test_an_early_answer_to_a_call_that_does_not_defer_is_refused_by_name() -> None:
    play = Play(agent_with(plain))
    told: list[Any] = []

    def answer() -> None:
        meanwhile.clear()
        play.at(0.0, CallAnswered(call=call_of(play), result=3.0), told.append)

    meanwhile.append(answer)
    play.start()
    assert [each.reason for each in told] == ["too_early"]
    assert ends(play) == RunFinished(answer="1.0")


def test_an_answer_that_came_before_a_crash_settles_what_would_be_in_doubt() -> None:
    play = Play(agent_with(quote))
    play.engine.watchers.append(
        lambda _, records: play.loop.stop() if of_kind([*records], ToolStarted) else None
    )
    play.start()
    play.bury()
    later = Play(play.agent, play.log, 1.0)
    later.go(lambda: None)
    held = CallAnswered(call=call_of(play), result=4.0)
    later.say(held)  # nobody has taken the run up yet: it is held
    later.take_up()
    assert ends(later) == RunFinished(answer="4.0")
    assert "tool_outcome_unknown" in [r.event.kind for r in later.records]
    assert asked in (["p"], [])


def test_an_answer_after_the_end_is_refused_by_name() -> None:
    play = waiting(quote)
    answer = CallAnswered(call=call_of(play), result=1.0)
    play.say(answer)
    assert refused(play, answer) == "run_ended"


@pytest.mark.parametrize("wrong", ["twelve", None, [1.0], {"price": 1.0}])
def test_an_answer_of_the_wrong_type_is_refused_by_name_and_the_call_waits_on(wrong: Any) -> None:
    play = waiting(quote)
    assert refused(play, CallAnswered(call=call_of(play), result=wrong)) == "wrong_type"
    play.say(CallAnswered(call=call_of(play), result=2.0))
    assert ends(play) == RunFinished(answer="2.0")


def test_an_answer_to_a_call_that_does_not_exist_is_refused_by_name() -> None:
    assert refused(waiting(quote), CallAnswered(call=999, result=1.0)) == "not_waiting"


def test_when_no_answer_comes_in_time_the_model_is_told_what_the_tool_said() -> None:
    play = Play(agent_with(inspect_part)).start()
    assert ends(play) == RunFinished(answer="the inspector is ill")
    assert 60.0 <= play.seconds < 61.0


def test_a_deadline_on_the_tool_holds_for_each_of_its_calls() -> None:
    @tool(deferred=Deferral(expires=30.0))
    async def ask_boss(part: str) -> str:
        """Ask.

        Args:
            part: what.
        """
        return None  # type: ignore[return-value]

    play = Play(agent_with(ask_boss)).start()
    assert "no answer came within 30 s" in play.records[-1].event.answer  # type: ignore[attr-defined]
    assert isinstance(ends(play), RunFinished)


def test_a_run_that_awaits_an_answer_can_be_cancelled() -> None:
    play = waiting(quote)
    play.say(CancelRequested(reason="no longer needed"))
    assert isinstance(ends(play), RunCancelled)
    assert not play.engine.state(RUN).calls


def test_a_deferred_answer_counts_towards_max_seconds_unless_it_says_otherwise() -> None:
    play = Play(agent_with(quote, limits=Limits(max_seconds=100.0))).start()
    assert isinstance(ends(play), RunFailed)
    assert play.seconds == pytest.approx(100.0)

    @tool(deferred=Deferral(counts=False, expires=500.0))
    async def slow(part: str) -> str:
        """Ask.

        Args:
            part: what.
        """
        return None  # type: ignore[return-value]

    play = Play(agent_with(slow, limits=Limits(max_seconds=100.0))).start()
    assert isinstance(ends(play), RunFinished)
    assert play.seconds >= 500.0


def test_a_deferred_tool_that_returns_something_is_told_so() -> None:
    @tool(deferred=True)
    async def hasty(part: str) -> str:
        """Ask.

        Args:
            part: what.
        """
        return "now"

    play = Play(agent_with(hasty)).start()
    assert "its answer comes later" in play.records[-1].event.answer  # type: ignore[attr-defined]


def test_a_retried_tool_is_not_called_again_while_its_answer_is_awaited() -> None:
    play = waiting(inspect_part)
    assert len(of_kind(play.records, ToolDeferred)) == 1
    assert of_kind(play.records, ToolDeferred)[0].note == f"ticket {RUN}:{call_of(play)}"
    assert Retry().attempts > 1


def fork_at(parent: Play, at: int, name: str) -> Play:
    """A fork cut at a record, taken up in a process of its own."""
    fork_run(parent.log, cut_at(parent.log, RUN, at), name, parent.now())
    play = Play(parent.agent, parent.log, 1000.0)
    return play.go(lambda: take_up(play.engine, name))


def test_a_fork_is_given_the_answer_that_its_parent_was_given_wherever_it_is_cut() -> None:
    parent = waiting(inspect_part)
    parent.say(CallAnswered(call=call_of(parent), result={"cracks": 1}))
    for at in range(1, len(parent.records) + 1):
        play = fork_at(parent, at, f"fork{at}")
        assert records(play.log, f"fork{at}")[-1].event == RunFinished(answer='{"cracks":1}'), at
        assert replay(play.log, f"fork{at}").matches
    assert asked == ["p"]


def test_a_fork_of_a_call_that_expired_expires_at_once() -> None:
    parent = Play(agent_with(inspect_part)).start()
    play = fork_at(parent, 1, "fork")
    last = records(play.log, "fork")
    assert last[-1].event == RunFinished(answer="the inspector is ill")
    assert last[-1].at <= EPOCH + 1_001_000_000
    assert asked == ["p"]


def test_a_fork_of_a_waiting_run_waits_for_an_answer_of_its_own() -> None:
    parent = waiting(quote)
    play = fork_at(parent, parent.records[-1].seq, "fork")
    state = play.engine.state("fork")
    assert [w.about for w in state.waits.values()] == ["answer"]
    assert asked == ["p"]


class Sleeper:
    """Processes, one after the other, whose model waits with the tool `wait`."""

    def __init__(self, **arguments: Any) -> None:
        self.play: Play | None = None
        waits = wait_tool(self.now)
        model = ScriptedModel(
            lambda body: call("wait", **arguments) if len(body["messages"]) == 1 else "Awake."
        )
        self.agent = Agent(name="sleeper", model=model, tools=[waits])

    def now(self) -> datetime:
        assert self.play is not None
        return datetime.fromtimestamp(self.play.now() / 1_000_000, UTC)

    def process(self, *more: Any) -> Play:
        self.play = Play(self.agent, *more)
        return self.play


@pytest.mark.parametrize(
    "arguments", [{"seconds": 600}, {"until": "2023-11-14T22:23:20Z"}]
)  # ten minutes after the virtual clock's beginning
def test_a_wait_for_a_time_that_is_killed_after_any_record_ends_at_that_time(
    arguments: dict[str, Any],
) -> None:
    whole = Sleeper(**arguments).process().start()
    assert ends(whole) == RunFinished(answer="Awake.")
    for kill in range(1, whole.appends):
        sleeper = Sleeper(**arguments)
        play = sleeper.process()
        play.dies_after = kill
        play.start()
        elapsed = play.loop.time()
        play.bury()
        later = sleeper.process(play.log, elapsed).take_up()
        assert ends(later) == RunFinished(answer="Awake."), kill
        (awaited,) = of_kind(later.records, AnswerAwaited)
        reached = [r.at for r in later.records if r.event.kind == "time_reached"]
        assert [awaited.until] == reached
        assert 600.0 <= later.seconds < 605.0


def test_a_wait_for_a_time_can_be_ended_early() -> None:
    sleeper = Sleeper(seconds=600)
    play = sleeper.process()
    play.engine.watchers.append(
        lambda _, records: play.loop.stop() if records[-1].event.kind == "answer_awaited" else None
    )
    play.start()
    play.say(CallAnswered(call=call_of(play), result="wake up"))
    assert ends(play) == RunFinished(answer="Awake.")
    assert play.seconds < 10.0
