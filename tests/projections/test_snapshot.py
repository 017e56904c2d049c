"""The state at any record as plain data, and what each record changed in it."""

import json
from typing import Any

import pytest

from playhead import Agent
from playhead.actors.engine.load_state import load_state
from playhead.events.log.memory import MemoryLog
from playhead.projections.state.snapshot import AWAITED, changes, snapshot
from playhead.testing import ScriptedModel, call
from tests.support.agents import add, records, runtime


@pytest.fixture(scope="module")
def run() -> tuple[MemoryLog, str]:
    agent: Agent[str] = Agent(
        name="a", model=ScriptedModel([call("add", a=1, b=2), "It is 3."]), tools=[add]
    )
    with runtime(agent) as (made, log):
        return log, made.run(agent, "add").run_id


def test_every_state_is_json_and_the_changes_are_what_differs(run: tuple[MemoryLog, str]) -> None:
    log, name = run
    before: dict[str, Any] = {}
    for record in records(log, name):
        after = snapshot(load_state(log, name, record.seq))
        assert json.loads(json.dumps(after)) == after
        found = list(changes(before, after))
        assert (not found) == (before == after)
        assert list(changes(after, after)) == []
        before = after


def test_a_change_names_the_place_and_both_values(run: tuple[MemoryLog, str]) -> None:
    log, name = run
    seq = next(r.seq for r in records(log, name) if r.event.kind == "tool_started")
    found = {
        change.path: (change.before, change.after)
        for change in changes(
            snapshot(load_state(log, name, seq - 1)), snapshot(load_state(log, name, seq))
        )
    }
    assert found["spent.tool_calls"] == (0, 1)
    assert found[f"calls.{seq - 1}.attempts"] == (0, 1)
    assert found[f"open.{seq}"] == (None, f"{seq} tool_started")


def test_the_context_is_what_the_model_would_read_then(run: tuple[MemoryLog, str]) -> None:
    log, name = run
    asked = [r.seq for r in records(log, name) if r.event.kind == "model_requested"]
    at_first = snapshot(load_state(log, name, asked[0]))["steps"]["main"]["context"]["messages"]
    at_last = snapshot(load_state(log, name, asked[1]))["steps"]["main"]["context"]["messages"]
    assert [m["role"] for m in at_first] == ["user"]
    assert [m["role"] for m in at_last] == ["user", "assistant", "user"]
    assert at_last[2]["content"][0]["content"] == "3"


def test_a_result_that_is_still_to_come_is_awaited(run: tuple[MemoryLog, str]) -> None:
    log, name = run
    told = records(log, name)
    started = next(r.seq for r in told if r.event.kind == "tool_started")
    for seq, said in ((started, True), (len(told), False)):
        state = load_state(log, name, seq)
        texts = str([snapshot(state)["steps"][step]["context"] for step in state.steps])
        assert (AWAITED in texts, "was not run" in texts) == (said, False)
