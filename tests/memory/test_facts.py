"""Facts: only what a record says is learned; later values supersede; what is poisoned goes."""

import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from playhead import Agent, tool
from playhead.events.kinds.facts import ExtractionEnded, FactLearned
from playhead.events.kinds.model_calls import ExtractionRequested
from playhead.events.kinds.runs import RunFinished
from playhead.testing import ScriptedModel, call
from playhead.testing.scripted_model import Scripted
from tests.support.agents import kinds, records, runtime


class Customer(BaseModel):
    """What is worth knowing of a customer."""

    pain_points: list[str] = []
    budget_range: str | None = None
    decision_timeline: str | None = None
    competitors_mentioned: list[str] = []


@tool(effect="read")
def read_mail(number: int) -> str:
    """Read a mail of the customer's.

    Args:
        number: which one.
    """
    return ["Acme pays 10k to 20k.", "Acme pays 50k now, they say."][number]


def said(body: dict[str, Any]) -> dict[str, int]:
    """Text of a record -> its number, as the extraction request shows it."""
    text = body["messages"][0]["content"][0]["text"]
    found: dict[str, int] = {}
    for line in text.splitlines():
        head, _, rest = line.partition(": ")
        if head.startswith("record ") and head[7:].isdigit():
            found[rest] = int(head[7:])
    return found


def budget(body: dict[str, Any], *more: dict[str, Any]) -> str:
    """What a model extracts: the budget, from the mail that says it."""
    (line, seq) = next((line, n) for line, n in said(body).items() if line.startswith("[result]"))
    value = line.partition("pays ")[2].rstrip(".")
    fact = {"entity": "Acme", "field": "budget_range", "value": value, "sources": [seq],
            "quote": line, "confidence": 0.9}  # fmt: skip
    return json.dumps({"facts": [fact, *more]})


def agent(mail: int, extract: Callable[[dict[str, Any]], str] = budget) -> Agent[str]:
    """Reads a mail, answers, and extracts."""

    def reply(body: dict[str, Any]) -> Scripted:
        if "tools" not in body:
            return extract(body)
        last = body["messages"][-1]["content"]
        if any(block["type"] == "tool_result" for block in last):
            return "I read it."
        return call("read_mail", number=mail)

    return Agent(
        name=f"seller{mail}", model=ScriptedModel(reply), tools=[read_mail], facts=Customer
    )


def test_facts_are_learned_after_the_answer_and_before_the_end() -> None:
    seller = agent(0)
    with runtime(seller) as (made, log):
        result = made.run(seller, "What does Acme pay?")
        found = records(log, result.run_id)
        (fact,) = made.memory.facts("Acme")
        assert made.replay(result.run_id).matches
    assert result.answer == "I read it."
    assert (fact.field, fact.value, fact.confidence) == ("budget_range", "10k to 20k", 0.9)
    assert found[fact.sources[0] - 1].event.kind == "tool_succeeded"
    order = [r.event.kind for r in found]
    assert order[-3:] == ["fact_learned", "extraction_ended", "run_finished"]
    assert order.index("answer_reached") < order.index("fact_learned")
    (asked,) = [r.event for r in found if isinstance(r.event, ExtractionRequested)]
    assert asked.task == "data_extraction"


def test_what_has_no_source_or_does_not_fit_is_not_learned() -> None:
    bad: list[dict[str, Any]] = [
        {"entity": "Acme", "field": "budget_range", "value": "1", "sources": []},
        {"entity": "Acme", "field": "budget_range", "value": "1", "sources": [9999]},
        {"entity": "Acme", "field": "shoe_size", "value": "44", "sources": [3]},
        {"entity": "Acme", "field": "pain_points", "value": "not a list", "sources": [3]},
        {"entity": " ", "field": "budget_range", "value": "1", "sources": [3]},
    ]
    seller = agent(0, lambda body: budget(body, *bad))
    with runtime(seller) as (made, log):
        result = made.run(seller, "What does Acme pay?")
        found = [r.event for r in records(log, result.run_id)]
    assert sum(isinstance(e, FactLearned) for e in found) == 1
    assert next(e.refused for e in found if isinstance(e, ExtractionEnded)) == len(bad)


def test_a_model_that_extracts_nonsense_does_not_cost_the_answer() -> None:
    seller = agent(0, lambda _: "I found nothing, sorry!")
    with runtime(seller) as (made, log):
        result = made.run(seller, "What does Acme pay?")
        found = [r.event for r in records(log, result.run_id)]
    assert isinstance(found[-1], RunFinished)
    assert any(isinstance(e, ExtractionEnded) and e.error for e in found)


def test_a_contradiction_supersedes_and_what_was_known_before_can_still_be_asked() -> None:
    first, second = agent(0), agent(1)
    with runtime(first, second) as (made, _):
        made.run(first, "What does Acme pay?")
        (old,) = made.memory.facts("Acme")
        made.run(second, "What does Acme pay?")
        (new,) = made.memory.facts("Acme")
        assert (old.value, new.value) == ("10k to 20k", "50k now, they say")
        assert made.memory.facts("Acme", as_of=new.position - 1) == [old]
        assert made.memory.facts("Nobody") == []


def test_taking_back_a_poisoned_result_takes_its_facts_and_names_what_had_used_it() -> None:
    first, second = agent(0), agent(1)
    with runtime(first, second) as (made, log):
        made.run(first, "What does Acme pay?")
        poisoned = made.run(second, "What does Acme pay?", session="s").run_id
        later = made.run(second, "And since when?", session="s").run_id
        clean = made.run(first, "Another question").run_id
        result = next(r.seq for r in records(log, poisoned) if r.event.kind == "tool_succeeded")
        before = log.head(clean)
        (poison,) = made.memory.facts("Acme")
        taken = made.memory.retract(poisoned, result, "the mail was forged")
        assert taken.runs == [poisoned, later], "the session's next run had seen it"
        assert "run_finished" in {each.event.kind for each in taken.influenced}
        assert clean not in taken.runs
        (now,) = made.memory.facts("Acme")
        assert now.value == "10k to 20k", "what it had superseded stands again"
        assert made.memory.facts("Acme", as_of=poison.position) == [poison]
        assert log.head(clean) == before, "what was taken back lies in a stream of its own"


def test_an_agent_without_a_schema_is_asked_nothing_after_its_answer() -> None:
    plain = Agent(name="a", model=ScriptedModel(["Hello."]))
    with runtime(plain) as (made, log):
        run = made.run(plain, "Hi").run_id
        assert "answer_reached" not in kinds(log, run)
