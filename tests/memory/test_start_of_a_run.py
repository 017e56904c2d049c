"""What a starting run is told: what is near, by its worth, once; and what its tools offer."""

import json
from itertools import count
from typing import Any

import pytest

from playhead import Agent, MemoryRules, Runtime
from playhead.events.kinds.memory import MemoryRecalled, MemoryStored
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel, call
from playhead.toolkit import memory_tools
from tests.memory.embedders import Counting
from tests.memory.remembering import texts
from tests.support.agents import records

numbers = count()

GOAL = "Where does the invoice for the puppy go?"


def told(runtime: Runtime, goal: str = GOAL, **rules: Any) -> list[str]:
    """The lines of the memories in the first request."""
    model = ScriptedModel(["Done."])
    name = f"clerk {next(numbers)}"
    agent = Agent(name=name, model=model, memory=MemoryRules(namespace="acme", **rules))
    runtime.run(agent, goal)
    first = texts(model.requests[0].body)[0]
    lines = first.splitlines() if first.startswith("<memories>") else []
    return [line.partition(") ")[2] for line in lines if line.startswith("- ")]


def test_nothing_is_told_when_nothing_is_near() -> None:
    for embedder in ("none", "offline"):
        with Runtime(MemoryLog(), embedder=embedder) as runtime:
            runtime.memory.remember("Her flat has a view of the mountains", "acme")
            runtime.memory.remember("He plays the piano on Fridays", "acme")
            assert told(runtime, "Refund order 1043, it arrived broken") == []
            assert told(runtime, "Find a piano teacher") == ["He plays the piano on Fridays"]
            assert len(runtime.memory.recall("flat", "acme")) >= 1


def test_how_near_is_near_is_the_embedders_own_least() -> None:
    class Strict(Counting):
        least = 1.1

    for embedder, found in ((Counting(), ["A hound is here"]), (Strict(), [])):
        with Runtime(MemoryLog(), embedder=embedder) as runtime:
            runtime.memory.remember("A hound is here", "acme")
            assert told(runtime, "dog") == found


def test_the_budget_is_filled_by_what_is_worth_most_and_a_long_one_leaves_room() -> None:
    with Runtime(MemoryLog(), embedder="none") as runtime:
        runtime.memory.remember("The invoice for the puppy goes to " + "Nora and " * 90, "acme")
        runtime.memory.remember("The invoice for the puppy goes to Nora", "acme")
        runtime.memory.remember("The puppy goes out", "acme")
        nearest = ["The invoice for the puppy goes to Nora", "The puppy goes out"]
        assert told(runtime, recall_tokens=30) == nearest
        assert told(runtime, recall_tokens=14) == nearest[:1]
        assert len(told(runtime)) == 3
        assert told(runtime, recall=1) == nearest[:1]


def test_no_line_is_told_twice_and_nothing_that_is_out_of_date() -> None:
    with Runtime(MemoryLog(), embedder="none") as runtime:
        long = "The invoice for the puppy " * 60
        runtime.memory.remember_all([f"{long} one", f"{long} two"], "acme")
        runtime.memory.remember_all(["The puppy's invoice goes to Nora"] * 5, "acme")
        old = runtime.memory.remember("The puppy's invoice goes to Bob", "acme")
        runtime.memory.remember("The puppy's invoice goes to Tom", "acme", supersedes=old)
        lines = told(runtime, recall=9)
    assert len(lines) == len(set(lines)) == 3
    assert not any("Bob" in line for line in lines)


def test_what_was_told_is_recorded_with_who_when_and_how_often() -> None:
    log = MemoryLog()
    with Runtime(log, embedder="none") as runtime:
        for _ in range(2):
            runtime.memory.remember("The puppy's invoice goes to Nora", "acme", at=1, by="Ada")
        told(runtime)
        (run,) = [s.id for s in log.streams() if s.kind == "run"]
        (event,) = [r.event for r in records(log, run) if isinstance(r.event, MemoryRecalled)]
        assert runtime.replay(run).matches
    (memory,) = event.memories
    assert (memory.said_by, memory.said_at, memory.times) == ("Ada", 1, 2)


class Clerk:
    """Remembers; if something near is out of date, it says so by its id; then it asks."""

    def __init__(self) -> None:
        self.results: list[Any] = []

    def __call__(self, body: dict[str, Any]) -> Any:
        last = body["messages"][-1]["content"]
        if last[0]["type"] != "tool_result":
            return call("remember", text="Ada lives in Paris", said_by="Ada", said_on="2023-05-01")
        content = last[0]["content"]
        self.results.append(content)
        if len(self.results) == 1:
            (near,) = json.loads(content)["near"]
            return call("remember", text="Ada lives in Paris", supersedes=[near["id"]])
        if len(self.results) == 2:
            return call("remember", text="Ada lives in Rome", supersedes=["nothing"])
        return call("recall", query="where Ada lives") if len(self.results) == 3 else "Done."


def test_the_tool_offers_what_is_near_and_supersedes_it_by_its_id() -> None:
    clerk = Clerk()
    agent = Agent(
        name="clerk", model=ScriptedModel(clerk), tools=[memory_tools],
        memory=MemoryRules(namespace="acme", recall=0),
    )  # fmt: skip
    log = MemoryLog()
    with Runtime(log, [agent], embedder="none") as runtime:
        old = runtime.memory.remember("Ada lives in Berlin", "acme")
        runtime.memory.remember("The ocean is blue", "acme")
        run = runtime.run(agent, "Ada has moved").run_id
        assert runtime.replay(run).matches
        stored = [r.event for r in records(log, run) if isinstance(r.event, MemoryStored)]
        assert [event.supersedes for event in stored] == [(), (old,)]
        assert (stored[0].said_by, stored[0].said_at) == ("Ada", 1_682_899_200_000_000)
        found = runtime.memory.recall("where Ada lives", "acme")
    assert [m.text for m in found] == ["Ada lives in Paris", "Ada lives in Berlin"]
    assert clerk.results[1] == "Remembered."
    assert "no memory has the id 'nothing'" in clerk.results[2]
    newest, oldest = json.loads(clerk.results[3])["memories"]
    assert (newest["text"], newest["times"]) == ("Ada lives in Paris", 2)
    assert oldest["no_longer_true"] is True


def test_an_embedder_that_says_it_is_worthless_changes_no_order() -> None:
    class Worthless(Counting):
        weight = 0.0

    orders: list[list[str]] = []
    for embedder in ("none", Worthless()):
        with Runtime(MemoryLog(), embedder=embedder) as runtime:
            runtime.memory.remember_all(
                ["a hound and a fee", "a puppy and an invoice", "the dog", "van"], "acme"
            )
            hits = runtime.memory.recall("the dog and the fee", "acme")
            orders.append([hit.text for hit in hits if hit.score > 0])
    assert orders[0] == orders[1][: len(orders[0])]


@pytest.mark.parametrize("embedder", ["none", "offline"])
def test_recall_and_its_run_agree(embedder: str) -> None:
    with Runtime(MemoryLog(), embedder=embedder) as runtime:
        runtime.memory.remember("The invoice for the puppy goes to Nora", "acme")
        assert told(runtime) == [m.text for m in runtime.memory.recall(GOAL, "acme")]
