"""The documents' code and the examples run as they stand, against a real HTTP endpoint.

A block of ARCHITECTURE.md that begins with a file's name is that file: those of its recipes are put
where they say, in a folder of a program or in a copy of the house.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from playhead import Agent, Runtime
from playhead.cli.app import app
from playhead.testing import ScriptedModel
from playhead.testing import call as call_tool
from playhead.testing.log_contract import LogContract
from tests.house.sources import ROOMS, ROOT
from tests.support.messages_api import MessagesApi, call, message, text
from tests.telemetry.collector import Collector, http_collector

ARCHITECTURE = ROOT / "ARCHITECTURE.md"
DOCUMENTS = [ROOT / "README.md", ARCHITECTURE, *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = ROOT / "docs" / "examples"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (\S+\.py)\n")
"""The first line of a block that is a file."""


def blocks() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        for match in BLOCK.finditer(document.read_text()):
            line = document.read_text()[: match.start()].count("\n") + 2
            if NAMED.match(match[1]) is None:
                yield f"{document.relative_to(ROOT)}:{line}", match[1]


def recipe_files(*, house: bool) -> dict[str, str]:
    """The files that the recipes write, by their path: the house's, or those of a program."""
    found = {
        name[1]: match[1]
        for match in BLOCK.finditer(ARCHITECTURE.read_text())
        if (name := NAMED.match(match[1])) is not None
    }
    return {name: content for name, content in found.items() if ("/" in name) is house}


def write(files: dict[str, str], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def python(*arguments: str, folder: Path, url: str = "") -> str:
    """Run Python in the folder; what it printed."""
    model = {"ANTHROPIC_API_KEY": "test", "ANTHROPIC_BASE_URL": url} if url else {}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **model},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def fx() -> MessagesApi:
    """A model that looks the rate up and answers with it."""
    rate = '{"currency": "VND", "per_euro": 27500}'
    return MessagesApi([message(call("euro_rate", {"currency": "VND"})), message(text(rate))])


@pytest.mark.parametrize("code", [pytest.param(code, id=place) for place, code in blocks()])
def test_a_code_block_runs_as_it_stands(tmp_path: Path, code: str) -> None:
    with fx() as api:
        python("-c", code, folder=tmp_path, url=api.url)


def test_the_log_of_the_recipe_passes_the_contract_and_keeps_a_run(tmp_path: Path) -> None:
    write(recipe_files(house=False), tmp_path)
    said = python("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=tmp_path)
    promises = [name for name in dir(LogContract) if name.startswith("test_")]
    passed = re.search(r"^(\d+) passed in", said, re.MULTILINE)
    assert passed is not None, said
    assert int(passed[1]) > len(promises)


@pytest.fixture
def extended_house(tmp_path: Path) -> Path:
    """A copy of the house with the files and the lines that the recipes add."""
    for room in ("playhead", *ROOMS):
        unwanted = ignore_patterns("__pycache__")
        copytree(ROOT / room, tmp_path / room, symlinks=True, ignore=unwanted)
    write(recipe_files(house=True), tmp_path)
    commands = tmp_path / "playhead" / "cli" / "app.py"
    list_of_commands = commands.read_text()
    for before, line in (
        ("cli.commands import (", "refusals,"),
        ('"Find out why": {', '"refusals": refusals.refusals,'),
    ):
        assert list_of_commands.count(before) == 1
        list_of_commands = list_of_commands.replace(before, f"{before}\n    {line}")
    commands.write_text(list_of_commands)
    return tmp_path


def test_the_projection_of_the_recipe_passes_its_test_in_the_house(extended_house: Path) -> None:
    said = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", folder=extended_house)
    assert re.search(r"^1 passed in", said, re.MULTILINE), said


def test_the_command_of_the_recipe_shows_a_run(extended_house: Path) -> None:
    agent = Agent(name="a", model=ScriptedModel([call_tool("fly", to="Rome"), "I cannot fly."]))
    with Runtime(extended_house / "playhead.db") as runtime:
        runtime.run(agent, "Fly to Rome.")
    refusals = ("-m", "playhead", "refusals", "last")
    (told,) = json.loads(python(*refusals, "--json", folder=extended_house))
    assert (told["tool"], told["reason"]) == ("fly", "unknown_tool")
    header, line = python(*refusals, folder=extended_house).splitlines()[:2]
    assert header.split() == ["call", "tool", "reason", "message"]
    assert line.split()[1:3] == ["fly", "unknown_tool"]


def test_the_embedding_example_ends_with_a_typed_answer(tmp_path: Path) -> None:
    with fx() as api:
        said = python(str(EXAMPLES / "embed.py"), folder=tmp_path, url=api.url)
    assert "1 EUR = 27500 VND" in said.splitlines()[-1]
    assert "tool      tool_succeeded" in said


def test_the_replay_example_tells_a_log_and_says_that_it_matches(tmp_path: Path) -> None:
    with fx() as api:
        python(str(EXAMPLES / "embed.py"), folder=tmp_path, url=api.url)
    told = python(str(EXAMPLES / "replay.py"), "fx.db", folder=tmp_path)
    assert 'Action: euro_rate(currency="VND")' in told
    assert told.splitlines()[-1].strip() == "matches"


def test_the_trace_example_sends_each_run_as_one_tree(tmp_path: Path) -> None:
    with fx() as api:
        python(str(EXAMPLES / "embed.py"), folder=tmp_path, url=api.url)
    with http_collector() as collector:
        python(str(EXAMPLES / "trace.py"), "fx.db", collector.url, folder=tmp_path)
    assert roots(collector) == ["invoke_agent fx"]


def roots(collector: Collector) -> list[str]:
    return [span.name for span in collector.spans if not span.parent]


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text()
    names = [c.name or c.callback.__name__ for c in app.registered_commands if c.callback]
    assert [n for n in names if not re.search(rf"\b{n.replace('_', '-')}\b", readme)] == []


def test_the_program_of_the_readme_is_one_of_fifteen_lines() -> None:
    first = next(code for place, code in blocks() if place.startswith("README"))
    assert len(first.strip().splitlines()) <= 17


@pytest.mark.parametrize("how", [[], ["--mcp"]], ids=["in process", "as an MCP server"])
def test_the_crm_example_sets_a_score_and_replays(tmp_path: Path, how: list[str]) -> None:
    score = call("update_lead_score", {"email": "ada@example.com", "score": 95})
    with MessagesApi([message(score), message(text("Her score is 95."))]) as api:
        said = python(str(EXAMPLES / "crm.py"), *how, folder=tmp_path, url=api.url)
    assert said.splitlines() == ["Her score is 95.", "replay matches: True"]
    assert '"lead_score":95' in str(api.requests[1]).replace(" ", "").replace("\\", "")


def test_the_tools_of_the_crm_example_leave_nothing_to_mend() -> None:
    assert app(["lint-tools", str(EXAMPLES / "crm.py") + ":agent"], standalone_mode=False) == 0
