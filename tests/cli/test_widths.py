"""Every table is readable at any width: no id, no status and no name is ever cut."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from playhead import Agent, Runtime, tool
from playhead.cli.shared.listing import Listing
from playhead.testing import Scripted, ScriptedModel, call
from tests.cli.conftest import Playhead

WIDTHS = (60, 80, 120)
NAME = "refunds_and_complaints_desk_for_enterprise_customers"
TOOL = "look_up_the_payment_history_of_an_enterprise_customer"
MODEL = "a-model-with-a-long-name-of-a-provider-20261201-preview"
GOAL = (
    "Find out why invoice 2026-4471 of Acme Industries was paid twice, and write a friendly mail "
    "to their accountant that explains what happened and when the money comes back"
)
SESSION = "customer-4711-of-the-northern-region"
SPACE = f"namespace-of-{SESSION}"


@tool(name=TOOL, effect="read")
def history(customer: str) -> str:
    """Look up what a customer has paid, for how much, and when."""
    return f"{customer}: paid twice"


class Named(ScriptedModel):
    name = MODEL


@pytest.fixture
def runs(folder: Path) -> list[str]:
    found: list[str] = []
    script: list[Scripted] = [call(TOOL, customer="Acme"), "It was paid twice."]
    with Runtime("playhead.db") as runtime:
        for _ in range(2):
            agent = Agent(name=NAME, model=Named(script), tools=[history])
            found.append(runtime.run(agent, GOAL, session=SESSION).run_id)
    return found


def kept(text: str, names: Sequence[str]) -> list[str]:
    """The names that are not there whole, on one line."""
    return [name for name in names if not any(name in line for line in text.splitlines())]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_table_keeps_its_ids_and_statuses_whole_at(
    playhead: Playhead, runs: list[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert playhead("memory", "add", f"Remember: {GOAL}", "-n", SPACE).code == 0
    memory = json.loads(
        playhead("memory", "list", SPACE, "--json").out
    )["memories"][0]["id"]  # fmt: skip
    expected: dict[tuple[str, ...], Sequence[str]] = {
        ("runs",): [*runs, "finished", NAME],
        ("cost",): [MODEL, "unknown"],
        ("cost", "--by", "session"): [SESSION, "unknown"],
        ("cost", "--by", "agent"): [NAME],
        ("cost", "--by", "run"): runs,
        ("cost", "--quota", "agent"): [NAME],
        ("metrics",): ["tasks completed", "unknown"],
        ("metrics", "--by", "tool"): [TOOL],
        ("metrics", "--by", "model"): [MODEL, "unknown"],
        ("metrics", "--by", "agent"): [NAME],
        ("diff", *runs): runs,
        ("causes", "last", "8"): ["tool_requested", "model_answered"],
        ("memory", "list"): [SPACE],
        ("memory", "list", SPACE): [memory],
        ("backtest", "--limits", "max_steps=1"): [*runs, "finished"],
    }
    for command, names in expected.items():
        said = playhead(*command)
        assert said.code in (0, 1), (command, said.err)
        assert kept(said.out, names) == [], (command, said.out)
        assert "…" not in said.out
        long = [line for line in said.out.splitlines() if len(line.rstrip()) > width]
        assert long == [], command


WORDS = st.text("abcdef-", min_size=1, max_size=70).filter(str.strip)


@given(
    names=st.lists(WORDS, min_size=2, max_size=6),
    rows=st.lists(st.lists(WORDS, min_size=6, max_size=6), min_size=1, max_size=4),
    width=st.sampled_from(WIDTHS),
)
def test_no_value_of_a_table_is_cut_whatever_its_length(
    names: list[str], rows: list[list[str]], width: int
) -> None:
    console = Console(width=width, force_terminal=True, no_color=True)
    table = Listing(*names)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row[: len(names)]))
    with console.capture() as caught:
        console.print(table)
    said = re.sub("\x1b\\[[0-9;]*m", "", caught.get())
    assert "…" not in said
    whole = "".join(said.split())
    for row in rows:
        assert [cell for cell in row[: len(names)] if len(cell) <= width - 4 and cell not in said
                and cell not in whole] == []  # fmt: skip
    assert all(len(line.rstrip()) <= width for line in said.splitlines())


def test_in_a_pipe_a_run_is_a_line(playhead: Playhead, runs: list[str]) -> None:
    header, *lines = playhead("runs").out.splitlines()
    assert header.startswith("run")
    assert [line.split()[0] for line in lines] == runs[::-1]
    assert all(NAME in line and GOAL[:140] in line for line in lines)
