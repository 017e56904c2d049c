"""`context`, `facts` and `memory forget`: what the model was sent, what was learned, taken back."""

import json
from pathlib import Path
from typing import Any

from playhead import Runtime
from tests.cli.conftest import Playhead
from tests.cli.test_look import run
from tests.memory.test_facts import agent


def test_context_shows_a_request_and_the_record_behind_each_block(playhead: Playhead) -> None:
    run(playhead, "adder")
    told = json.loads(playhead("context", "last", "--json").out)
    found = [(b["role"], b["type"], b["seq"]) for b in told["blocks"]]
    assert ("user", "text", 3) in found, "the goal, from the step's start"
    assert ("assistant", "tool_use", 5) in found
    assert ("user", "tool_result", 8) in found
    assert found[-1] == ("user", "text", None), "the goal, restated"
    lines = playhead("context", "last", "--why").out
    assert "<- record 8" in lines
    assert "<- the goal, restated" in lines


def test_context_diff_names_the_first_block_that_differs(playhead: Playhead) -> None:
    run(playhead, "adder")
    told = json.loads(playhead("context", "last", "--diff", "--json").out)
    assert told["before"] is None, "the first request ended there"
    assert told["now"]["role"] == "assistant"
    assert told["now"]["seq"] == 5


def test_context_at_an_early_record_shows_the_request_of_that_moment(playhead: Playhead) -> None:
    run(playhead, "adder")
    first = json.loads(playhead("context", "last", "--at", "4", "--json").out)
    assert first["request"] == 4
    said = playhead("context", "last", "--at", "2")
    assert said.code == 2
    assert "asked the model nothing" in said.err


def test_facts_are_listed_and_forgotten_with_what_had_used_them(
    playhead: Playhead, folder: Path
) -> None:
    seller = agent(0)
    with Runtime(folder / "playhead.db", [seller]) as made:
        learned = made.run(seller, "What does Acme pay?").run_id
    (fact,) = json.loads(playhead("facts", "Acme", "--json").out)
    assert (fact["value"], fact["run"]) == ("10k to 20k", learned)
    source = str(fact["sources"][0])
    taken = json.loads(playhead("memory", "forget", learned, source, "--json").out)
    assert taken["facts"] == [{"run": learned, "seq": fact["seq"]}]
    assert taken["runs"] == [learned]
    assert json.loads(playhead("facts", "--json").out) == []
    position = str(fact["position"])
    assert len(json.loads(playhead("facts", "--as-of", position, "--json").out)) == 1


def test_forgetting_a_record_that_there_is_not_is_one_clear_line(playhead: Playhead) -> None:
    known = run(playhead, "adder")
    said = playhead("memory", "forget", known, "999")
    assert said.code == 2
    assert "there is no record 999" in said.err


def search(playhead: Playhead, *words: str) -> list[dict[str, Any]]:
    said = playhead("memory", "search", *words, "-n", "acme", "--json").out
    found: list[dict[str, Any]] = json.loads(said)
    return found


def test_a_memory_is_added_searched_for_and_forgotten(playhead: Playhead) -> None:
    memory = playhead("memory", "add", "Invoices go to Nora", "-n", "acme").out.strip()
    (found,) = search(playhead, "invoice")
    assert (found["id"], found["text"]) == (memory, "Invoices go to Nora")
    assert playhead("memory", "search", "invoice", "-n", "globex").out.startswith(
        "globex has no matching"
    )
    assert playhead("memory", "forget", memory).code == 0
    assert search(playhead, "invoice") == []


def test_a_search_says_how_a_memory_was_found_and_where_it_comes_from(playhead: Playhead) -> None:
    playhead("memory", "add", "Invoices go to Nora in accounting", "-n", "acme")
    playhead("memory", "add", "The dog is called Rex", "-n", "acme", "--importance", "0")
    found = search(playhead, "who receives our bills")
    assert found[0]["parts"].keys() == {"meaning"}
    assert (found[0]["run"], found[0]["seq"]) == ("memory/acme", 1)
    named = search(playhead, "Nora")[0]["parts"]
    assert named["words"]["rank"] == named["meaning"]["rank"] == 1
    assert search(playhead, "Rex")[0]["text"] == "The dog is called Rex"
    assert search(playhead, "Rex", "--importance", "1")[0]["text"] != "The dog is called Rex"


def test_a_filter_without_a_value_is_one_clear_line(playhead: Playhead) -> None:
    said = playhead("memory", "search", "x", "-n", "acme", "--where", "kind")
    assert said.code == 2
    assert "--where kind: say KEY=VALUE" in said.err


def test_memory_lists_exports_and_forgets_a_whole_namespace(playhead: Playhead) -> None:
    old = playhead("memory", "add", "Ada lives in Berlin", "-n", "acme", "--at", "2023-05-01").out
    playhead(
        "memory", "add", "Ada lives in Paris", "-n", "acme", "--by", "Ada",
        "--supersedes", old.strip(),
    )  # fmt: skip
    assert json.loads(playhead("memory", "list", "--json").out) == {"acme": 2}
    first = playhead("memory", "list", "acme", "--limit", "1").out
    assert "Paris" in first
    assert "2 in all" in first
    page = json.loads(playhead("memory", "list", "acme", "--limit", "1", "--json").out)
    second = playhead("memory", "list", "acme", "--after", str(page["next"])).out
    assert "2023-05-01" in second
    assert "(superseded)" in second
    exported = [json.loads(line) for line in playhead("memory", "export", "acme").out.splitlines()]
    assert [(e["text"], e["by"]) for e in exported] == [
        ("Ada lives in Berlin", ""), ("Ada lives in Paris", "Ada"),
    ]  # fmt: skip
    then = str(page["next"] - 1)
    assert "Berlin" in playhead("memory", "search", "Ada", "-n", "acme", "--as-of", then).out
    assert "2 remembered" in playhead("memory", "forget", "acme", "--namespace").out
    assert "nothing is remembered" in playhead("memory", "list").out
    assert "'acme' remembers nothing" in playhead("memory", "forget", "acme", "--namespace").err
