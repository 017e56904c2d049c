"""A poisoned source: what was stored from it goes, and who had used it is named, run by run."""

import json
from typing import Any

from playhead import Agent, MemoryRules, tool
from playhead.events.kinds.memory import MemoryStored
from playhead.testing import ScriptedModel, call
from playhead.testing.scripted_model import Scripted
from playhead.toolkit import memory_tools
from tests.memory.remembering import assistant, texts
from tests.memory.test_facts import Customer, budget
from tests.support.agents import records, runtime

ACME = MemoryRules(namespace="acme")


@tool(effect="read")
def read_mail() -> str:
    """Read the customer's mail."""
    return "Acme pays 50k."


def clerk(name: str = "clerk") -> Agent[str]:
    """Reads a mail and remembers what it says."""

    def reply(body: dict[str, Any]) -> Scripted:
        if "tools" not in body:
            return budget(body)
        last = body["messages"][-1]["content"][0]
        if last["type"] != "tool_result":
            return call("read_mail")
        if last["content"] == "Remembered.":
            return "Noted."
        return call("remember", text=f"The mail says: {last['content']}")

    model = ScriptedModel(reply)
    return Agent(name=name, model=model, tools=[read_mail, memory_tools], memory=ACME)


def test_taking_back_a_result_takes_the_memory_and_names_the_runs_that_were_told_of_it() -> None:
    reader, other = clerk(), assistant()
    with runtime(reader, other) as (made, log):
        clean = made.run(other, "remember: Acme is in Hue").run_id
        poisoned = made.run(reader, "Read the mail").run_id
        told = made.run(other, "What does Acme pay?").run_id
        looked_up = made.run(other, "recall: what the mail says").run_id
        elsewhere = made.run(other, "What does Acme pay?", namespace="globex").run_id
        later = made.run(other, "remember: 50k is a lot").run_id
        result = next(r.seq for r in records(log, poisoned) if r.event.kind == "tool_succeeded")
        taken = made.memory.retract(poisoned, result, "the mail was forged")
        assert taken.runs == [poisoned, told, looked_up, later]
        assert clean not in taken.runs
        assert elsewhere not in taken.runs
        ended = {t.run for t in taken.influenced if t.event.kind == "run_finished"}
        assert ended == {poisoned, told, looked_up, later}
        stored = [r.event for r in records(log, poisoned) if isinstance(r.event, MemoryStored)]
        assert stored[0].id in taken.memories
        assert [m.text for m in made.memory.recall("what does Acme pay", "acme")] == [
            "Acme is in Hue"
        ]
        after = made.run(other, "What does Acme pay?").run_id
        assert not any("50k" in str(r.event) for r in records(log, after))


def test_a_memory_that_people_added_is_taken_back_with_what_had_used_it() -> None:
    other = assistant()
    with runtime(other) as (made, _):
        made.memory.remember("The door code is 1234", "acme")
        told = made.run(other, "What is the door code?").run_id
        unaware = made.run(other, "Say hello", namespace="globex").run_id
        taken = made.memory.retract("memory/acme", 1, "it was never so")
        assert told in taken.runs
        assert unaware not in taken.runs
        assert len(taken.memories) == 1
        assert made.memory.recall("door code", "acme") == []


def test_what_a_child_read_taints_its_caller_and_what_a_caller_read_its_child() -> None:
    child = Agent(
        name="helper", tools=[read_mail],
        model=ScriptedModel(
            lambda body: "It says 50k." if len(body["messages"]) > 1 else call("read_mail")
        ),
    )  # fmt: skip
    parent = Agent(
        name="boss", tools=[child],
        model=ScriptedModel(
            lambda body: "So 50k." if len(body["messages"]) > 1 else call("helper", task="Read it.")
        ),
    )  # fmt: skip
    with runtime(parent) as (made, log):
        run = made.run(parent, "What do they pay?").run_id
        (below,) = [s.id for s in log.streams() if s.kind == "run" and s.id != run]
        result = next(r.seq for r in records(log, below) if r.event.kind == "tool_succeeded")
        assert made.memory.retract(below, result).runs == [run, below]
        requested = next(r.seq for r in records(log, run) if r.event.kind == "model_answered")
        assert made.memory.retract(run, requested).runs == [run, below]


def test_facts_of_a_namespace_are_told_to_its_later_runs_and_taken_back_from_them() -> None:
    seller = Agent(
        name="seller", tools=[read_mail], facts=Customer, memory=ACME,
        model=ScriptedModel(_sells),
    )  # fmt: skip
    other = assistant()
    assert isinstance(other.model, ScriptedModel)
    with runtime(seller, other) as (made, log):
        learned = made.run(seller, "Read the mail").run_id
        told = made.run(other, "What do they pay?").run_id
        first = texts(other.model.requests[-1].body)[0]
        assert first.startswith("<facts>")
        assert "Acme: budget_range: 50k" in first
        result = next(r.seq for r in records(log, learned) if r.event.kind == "tool_succeeded")
        position = made.memory.facts("Acme")[0].position
        taken = made.memory.retract(learned, result)
        assert taken.runs == [learned, told]
        assert made.memory.facts("Acme") == []
        assert [f.value for f in made.memory.facts("Acme", as_of=position)] == ["50k"]
        made.run(other, "What do they pay?")
        assert not texts(other.model.requests[-1].body)[0].startswith("<facts>")


def _sells(body: dict[str, Any]) -> Scripted:
    if "tools" not in body:
        return budget(body)
    return "Read." if len(body["messages"]) > 1 else call("read_mail")


def test_what_is_recalled_is_no_source_of_new_facts() -> None:
    seller = Agent(
        name="seller", tools=[read_mail], facts=Customer, memory=ACME,
        model=ScriptedModel(_sells),
    )  # fmt: skip
    assert isinstance(seller.model, ScriptedModel)
    with runtime(seller) as (made, _):
        made.memory.remember("Acme pays 999k for the mail", "acme")
        made.run(seller, "Read the mail of Acme")
        extraction = seller.model.requests[-1].body
    assert "tools" not in extraction
    assert "999k" not in json.dumps(extraction)
    assert "999k" in json.dumps(seller.model.requests[0].body)
