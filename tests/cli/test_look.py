"""`runs`, `show` and `why`: what they say, how runs are named, and what a terminal must not get."""

import json
from pathlib import Path

import pytest

from playhead import Agent, Runtime
from playhead.testing import ScriptedModel
from tests.cli.agents import HERE
from tests.cli.conftest import Playhead


def run(playhead: Playhead, agent: str, *more: str) -> str:
    """Run an agent; the id of its run."""
    said = playhead("run", f"goal of {agent}", "--agent", f"{HERE}:{agent}", "--json", *more)
    return str(json.loads(said.out)["run"])


def listed(playhead: Playhead, *filters: str) -> list[str]:
    return [row["run"] for row in json.loads(playhead("runs", "--json", *filters).out)]


def test_runs_are_listed_newest_first_and_filtered(playhead: Playhead) -> None:
    good = run(playhead, "adder")
    bad = run(playhead, "runaway", "--max-steps", "2")
    assert listed(playhead) == [bad, good]
    assert listed(playhead, "--failed") == [bad]
    assert listed(playhead, "--agent", "adder") == [good]
    assert listed(playhead, "--open") == []
    assert listed(playhead, "--limit", "1") == [bad]
    assert listed(playhead, "--since", "2000-01-01") == [bad, good]
    assert listed(playhead, "--since", "2h") == [bad, good]
    assert listed(playhead, "--since", "2999-01-01") == []


def test_runs_are_found_by_session_agent_labels_and_time_together(
    playhead: Playhead, folder: Path
) -> None:
    agent = Agent(name="desk", model=ScriptedModel(lambda _: "Hello."))
    with Runtime(folder / "playhead.db") as runtime:
        ann, bob = (
            runtime.run(agent, "hi", session=user, metadata={"user": user, "plan": "free"}).run_id
            for user in ("ann", "bob")
        )
    assert listed(playhead, "--session", "ann") == [ann]
    assert listed(playhead, "--session", "nobody") == []
    assert listed(playhead, "--metadata", "user=bob") == [bob]
    assert listed(playhead, "--metadata", "plan=free") == [bob, ann]
    assert listed(playhead, "--metadata", "plan=free", "--metadata", "user=ann") == [ann]
    assert listed(playhead, "--agent", "desk", "--session", "bob", "--since", "2h") == [bob]
    assert listed(playhead, "--agent", "other", "--session", "bob") == []
    said = playhead("runs", "--metadata", "user")
    assert (said.code, "write KEY=VALUE" in said.err + said.out) == (2, True)


def test_show_tells_who_did_what_and_why(playhead: Playhead) -> None:
    run(playhead, "adder")
    lines = playhead("show", "last").out.splitlines()
    told = [line.rstrip() for line in lines]
    action = told.index("   6  Action       add(a=17, b=4)")
    assert told[action + 1].strip().startswith("executor, because of 5, model: ")
    assert "   8  Observation  21" in told
    assert "  12  Answer       It is 21." in told
    assert "I shall add." not in "".join(told)


def test_thoughts_are_shown_when_asked_for(playhead: Playhead) -> None:
    run(playhead, "adder")
    assert "Thought      I shall add." in playhead("show", "last", "--thoughts").out


def test_records_show_every_record_of_the_log(playhead: Playhead) -> None:
    run(playhead, "adder")
    shown = json.loads(playhead("show", "last", "--records", "--json").out)
    assert [record["seq"] for record in shown["log"]] == list(range(1, shown["records"] + 1))
    out = playhead("show", "last", "--records").out
    assert all(record["event"]["kind"] in out for record in shown["log"])


def test_the_tokens_of_the_entries_add_up_to_those_of_the_run(playhead: Playhead) -> None:
    run(playhead, "adder")
    for thoughts in ([], ["--thoughts"]):
        shown = json.loads(playhead("show", "last", "--json", *thoughts).out)
        assert sum(e["tokens"] or 0 for e in shown["entries"]) == shown["tokens"]["total"]


@pytest.mark.parametrize(
    ("agent", "more", "words"),
    [
        ("runaway", ("--max-steps", "3"), ("max_steps", "limit_reached", "--max-steps N")),
        ("locked_out", (), ("authentication", "model_failed", "ANTHROPIC_API_KEY")),
        ("hacker", ("--max-steps", "1"), ("finished", "nothing went wrong")),
    ],
)
def test_why_names_the_reason_the_record_and_what_to_try(
    playhead: Playhead, agent: str, more: tuple[str, ...], words: tuple[str, ...]
) -> None:
    run(playhead, agent, *more)
    said = playhead("why", "last")
    assert said.code == 0
    assert [word for word in words if word not in said.out] == []
    assert len(said.out.splitlines()) <= 24


def test_a_run_is_named_by_its_id_its_beginning_or_last(playhead: Playhead) -> None:
    first = run(playhead, "adder")
    second = run(playhead, "adder")
    assert first in playhead("show", first).out
    length = next(n for n in range(len(first)) if first[: n + 1] != second[: n + 1]) + 1
    assert first in playhead("show", first[:length]).out
    assert second in playhead("show", "last").out


def test_an_ambiguous_or_unknown_run_is_a_mistake_of_one_line(playhead: Playhead) -> None:
    day = run(playhead, "adder")[:6]
    run(playhead, "adder")
    for given, words in ((day, "several run ids"), ("nothing", "`playhead runs`"), ("", "no run")):
        said = playhead("show", given)
        assert (said.code, said.out) == (2, "")
        (line,) = said.err.splitlines()
        assert words in line


@pytest.mark.parametrize("command", ["runs", "show", "why", "replay", "verify", "cancel"])
def test_without_a_log_a_command_says_where_it_looked_and_makes_none(
    playhead: Playhead, folder: Path, command: str
) -> None:
    said = playhead(command, *(() if command in ("runs", "verify") else ("last",)))
    assert said.code == 2
    (line,) = said.err.splitlines()
    assert "there is no log at " in line
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("arguments", [("show",), ("show", "--records"), ("why",)])
def test_what_a_model_says_sends_no_escape_sequence_to_the_terminal(
    playhead: Playhead, arguments: tuple[str, ...]
) -> None:
    said = playhead("run", "hack", "--agent", f"{HERE}:hacker")
    shown = playhead(*arguments, "last")
    for text in (said.out, said.err, shown.out):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "<1B>[2J" in said.out


@pytest.mark.parametrize("arguments", [("runs",), ("show", "last"), ("why", "last"), ("doctor",),
                                       ("show", "last", "--records")])  # fmt: skip
def test_output_fits_80_columns(playhead: Playhead, arguments: tuple[str, ...]) -> None:
    run(playhead, "runaway", "--max-steps", "3")
    playhead("run", "a goal of many words, " * 20, "--agent", f"{HERE}:adder")
    assert max(map(len, playhead(*arguments).out.splitlines())) <= 80


def test_a_wrong_age_is_a_mistake_of_one_line(playhead: Playhead) -> None:
    run(playhead, "adder")
    said = playhead("runs", "--since", "yesterday")
    assert said.code == 2
    assert len(said.err.splitlines()) == 1
