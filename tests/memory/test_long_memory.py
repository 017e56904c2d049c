"""Long runs that recall and remember: at every prefix the request is valid, bounded, and whole."""

import json
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from playhead import Agent, Limits, MemoryRules
from playhead.events.kinds.model_calls import ModelRequested
from playhead.events.spec.agent import LoopRules, Threshold
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState
from playhead.simulation.faults.valid_request import invalid_request
from playhead.testing import ScriptedModel, call
from playhead.testing.scripted_model import Call, Scripted
from playhead.toolkit import memory_tools
from tests.memory.long_runs import GOAL, turn_page
from tests.support.agents import records, runtime

NEVER = Threshold(warn=0, stop=0)
PATIENT = LoopRules(same_answer=NEVER, same_failure=NEVER, cycle=NEVER, no_progress=NEVER)

RequestedCall = tuple[str, int]

requested_calls = st.tuples(
    st.sampled_from(["turn_page", "remember", "recall"]), st.integers(0, 300)
)


def called(requested: RequestedCall, number: int) -> Call:
    tool, size = requested
    match tool:
        case "remember":
            return call("remember", text=f"page {number} " + "says so " * (size % 40))
        case "recall":
            return call("recall", query=f"page {number} that says so", limit=1 + size % 20)
        case _:
            return call("turn_page", page=number, size=size)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.lists(requested_calls, min_size=1, max_size=3), min_size=5, max_size=40),
    st.lists(st.integers(1, 900), max_size=8),
    st.integers(700, 3000),
    st.integers(1, 5),
)
def test_at_every_prefix_the_request_is_valid_bounded_and_holds_goal_and_memories(
    rounds: list[list[RequestedCall]], remembered: list[int], threshold: int, keep: int
) -> None:
    left, number = iter(rounds), count()
    none: list[RequestedCall] = []

    def reply(body: dict[str, object]) -> Scripted:
        if "tools" not in body:
            return "Summary."
        asked = next(left, none)
        return [called(requested, next(number)) for requested in asked] or "Done."

    rules = MemoryRules(
        compress_at=threshold, keep_turns=keep, clear_over=300, namespace="library", recall=8
    )
    agent = Agent(
        name="a", model=ScriptedModel(reply), tools=[turn_page, memory_tools], memory=rules,
        limits=Limits(max_steps=60), loops=PATIENT,
    )  # fmt: skip
    with runtime(agent, embedder="none") as (made, log):
        for n, size in enumerate(remembered):
            made.memory.remember(f"pages {n}: " + "x " * size, "library")
        result = made.run(agent, GOAL)
        found = records(log, result.run_id)
        assert made.replay(result.run_id).matches
    state, first = RunState(result.run_id), b""
    for record in found:
        fold(state, record)
        for step in state.steps.values():
            body = step.context.request("m").body
            assert invalid_request(body) is None, record.seq
            texts = [block.get("text") for block in body["messages"][0]["content"]]
            assert GOAL in texts
            assert texts[0].startswith("<memories>") or not remembered or texts[0] == GOAL
            first = first or step.context.messages[0]
            assert step.context.messages[0] == first, "it stands where it stood, byte for byte"
        if isinstance(record.event, ModelRequested):
            step = state.steps["main"]
            tokens = int(state.request_of(record.event).bound * step.tokens_per_byte)
            assert tokens <= threshold or step.context.plan(tokens, rules) is None


def test_memories_too_large_for_the_context_are_told_in_part_and_recorded_whole() -> None:
    rules = MemoryRules(compress_at=2000, namespace="library")
    model = ScriptedModel(["Done."])
    agent = Agent(name="a", model=model, memory=rules)
    with runtime(agent, embedder="none") as (made, log):
        for n in range(5):
            words = " ".join(f"word{n}x{k}" for k in range(330))
            made.memory.remember(f"{n}: {GOAL} {words}", "library")
        run = made.run(agent, GOAL).run_id
        whole = next(r.event for r in records(log, run) if r.event.kind == "memory_recalled")
    told = json.dumps(model.requests[0].body["messages"])
    assert len(told) < 2000
    assert len(whole.model_dump_json()) > 15_000
