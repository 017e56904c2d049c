"""The README's code and the examples run as they stand, against a real HTTP endpoint."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from playhead.cli.app import app
from tests.house.sources import ROOT
from tests.support.messages_api import MessagesApi, call, message, text
from tests.telemetry.collector import Collector, http_collector

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = ROOT / "docs" / "examples"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        for match in BLOCK.finditer(document.read_text()):
            line = document.read_text()[: match.start()].count("\n") + 2
            yield f"{document.relative_to(ROOT)}:{line}", match[1]


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
