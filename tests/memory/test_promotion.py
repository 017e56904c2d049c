"""What a fork learns stays in the fork, and in the runs that it started, until it is promoted."""

from typing import Any

import pytest

from playhead import Agent, UsageError
from playhead.events.kinds.memory import MemoryRecalled
from playhead.forking import Instead
from playhead.testing import ScriptedModel, call
from playhead.testing.scripted_model import Scripted
from tests.memory.remembering import assistant
from tests.memory.test_facts import agent as seller
from tests.support.agents import records, runtime


def test_a_forks_memories_are_its_own_until_they_are_promoted() -> None:
    agent = assistant()
    with runtime(agent) as (made, log):
        run = made.run(agent, "remember: the first colour is red").run_id
        answered = next(r.seq for r in records(log, run) if r.event.kind == "model_answered")
        instead = Instead(message="remember it")
        fork = made.fork(run, answered - 1, instead)
        fork.wait()
        assert made.replay(fork.id).matches
        assert [m.run for m in made.memory.recall("colour", "acme")] == [run]
        made.memory.promote(fork.id, "it was right")
        (both,) = made.memory.recall("colour", "acme")
        assert {said.run for said in both.occurrences} == {run, fork.id}


def test_a_fork_recalls_what_it_has_remembered_itself_and_nobody_else_does() -> None:
    def reply(body: dict[str, Any]) -> Scripted:
        rounds = sum(m["role"] == "assistant" for m in body["messages"])
        script = (call("remember", text="the sea is blue"), call("recall", query="sea"), "Done.")
        return script[rounds]

    agent = assistant()
    twin = Agent(
        name="assistant", model=ScriptedModel(reply), tools=agent.tools, memory=agent.memory
    )  # fmt: skip
    with runtime(twin) as (made, log):
        run = made.start(twin, "Go").wait().run_id
        started = next(r.seq for r in records(log, run) if r.event.kind == "step_started")
        fork = made.fork(
            run, started, Instead(instructions="Be bold.", live=["remember", "recall"])
        )
        assert fork.wait().answer == "Done."
        results = [r for r in records(log, fork.id) if r.event.kind == "tool_succeeded"]
        assert "'times': 2" in str(results[-1].event), "the parent's and its own"
        after = made.run(twin, "What about the sea?").run_id
        (told,) = [r.event for r in records(log, after) if isinstance(r.event, MemoryRecalled)]
        assert {m.run for m in told.memories} == {run}


def test_a_forks_facts_are_known_from_their_promotion_on() -> None:
    agent = seller(0)
    with runtime(agent) as (made, log):
        run = made.run(agent, "What does Acme pay?").run_id
        (before,) = made.memory.facts("Acme")
        answered = next(r.seq for r in records(log, run) if r.event.kind == "model_answered")
        fork = made.fork(run, answered - 1, Instead(message="And quickly."))
        fork.wait()
        assert any(r.event.kind == "fact_learned" for r in records(log, fork.id)[answered:])
        assert made.memory.facts("Acme") == [before]
        made.memory.promote(fork.id)
        (now,) = made.memory.facts("Acme")
        assert now.run == fork.id
        assert made.memory.facts("Acme", as_of=now.position - 1) == [before]


def test_only_a_fork_can_be_promoted() -> None:
    agent = assistant()
    with runtime(agent) as (made, _):
        run = made.run(agent, "remember: one").run_id
        with pytest.raises(UsageError, match="is not a fork"):
            made.memory.promote(run)
