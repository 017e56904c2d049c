"""`playhead runs` with its filters."""

import json
from pathlib import Path

import pytest

from playhead import Agent, PlayheadError, Runtime
from playhead.testing import ScriptedModel
from tests.cli.conftest import Playhead


@pytest.fixture
def log(folder: Path) -> None:
    """Four runs that differ in agent, session, labels and status."""
    desk = Agent(name="desk", model=ScriptedModel(lambda body: "done"))
    clerk = Agent(name="clerk", model=ScriptedModel([]))
    with Runtime(folder / "playhead.db") as runtime:
        runtime.run(desk, "one", session="s", metadata={"user": "Ann", "plan": "free"})
        runtime.run(desk, "two", session="t", metadata={"user": "Ann", "plan": "a=b"})
        runtime.run(desk, "three", metadata={"user": "Bob"})
        with pytest.raises(PlayheadError):
            runtime.run(clerk, "four", session="s")


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    ("given", "goals"),
    [
        ([], ["four", "three", "two", "one"]),
        (["--session", "s"], ["four", "one"]),
        (["--session", "s", "--agent", "desk"], ["one"]),
        (["--agent", "clerk"], ["four"]),
        (["--failed"], ["four"]),
        (["--open"], []),
        (["--metadata", "user=Ann"], ["two", "one"]),
        (["--metadata", "user=Ann", "--metadata", "plan=a=b"], ["two"]),
        (["--since", "1h", "--metadata", "user=Bob"], ["three"]),
        (["--since", "2999-01-01"], []),
        (["--limit", "2"], ["four", "three"]),
    ],
)
def test_runs_are_found_by(playhead: Playhead, given: list[str], goals: list[str]) -> None:
    said = playhead("runs", "--json", *given)
    assert said.code == 0, said.err
    assert [row["goal"] for row in json.loads(said.out)] == goals


@pytest.mark.usefixtures("log")
def test_older_runs_over_the_limit_are_counted(playhead: Playhead) -> None:
    assert "3 older runs not shown" in playhead("runs", "--limit", "1").out
    assert "no such run" in playhead("runs", "--session", "nobody").out
