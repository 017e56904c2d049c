"""A context stays small: what is old is cleared or summarised, and the request stays valid."""

# A script is wrapped by another one here.
# pyright: reportPrivateUsage=false

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playhead import Agent, Limits, MemoryRules, UsageError
from playhead.events.errors import ModelError
from playhead.events.kinds.context import ContextCompressed
from playhead.events.kinds.model_calls import ModelCall, SummaryRequested
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState
from playhead.simulation.faults.valid_request import invalid_request
from playhead.testing import ScriptedModel, call
from tests.memory.long_runs import GOAL, bookworm, reader, sent_tokens, turn_page
from tests.support.agents import records, runtime

RULES = MemoryRules(compress_at=2000, keep_turns=4, clear_over=1000, summary_tokens=200)


def test_a_run_of_400_steps_stays_within_its_threshold_and_sends_linearly() -> None:
    agent = bookworm(400, RULES)
    assert isinstance(agent.model, ScriptedModel)
    with runtime(agent) as (made, _):
        result = made.run(agent, GOAL)
        assert result.answer == "There are 400 pages."
        assert made.replay(result.run_id).matches
    sent = sent_tokens(agent.model)
    assert len(sent) == 401
    assert max(sent) <= 2000
    assert sum(sent[200:]) < 1.2 * sum(sent[:200]), "the second half costs what the first does"


def test_every_request_holds_the_goal_first_and_last() -> None:
    agent = bookworm(60, RULES)
    assert isinstance(agent.model, ScriptedModel)
    with runtime(agent) as (made, _):
        made.run(agent, GOAL)
    for request in agent.model.requests:
        if b'"tools":' in request.head:
            messages = request.body["messages"]
            assert messages[0]["content"][0]["text"] == GOAL
            assert GOAL in messages[-1]["content"][-1]["text"]


def test_between_compressions_each_request_begins_with_the_bytes_of_the_one_before() -> None:
    agent = bookworm(60, RULES)
    assert isinstance(agent.model, ScriptedModel)
    with runtime(agent) as (made, _):
        made.run(agent, GOAL)
    stable = [
        r.head + b",".join(r.messages[: r.count])
        for r in agent.model.requests
        if b'"tools":' in r.head
    ]
    breaks = sum(not after.startswith(before) for before, after in pairwise(stable))
    summaries = sum(b'"tools":' not in r.head for r in agent.model.requests)
    assert breaks == summaries > 0


def test_a_summary_says_which_records_it_covers_and_the_last_rounds_stay_verbatim() -> None:
    agent = bookworm(40, RULES)
    with runtime(agent) as (made, log):
        run = made.run(agent, GOAL).run_id
        found = records(log, run)
    state = RunState(run)
    for record in found:
        before = [len(s.context.messages) for s in state.steps.values()]
        fold(state, record)
        if isinstance(record.event, ContextCompressed):
            context = state.steps["main"].context
            assert record.event.covers[0].first < record.event.covers[-1].last < record.seq
            roles = [json.loads(m)["role"] for m in context.messages]
            assert roles[:2] == ["user", "user"]
            assert roles.count("assistant") == 4, "four rounds"
            assert before[0] > len(roles)
            return
    pytest.fail("nothing was compressed")


def test_big_results_are_cleared_first_and_no_model_is_asked_for_that() -> None:
    agent = bookworm(12, MemoryRules(compress_at=20_000, clear_over=1000), big=3)
    assert isinstance(agent.model, ScriptedModel)
    with runtime(agent) as (made, log):
        run = made.run(agent, GOAL).run_id
        done = [r.event for r in records(log, run) if isinstance(r.event, ContextCompressed)]
    assert done
    assert {event.summary for event in done} == {None}
    assert all(b'"tools":' in request.head for request in agent.model.requests)
    assert b"cleared to save room" in agent.model.requests[-1].content
    assert max(sent_tokens(agent.model)) <= 20_000


def test_a_summary_that_cannot_be_had_is_done_without() -> None:
    inner = reader(30)

    def reply(body: dict[str, object]) -> object:
        if "tools" not in body:
            raise ModelError("bad_request", "no")
        assert callable(inner._script)
        return inner._script(body)

    agent = Agent(
        name="a", model=ScriptedModel(reply), tools=[turn_page], memory=RULES,  # type: ignore[arg-type]
        limits=Limits(max_steps=31),
    )  # fmt: skip
    with runtime(agent) as (made, log):
        result = made.run(agent, GOAL)
        assert result.answer == "There are 30 pages."
        done = [r.event for r in records(log, result.run_id)]
    assert any(isinstance(e, ContextCompressed) and e.error for e in done)


def test_a_summary_is_no_round_and_its_text_is_not_streamed() -> None:
    agent = bookworm(30, RULES)
    with runtime(agent) as (made, log):
        run = made.start(agent, GOAL)
        text = "".join(piece.text for piece in run.stream())
        result = run.wait()
        asked = [r.event for r in records(log, run.id) if isinstance(r.event, ModelCall)]
    assert "nothing else" not in text
    assert {e.task for e in asked if isinstance(e, SummaryRequested)} == {"summarization"}
    assert sum(e.opens_round for e in asked) == 31
    assert result.usage.output_tokens > 0


def test_the_next_run_of_a_session_begins_with_what_was_compressed() -> None:
    agent = bookworm(30, RULES)
    assert isinstance(agent.model, ScriptedModel)
    with runtime(agent) as (made, _):
        made.run(agent, GOAL, session="s")
        made.run(agent, "And now?", session="s")
    assert b"<summary>" in agent.model.requests[-1].content


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), min_size=5, max_size=40),
    st.integers(500, 3000),
    st.integers(1, 5),
)
def test_at_every_prefix_the_request_is_valid_and_holds_the_goal(
    rounds: list[tuple[int, int]], threshold: int, keep: int
) -> None:
    """Rounds of any number of calls at once, of any size; the last one answers."""
    left = iter(rounds)

    def reply(body: dict[str, object]) -> object:
        if "tools" not in body:
            return "Summary."
        calls, size = next(left, (0, 0))
        return [call("turn_page", page=n, size=size) for n in range(calls)] or "Done."

    rules = MemoryRules(compress_at=threshold, keep_turns=keep, clear_over=300)
    agent = Agent(
        name="a", model=ScriptedModel(reply), tools=[turn_page], memory=rules,  # type: ignore[arg-type]
        limits=Limits(max_steps=60),
    )  # fmt: skip
    with runtime(agent) as (made, log):
        result = made.run(agent, GOAL)
        found = records(log, result.run_id)
        assert made.replay(result.run_id).matches
    state = RunState(result.run_id)
    for record in found:
        fold(state, record)
        for step in state.steps.values():
            body = step.context.request("m").body
            assert invalid_request(body) is None, record.seq
            assert any(b.get("text") == GOAL for m in body["messages"] for b in m["content"])


def test_thresholds_that_cannot_be_kept_are_refused() -> None:
    with pytest.raises(UsageError, match="keep_turns=0"):
        Agent(name="a", memory=MemoryRules(keep_turns=0))
