"""A backtest says where other limits would have stopped a run, as they do when they hold."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from playhead import Agent, Limits, MemoryRules, RunNotFinished
from playhead.events.kinds.model_calls import ModelCall
from playhead.events.record import Record
from playhead.events.spec.agent import Threshold
from playhead.projections.history.backtest import Fired, Trial, backtest
from playhead.testing import ScriptedModel, call
from tests.memory.long_runs import bookworm
from tests.support.agents import add, fail, records, runtime


def script(body: dict[str, Any]) -> Any:
    """The same sum four times, then others, then the answer."""
    results = sum(b["type"] == "tool_result" for m in body["messages"] for b in m["content"])
    return "Done." if results == 6 else call("add", a=min(3, results) - results, b=1)


AGENT: Agent[str] = Agent(name="a", model=ScriptedModel(script), tools=[add, fail])


def told(agent: Agent[str] = AGENT) -> list[Record]:
    with runtime(agent) as (made, log):
        run = made.start(agent, "go")
        with suppress(RunNotFinished):
            run.wait(20)
        return records(log, run.id)


@pytest.fixture(scope="module")
def recorded() -> list[Record]:
    return told()


@pytest.mark.parametrize(
    ("limit", "maximum"), [("max_steps", 3), ("max_model_calls", 2), ("max_tool_calls", 4)]
)
def test_a_limit_stops_the_recorded_run_where_it_stops_a_real_one(
    recorded: list[Record], limit: str, maximum: int
) -> None:
    real = told(replace(AGENT, limits=Limits(**{limit: maximum})))
    reached = next(r for r in real if r.event.kind == "limit_reached")
    verdict = backtest(recorded, Trial(limits={limit: maximum}))
    assert verdict.fired == Fired(limit, reached.seq - 1)
    assert verdict.wrong
    assert verdict.saved is not None
    steps = sum(r.event.kind == "model_answered" for r in recorded)
    made = sum(r.event.kind == "model_answered" for r in real)
    assert verdict.saved.steps == steps - made


def test_a_request_for_a_summary_is_a_model_call_and_no_step() -> None:
    agent = bookworm(30, MemoryRules(compress_at=2000, keep_turns=4, clear_over=100_000))
    read = told(replace(agent, limits=Limits(max_steps=100)))
    asked = [r.event for r in read if isinstance(r.event, ModelCall)]
    rounds = sum(event.opens_round for event in asked)
    assert rounds < len(asked)
    assert backtest(read, Trial(limits={"max_steps": rounds})).fired is None
    assert backtest(read, Trial(limits={"max_steps": rounds - 1})).fired is not None
    assert backtest(read, Trial(limits={"max_model_calls": len(asked) - 1})).fired is not None


def test_tokens_count_with_their_reservation(recorded: list[Record]) -> None:
    asked = [r for r in recorded if isinstance(r.event, ModelCall)]
    first = asked[0].event.reserved_tokens  # type: ignore[attr-defined]
    assert backtest(recorded, Trial(limits={"max_tokens": first - 1})).fired == Fired(
        "max_tokens", asked[0].seq - 1
    )
    assert backtest(recorded, Trial(limits={"max_tokens": 10**9})).fired is None


def test_a_guard_fires_at_its_threshold_and_warns_once_before(recorded: list[Record]) -> None:
    repeats = [r.seq for r in recorded if r.event.kind == "tool_succeeded"]
    trial = Trial(guard={"same_answer": Threshold(warn=2, stop=3)})
    verdict = backtest(recorded, trial)
    assert verdict.fired is not None
    assert verdict.fired.by == "loop:same_answer"
    assert verdict.fired.seq in repeats
    assert verdict.warnings == 1
    assert backtest(recorded, Trial(guard={"same_answer": Threshold(warn=0, stop=0)})) == (
        replace(verdict, fired=None, saved=None, warnings=0)
    )


def test_what_stops_nothing_saves_nothing(recorded: list[Record]) -> None:
    verdict = backtest(recorded, Trial(limits={"max_steps": 100}))
    assert (verdict.fired, verdict.saved, verdict.wrong) == (None, None, False)
    assert verdict.status == "finished"


def test_what_a_model_without_a_known_price_would_have_cost_is_not_zero(
    recorded: list[Record],
) -> None:
    saved = backtest(recorded, Trial(limits={"max_steps": 2})).saved
    assert saved is not None
    assert (saved.cost, saved.tokens > 0) == (None, True)


def test_a_run_that_failed_anyway_is_stopped_rightly() -> None:
    failed = told(replace(AGENT, limits=Limits(max_steps=4)))
    verdict = backtest(failed, Trial(limits={"max_steps": 2}))
    assert verdict.fired is not None
    assert not verdict.wrong
    assert verdict.saved is not None
    assert verdict.saved.steps == 2
