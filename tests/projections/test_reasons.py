"""What explains a run that failed: what went wrong on the way, before the guard that ended it."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from playhead import Agent, Limits, RunNotFinished, Runtime, ToolError, tool
from playhead.events.codec import decode
from playhead.events.errors import ModelError
from playhead.events.kinds.tool_calls import ToolFailed
from playhead.events.log.sqlite.log import SqliteReader
from playhead.events.record import Record
from playhead.projections.history.reasons import reasons
from playhead.testing import Scripted, ScriptedModel, call

tries = iter(range(0))


@tool(effect="read")
def find_order(number: int) -> str:
    """Find an order."""
    msg = f"no order {number}"
    raise ToolError(msg)


@tool(effect="read")
def sometimes() -> str:
    """Fail the first two times."""
    if next(tries) < 2:
        msg = "not yet"
        raise ToolError(msg)
    return "here"


desk = Agent(name="desk", model=ScriptedModel(["found"]), tools=[find_order, sometimes])
AGAIN = call("find_order", number=7)
CASES: list[tuple[str, list[Scripted], str, str]] = [
    ("four equal failures", [AGAIN] * 9, "failure", "find_order failed 4 times"),
    ("a tool that recovered", [call("sometimes")] * 9, "", ""),
    ("calls of a tool that is not there", [call("nothing")] * 9, "refusal", "4 times"),
    ("a model that is refused", [ModelError("overloaded", "busy")] * 9, "", ""),
]


def ended(script: list[Scripted], folder: Path) -> tuple[str, Path]:
    global tries
    tries = iter(range(99))
    log = folder / "log.db"
    agent = Agent(
        name="desk", model=ScriptedModel(script), tools=[find_order, sometimes],
        limits=Limits(max_steps=4, max_outage_seconds=0),
    )  # fmt: skip
    with Runtime(log, [agent]) as runtime, pytest.raises(RunNotFinished) as failed:
        runtime.run(agent, "find order 7", metadata={"agent": f"{__file__}:desk"})
    return failed.value.run, log


def records_of(log: Path, run: str) -> list[Record]:
    reader = SqliteReader(log)
    try:
        return [decode(row, reader.body) for row in reader.read(run)]
    finally:
        reader.close()


@pytest.mark.parametrize(("script", "what", "words"), [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])  # fmt: skip
def test_what_went_wrong_on_the_way_comes_before_the_guard_that_ended_it(
    tmp_path: Path, script: list[Scripted], what: str, words: str
) -> None:
    run, log = ended(script, tmp_path)
    found = reasons(records_of(log, run))
    if not what:
        assert [reason for reason in found if reason.what == "failure"] == []
        return
    assert found[0].what == what
    assert words in found[0].text


def test_the_records_named_are_the_failures_themselves(tmp_path: Path) -> None:
    run, log = ended([AGAIN] * 9, tmp_path)
    records = records_of(log, run)
    failures = [r.seq for r in records if isinstance(r.event, ToolFailed)]
    assert list(reasons(records)[0].records) == failures


def test_the_commands_that_why_prints_work_as_printed(tmp_path: Path) -> None:
    run, log = ended([AGAIN] * 9, tmp_path)
    playhead = [sys.executable, "-m", "playhead"]
    said = subprocess.run(
        [*playhead, "why", run, "--log", str(log), "--json"], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    told = json.loads(said.stdout)
    assert told["explained_by"][0]["what"] == "failure"
    commands = [
        line for line in told["try"] if line.startswith(("playhead causes", "playhead fork"))
    ]
    assert len(commands) >= 2
    for line in commands:
        hold = ["--hold"] if " fork " in line else []
        done = subprocess.run(
            [*playhead, *shlex.split(line)[1:], *hold], capture_output=True, text=True
        )
        assert done.returncode == 0, (line, done.stderr)
