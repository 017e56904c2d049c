"""A crash at every record of a plan with children: the same end, nothing finished done again."""

from collections import Counter
from typing import Any

import pytest

from playhead import Agent
from playhead.actors.replay import replay
from playhead.events.kinds.steps import StepFinished, StepStarted
from playhead.events.kinds.tool_calls import ToolStarted, ToolSucceeded
from playhead.events.log.memory import MemoryLog
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState
from playhead.simulation.faults.valid_request import invalid_request
from playhead.testing import ScriptedModel, call
from tests.support.planning import entered, planner, step, work
from tests.support.virtual import RUN, Play, of_kind, records

PLAN = [
    step("find", arguments={"items": 3}),
    step("each", for_each="${find.items}", arguments={"given": "${item.n}"}),
    {"id": "ask", "tool": "helper", "description": "ask about ${find.items[1].v}"},
    step("think", tool="reason", arguments={"heard": "${ask}", "each": "${each}"}),
    step("last", depends_on=["think"]),
]


def results(body: Any) -> int:
    blocks = [b for m in body["messages"] for b in m["content"]]
    return sum(b["type"] == "tool_result" for b in blocks)


def the_agent() -> Agent[Any]:
    helping = ScriptedModel(
        lambda body: "helped" if results(body) else call("work", name="h", given=1)
    )
    helper = Agent(name="helper", model=helping, tools=[work])
    return Agent(
        name="boss", model=planner(PLAN, otherwise=lambda _: "thought"), tools=[work, helper],
        strategy="plan",
    )  # fmt: skip


def whole() -> Play:
    return Play(the_agent()).start()


WHOLE = whole()


def finished(log: MemoryLog, run: str) -> Counter[str]:
    found = records(log, run) if log.stream(run) is not None else []
    return Counter(e.step for e in of_kind(found, StepFinished))


def child_of(log: MemoryLog) -> str:
    return next((s.id for s in log.streams() if s.id != RUN), "none")


@pytest.mark.parametrize("crash", range(1, WHOLE.appends))
def test_after_a_crash_at_any_record_the_plan_comes_to_the_same_end(crash: int) -> None:
    first = Play(the_agent())
    first.dies_after = crash
    first.start()
    first.bury()
    done = {run: finished(first.log, run) for run in (RUN, child_of(first.log))}
    succeeded = {
        f"{run}:{records(first.log, run)[(r.cause or 1) - 1].event.call}"  # type: ignore[attr-defined]
        for run in done
        if first.log.stream(run) is not None
        for r in records(first.log, run)
        if isinstance(r.event, ToolSucceeded)
    }
    entered.clear()
    second = Play(the_agent(), first.log, began=1000.0).take_up()
    assert second.records[-1].event == WHOLE.records[-1].event
    for run, steps in done.items():
        assert finished(first.log, run) >= steps
        assert not [s for s, n in finished(first.log, run).items() if n > 1]
    again = {key for key, _, _ in entered}
    assert not succeeded & again
    for run in (RUN, child_of(first.log)):
        assert replay(first.log, run).matches
        _requests_are_valid(first.log, run)


def _requests_are_valid(log: MemoryLog, run: str) -> None:
    state = RunState(run)
    for record in records(log, run):
        fold(state, record)
        for step_ in state.steps.values():
            assert invalid_request(step_.context.request("m").body) is None


def test_a_plan_that_crashes_after_every_append_still_ends() -> None:
    play = Play(the_agent())
    play.dies_after = 1
    play.start()
    for life in range(200):
        play.bury()
        play = Play(the_agent(), play.log, began=100.0 * (life + 1))
        play.dies_after = 7
        play.take_up()
        if play.records[-1].event.kind in ("run_finished", "run_paused"):
            break
    assert play.records[-1].event.kind == "run_finished"
    starts = Counter((e.call, e.attempt) for e in of_kind(play.records, ToolStarted))
    assert max(starts.values()) == 1
    assert [s.step for s in of_kind(play.records, StepStarted)].count("last") == 1


def test_a_dead_process_writes_nothing_when_its_coroutines_are_collected() -> None:
    for crash in range(1, WHOLE.appends):
        play = Play(the_agent())
        play.dies_after = crash
        play.start()
        written = [records(play.log, stream.id) for stream in play.log.streams()]
        play.bury()
        assert [records(play.log, s.id) for s in play.log.streams()] == written, crash
