"""A model that is down for longer than the retries last: the run waits, and goes on by itself."""

from collections.abc import Callable
from typing import Any

import pytest

from playhead import Agent, Limits, ModelError, Retry, Target, tool
from playhead.actors.engine.recovery import take_up
from playhead.actors.fork import cut_at, fork_run
from playhead.actors.replay import replay
from playhead.events.kinds.approvals import ApprovalDecided
from playhead.events.kinds.model_calls import ModelRequested
from playhead.events.kinds.runs import CancelRequested, RunFailed, RunFinished, RunResumed
from playhead.events.kinds.waits import OutageWaitStarted
from playhead.events.log.memory import MemoryLog
from playhead.events.version import VERSION
from playhead.projections.state.run_state import RunState
from playhead.testing import ScriptedModel, call
from tests.support.virtual import EPOCH, RUN, Play

BEFORE = 3.0
"""Virtual seconds until the model is down: the first reply has come."""

refunded: list[str] = []


@tool(effect="once")
async def refund(order: str) -> str:
    """Refund an order.

    Args:
        order: its number.
    """
    refunded.append(order)
    return "receipt"


class Provider:
    """Answers the first request, then fails until a virtual time, then answers."""

    def __init__(self, until: float, **error: Any) -> None:
        self.until = until
        self.now: Callable[[], float] = lambda: 0.0
        self.error: dict[str, Any] = {
            "error": "overloaded",
            "status": 529,
            "retryable": True,
            **error,
        }
        self.asked: list[float] = []

    def __call__(self, body: dict[str, Any]) -> Any:
        self.asked.append(self.now())
        if len(body["messages"]) == 1:
            return call("refund", order="7")
        if self.now() < self.until:
            return ModelError(message="Overloaded", **self.error)
        return "refunded"


def agent_of(provider: Any, **more: Any) -> Agent[str]:
    refunded.clear()
    return Agent(name="refunder", model=ScriptedModel(provider), tools=[refund], **more)


class Life:
    """Processes one after the other, on one virtual clock."""

    def __init__(self, provider: Provider, **more: Any) -> None:
        self.provider, self.agent = provider, agent_of(provider, **more)
        self.log, self.elapsed = MemoryLog(), 0.0

    def process(self) -> Play:
        play = Play(self.agent, self.log, self.elapsed)
        began = self.elapsed
        self.provider.now = lambda: began + play.loop.time()
        return play

    def ends(self, play: Play) -> None:
        self.elapsed += play.loop.time()
        play.bury()


def lives_through(provider: Provider, **more: Any) -> Play:
    life = Life(provider, **more)
    play = life.process().start()
    assert replay(play.log, RUN).matches
    return play


def waits_of(play: Play) -> list[OutageWaitStarted]:
    return [r.event for r in play.records if isinstance(r.event, OutageWaitStarted)]


def test_a_run_outlives_1000_seconds_of_outage_whichever_record_it_is_killed_after() -> None:
    whole = lives_through(Provider(1000.0))
    appends = whole.appends
    assert isinstance(whole.records[-1].event, RunFinished)
    assert len(waits_of(whole)) > 5
    for kill in range(1, appends):
        life = Life(Provider(1000.0))
        first = life.process()
        first.dies_after = kill
        first.start()
        life.ends(first)
        second = life.process().take_up()
        assert isinstance(second.records[-1].event, RunFinished), kill
        assert replay(life.log, RUN).matches
        doubt = "tool_outcome_unknown" in [r.event.kind for r in second.records]
        assert refunded == ["7"] or (doubt and refunded == []), kill


def test_pauses_grow_to_five_minutes_and_every_wait_says_since_when() -> None:
    play = lives_through(Provider(4000.0))
    failures = [r.at for r in play.records if r.event.kind == "model_failed"]
    waits = [(r.event, r.at) for r in play.records if isinstance(r.event, OutageWaitStarted)]
    pauses = [(wait.until - at) / 1_000_000 for wait, at in waits]
    assert 2.5 <= pauses[0] <= 5.0
    assert max(pauses) <= 300.0
    assert max(pauses[:4]) < 60.0 < min(pauses[8:])
    assert {wait.since for wait, _ in waits} == {failures[0]}
    assert [wait.tries for wait, _ in waits] == list(range(4, 4 + len(waits)))


def during_the_wait() -> tuple[Life, Play]:
    """A run that waits, and the process that has it."""
    life = Life(Provider(1000.0))
    play = life.process()
    play.engine.watchers.append(
        lambda _, records: (
            play.loop.stop() if records[-1].event.kind == "outage_wait_started" else None
        )
    )
    play.start()
    return life, play


def test_a_wait_is_no_open_intent_no_task_and_no_reservation() -> None:
    _, play = during_the_wait()
    state: RunState = play.engine.state(RUN)
    assert [wait.about for wait in state.waits.values()] == ["model"]
    assert not state.open
    assert state.spent.tokens_at_most == state.spent.tokens
    assert not play.engine.effects.of(RUN)


def test_resume_asks_the_model_at_once() -> None:
    life, play = during_the_wait()
    life.provider.until = 0.0
    asked, now = len(life.provider.asked), life.provider.now()
    play.say(RunResumed(code=VERSION))
    assert isinstance(play.records[-1].event, RunFinished)
    assert len(life.provider.asked) == asked + 1
    assert life.provider.asked[-1] - now < 1.0
    assert replay(play.log, RUN).matches


def test_a_run_that_waits_can_be_cancelled() -> None:
    _, play = during_the_wait()
    play.say(CancelRequested())
    assert play.records[-1].event.kind == "run_cancelled"


