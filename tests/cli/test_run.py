"""`playhead run`: what is said where, which agent is meant, and mistakes of one line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.agents import HERE
from tests.cli.conftest import Playhead
from tests.cli.processes import ROOT
from tests.support.messages_api import MessagesApi, call, message, text

ADDER = f"{HERE}:adder"


def test_the_answer_goes_to_standard_output_and_progress_to_standard_error(
    playhead: Playhead,
) -> None:
    said = playhead("run", "add 17 and 4", "--agent", ADDER)
    assert (said.code, said.out) == (0, "It is 21.\n")
    for words in ("Thought      I shall add.", "Action       add(a=17, b=4)", "Observation  21"):
        assert words in said.err


def test_a_run_ends_with_the_next_commands(playhead: Playhead) -> None:
    said = playhead("run", "add", "--agent", ADDER, "--log", "my log.db")
    *_, show, replay = said.err.splitlines()
    assert show.split()[:2] == ["playhead", "show"]
    assert show.endswith(" --log 'my log.db'")
    assert replay.split()[:2] == ["playhead", "replay"]


def test_json_is_one_document_with_stable_keys(playhead: Playhead) -> None:
    said = playhead("run", "add", "--agent", ADDER, "--json")
    assert said.err == ""
    document = json.loads(said.out)
    assert (document["status"], document["answer"]) == ("finished", "It is 21.")
    assert set(document) == {
        "run", "status", "goal", "agent", "model", "session", "parent", "answer", "output",
        "reason",
        "message", "started_at", "seconds", "steps", "model_calls", "model_failures", "tool_calls",
        "tool_errors", "tokens", "records",
    }  # fmt: skip


def test_a_run_that_fails_says_why_and_exits_with_1(playhead: Playhead) -> None:
    said = playhead("run", "go", "--agent", f"{HERE}:runaway", "--max-steps", "3")
    assert (said.code, said.out) == (1, "")
    assert "failed: max_steps: " in said.err
    assert "playhead why " in said.err


def test_the_default_assistant_uses_a_real_endpoint_and_its_tools(
    playhead: Playhead, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "notes").mkdir()
    (folder / "notes" / "price.txt").write_text("391 EUR")
    calls = (
        call("calculator", {"expression": "17 * 23"}, "use_1"),
        call("read_file", {"path": "price.txt"}, "use_2"),
        call("read_file", {"path": "../secret"}, "use_3"),
    )
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    with MessagesApi([message(*calls), message(text("It is 391."))]) as api:
        said = playhead("run", "the price?", "--workspace", "notes", "--base-url", api.url)
    assert (said.code, said.out) == (0, "It is 391.\n")
    assert f"it may read the files below {folder}/notes" in " ".join(said.err.split())
    shown = playhead("show", "last", "--json").out
    headings = [entry["heading"] for entry in json.loads(shown)["entries"]]
    assert sorted(h for h in headings if h in ("Observation", "Failed")) == [
        "Failed",
        "Observation",
        "Observation",
    ]
    assert "sk-secret" not in shown


def test_the_log_says_how_to_find_the_agent_again(playhead: Playhead, folder: Path) -> None:
    playhead("run", "add", "--agent", ADDER)
    shown = json.loads(playhead("show", "last", "--records", "--json").out)
    assert shown["log"][0]["event"]["metadata"] == {"agent": ADDER, "folder": str(folder)}


@pytest.mark.parametrize("name", ["", ":only"])
def test_an_agent_may_stand_in_a_file(playhead: Playhead, folder: Path, name: str) -> None:
    (folder / "mine.py").write_text(
        "from playhead import Agent\nfrom playhead.testing import ScriptedModel\n"
        "only = Agent(name='only', model=ScriptedModel(['Hello.']))\n"
    )
    assert playhead("run", "hello", "--agent", f"mine.py{name}").out == "Hello.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--agent", "no.such.module:agent"], "there is no module no.such.module"),
        (["--agent", "missing.py:agent"], "there is no file missing.py"),
        (["--agent", f"{HERE}:nobody"], f"{HERE}:adder"),
        (["--agent", f"{HERE}:no_agent"], "no_agent is not an Agent"),
        (["--agent", HERE], "which one?"),
        (["--agent", "broken.py"], "broken.py cannot be imported: ZeroDivisionError"),
        (["--agent", ADDER, "--workspace", "."], "--workspace is for the default assistant"),
        (["--workspace", "nowhere"], "nowhere"),
        (["--max-steps", "0"], "--max-steps"),
        (["--agent", ADDER, "--log", "no/such/folder.db"], "there is no folder"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_was_wrong(
    playhead: Playhead, folder: Path, arguments: list[str], words: str
) -> None:
    (folder / "broken.py").write_text("1 / 0")
    said = playhead("run", "go", *arguments)
    assert (said.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert words in line


def test_without_any_model_one_line_says_how_to_get_one(folder: Path) -> None:
    without = (
        "import sys; sys.modules['xllamacpp'] = None; from playhead.cli import main; "
        "sys.exit(main(['run', 'hello']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", without], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    for way in ("ANTHROPIC_API_KEY", "--base-url", "pip install 'playhead[local]'"):
        assert way in line
    assert not (folder / "playhead.db").exists()


def test_the_package_runs_as_a_module(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "playhead", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("playhead ")
