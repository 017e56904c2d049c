"""`plan show` and `plan edit`: a plan drawn, and changed before it runs."""

import json
import os
from pathlib import Path

import pytest

from playhead.cli.shared import exit_codes
from tests.cli.conftest import Playhead
from tests.cli.processes import playhead_process, until

PLANNER = "tests.cli.agents:planning"


@pytest.fixture
def reviewed(folder: Path) -> str:
    """A run whose plan waits, and whose process was killed."""
    with playhead_process("run", "plan it", "--agent", PLANNER) as process:
        line = until(process, "playhead approve")
        return line.split()[2]


def test_a_plan_that_waits_is_listed_and_drawn_as_text_and_as_mermaid(
    playhead: Playhead, reviewed: str
) -> None:
    assert "twice [add]" in playhead("approvals").out
    said = playhead("plan", "show", reviewed).out
    assert "[ ] twice   add:" in said
    assert f"playhead plan edit {reviewed}" in said
    graph = playhead("plan", "show", reviewed, "--mermaid").out
    assert graph.startswith("flowchart TD")
    assert "s0 --> s1" in graph


def test_a_plan_is_edited_from_a_file_and_runs_so_after_resume(
    playhead: Playhead, reviewed: str
) -> None:
    steps = [{"id": "other", "tool": "add", "arguments": {"a": 40, "b": 2}}]
    Path("plan.json").write_text(json.dumps({"steps": steps}))
    assert playhead("plan", "edit", reviewed, "--file", "plan.json").code == exit_codes.OPEN
    assert playhead("resume", reviewed).code == exit_codes.OK
    shown = playhead("plan", "show", reviewed).out
    assert "[x] other" in shown
    assert "add(a=40, b=2)" in playhead("show", reviewed).out
    assert playhead("replay", reviewed).code == exit_codes.OK


def test_a_plan_that_cannot_run_is_one_clear_line_and_changes_nothing(
    playhead: Playhead, reviewed: str
) -> None:
    Path("bad.json").write_text('{"steps": [{"id": "x", "tool": "ad"}]}')
    said = playhead("plan", "edit", reviewed, "--file", "bad.json")
    assert (said.code, "did you mean `add`" in said.err) == (exit_codes.MISTAKE, True)
    assert "twice [add]" in playhead("approvals").out


def test_what_is_proposed_for_a_plan_that_waits_means_the_same_log(
    playhead: Playhead, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLAYHEAD_LOG", raising=False)
    with playhead_process("run", "plan it", "--agent", PLANNER, "--log", "other.db") as process:
        line = until(process, "playhead approve")
    assert line.partition("(")[0].split()[-2:] == ["--log", "other.db"]
    assert "--log other.db" in playhead("approvals", "--log", "other.db").out


def test_a_file_that_is_no_json_is_said_to_be_none(playhead: Playhead, reviewed: str) -> None:
    Path("bad.json").write_text("{steps: []}")
    said = playhead("plan", "edit", reviewed, "--file", "bad.json")
    assert said.code == exit_codes.MISTAKE
    assert "the plan cannot be read as JSON: Expecting property name" in said.err


def test_an_editor_may_change_the_plan(
    playhead: Playhead, reviewed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "sed -i s/17/18/")
    os.environ.pop("VISUAL", None)
    assert playhead("plan", "edit", reviewed).code == exit_codes.OPEN
    assert playhead("resume", reviewed).code == exit_codes.OK
    assert "add(a=18, b=4)" in playhead("show", reviewed).out
    monkeypatch.setenv("EDITOR", "false")
    assert "no plan that waits" in playhead("plan", "edit", reviewed).err


def test_a_run_without_a_plan_says_so(playhead: Playhead) -> None:
    playhead("run", "add", "--agent", "tests.cli.agents:adder")
    assert "has no plan" in playhead("plan", "show", "last").err