def test_who_takes_up_a_run_that_waits_interrupts_nothing_and_asks_when_it_is_time() -> None:
    life, play = during_the_wait()
    before = play.records
    due = waits_of(play)[-1].until
    life.ends(play)
    again = life.process().take_up()
    after = again.records[len(before) :]
    assert after[0].event.kind == "time_reached"
    assert after[0].at >= due
    assert isinstance(again.records[-1].event, RunFinished)


def test_an_outage_longer_than_the_limit_fails_the_run_and_says_how_long_it_was() -> None:
    play = lives_through(Provider(9e9), limits=Limits(max_outage_seconds=600))
    failed = play.records[-1].event
    assert isinstance(failed, RunFailed)
    assert failed.reason == "overloaded"
    assert "over 10 min" in failed.message
    since = waits_of(play)[0].since
    assert play.records[-1].at - since >= 600_000_000


def test_without_outage_seconds_a_run_fails_when_the_retries_are_used_up() -> None:
    play = lives_through(Provider(9e9), limits=Limits(max_outage_seconds=0))
    assert waits_of(play) == []
    failed = play.records[-1].event
    assert isinstance(failed, RunFailed)
    assert "(tried 4 times)" in failed.message


def test_a_retry_after_longer_than_the_backoffs_cap_is_obeyed() -> None:
    provider = Provider(10.0, retry_after=700.0)
    lives_through(provider, retry=Retry(cap=5.0))
    gaps = [late - soon for soon, late in zip(provider.asked, provider.asked[1:], strict=False)]
    assert max(gaps) >= 700.0
    assert len(provider.asked) == 3, "no attempt is spent before the server's time"


def test_the_clock_of_max_seconds_stands_still_during_an_outage() -> None:
    play = lives_through(Provider(1000.0), limits=Limits(max_seconds=120))
    assert isinstance(play.records[-1].event, RunFinished)
    assert play.records[-1].at - play.records[0].at > 900_000_000


@pytest.mark.parametrize("error", ["unreachable", "circuit_open"])
def test_an_endpoint_that_has_answered_once_is_waited_for_and_a_wrong_one_is_not(
    error: str,
) -> None:
    after_a_reply = lives_through(Provider(1000.0, error=error, status=None))
    assert isinstance(after_a_reply.records[-1].event, RunFinished)

    def never(_: Any) -> Any:
        return ModelError(error, "no connection", retryable=True)

    at_first = Play(agent_of(never)).start()
    assert at_first.records[-1].event.kind == "run_failed"
    assert waits_of(at_first) == []


def test_a_failure_that_does_not_pass_ends_the_run_in_an_outage_too() -> None:
    def broken(body: dict[str, Any]) -> Any:
        said.append(1)
        if len(said) < 8:
            return ModelError("overloaded", "Overloaded", status=529, retryable=True)
        return ModelError("authentication", "the key was refused", status=401)

    said: list[int] = []
    play = Play(agent_of(broken)).start()
    failed = play.records[-1].event
    assert isinstance(failed, RunFailed)
    assert failed.reason == "authentication"


def test_each_time_all_fallbacks_are_asked_before_the_run_waits_again() -> None:
    provider = Provider(1000.0)
    play = lives_through(provider, fallback=[Target(model="other")])
    asked = [r.event for r in play.records if isinstance(r.event, ModelRequested)][1:]
    kinds = [r.event.kind for r in play.records]
    assert isinstance(play.records[-1].event, RunFinished)
    assert kinds.count("outage_wait_started") > 5
    first = [n for n, kind in enumerate(kinds) if kind == "outage_wait_started"]
    between = kinds[first[0] : first[1]].count("model_requested")
    assert between == 2
    assert {each.model for each in asked[-2:]} <= {"other", play.agent.spec().model.model}


def test_a_fork_of_a_run_that_waits_asks_at_once_and_repeats_no_failure_of_its_parent() -> None:
    life, play = during_the_wait()
    life.ends(play)
    life.provider.until = 0.0
    cut = cut_at(life.log, RUN)
    forked = life.process()
    fork_run(life.log, cut, "fork", EPOCH + int(life.elapsed * 1e6))
    asked = len(life.provider.asked)
    forked.go(lambda: take_up(forked.engine, "fork"))
    assert len(life.provider.asked) == asked + 1
    rows = [row.kind for row in life.log.read("fork")]
    assert rows[-1] == "run_finished"
    assert forked.loop.time() < 3.0
    assert replay(life.log, "fork").matches


def test_a_fork_before_the_outage_is_live_where_its_parent_only_has_failures() -> None:
    life = Life(Provider(9e9), limits=Limits(max_outage_seconds=0))
    life.ends(life.process().start())
    life.provider.until = 0.0
    succeeded = next(r.seq for r in life.log.read(RUN) if r.kind == "tool_succeeded")
    fork_run(life.log, cut_at(life.log, RUN, succeeded), "fork", EPOCH + int(life.elapsed * 1e6))
    forked = life.process()
    forked.go(lambda: take_up(forked.engine, "fork"))
    assert [row.kind for row in life.log.read("fork")][-1] == "run_finished"
    assert refunded == ["7"]


@tool(effect="once", approval=True)
async def approved() -> str:
    """Ask a person first."""
    return "done"


def test_the_clock_of_max_seconds_stands_still_while_a_person_is_waited_for() -> None:
    model = ScriptedModel([call("approved"), "Done."])
    agent = Agent(name="a", model=model, tools=[approved], limits=Limits(max_seconds=60))
    play = Play(agent).start()
    assert play.engine.state(RUN).due is None
    (wait,) = play.engine.state(RUN).waits.values()
    assert wait.binding is not None
    assert wait.call is not None
    decided = ApprovalDecided(call=wait.call, binding=wait.binding, approved=True)
    play.at(5000.0, decided).go(lambda: None)
    assert isinstance(play.records[-1].event, RunFinished)
    assert replay(play.log, RUN).matches
