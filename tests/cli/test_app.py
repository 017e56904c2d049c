"""The commands as a whole: help, exit codes, mistakes, what is imported, what `doctor` says."""

import inspect
import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from playhead import Capacity, Runtime, Telemetry
from playhead.cli.commands.doctor import ARGUMENTS, wal_bug
from playhead.events.spec.agent import Limits, LoopRules
from playhead.events.spec.memory import MemoryRules
from playhead.events.spec.plan import PlanRules
from playhead.events.spec.routing import Budget
from playhead.events.spec.tool import Retry
from tests.cli.agents import HERE
from tests.cli.conftest import Playhead

COMMANDS = (
    "run", "resume", "cancel", "pause", "send", "runs", "show", "why", "replay", "verify", "doctor",
    "backup", "restore", "archive", "approvals", "approve", "deny", "resolve", "complete", "fail",
    "waits", "export-trace", "metrics", "fork", "backtest", "diff", "causes", "tail", "export",
    "import", "check-compat", "schedules", "unschedule",
)  # fmt: skip

READING = (
    ["runs"], ["show", "last"], ["why", "last"], ["replay", "last"], ["verify"], ["doctor"],
    ["--version"],
)  # fmt: skip


def test_help_names_every_command_and_every_exit_code(playhead: Playhead) -> None:
    said = playhead("--help")
    assert said.code == 0
    assert [name for name in COMMANDS if f"\n  {name} " not in said.out] == []
    assert [code for code in (0, 1, 2, 3, 4, 130) if f"\n    {code} " not in said.out] == []
    assert [line for line in said.out.splitlines()[1:] if line.endswith("...")] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(playhead: Playhead, command: str) -> None:
    said = playhead(command, "--help")
    assert said.code == 0
    assert f"Usage: playhead {command} " in said.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "GOAL"),
        (["frobnicate"], "frobnicate"),
        (["show", "last", "--frobnicate"], "--frobnicate"),
        (["replay", "last", "--to", "x"], "--to"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    playhead: Playhead, arguments: list[str], words: str
) -> None:
    said = playhead(*arguments)
    assert (said.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert words in line


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_a_reading_command_imports_no_model_client(
    playhead: Playhead, folder: Path, arguments: list[str]
) -> None:
    playhead("run", "add", "--agent", f"{HERE}:adder")
    code = (
        "import sys; from playhead.cli import main; code = main(sys.argv[1:]); "
        "print({'anthropic', 'httpx2', 'xllamacpp'} & set(sys.modules), file=sys.stderr); "
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (0, "set()")


def test_a_reader_that_leaves_early_is_no_error(playhead: Playhead, folder: Path) -> None:
    playhead("run", "add", "--agent", f"{HERE}:adder")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "playhead", "show", "last"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_doctor_names_every_setting_of_the_runtime_and_of_the_rules(playhead: Playhead) -> None:
    settings = {s["name"]: s for s in json.loads(playhead("doctor", "--json").out)["settings"]}
    parameters = inspect.signature(Runtime).parameters
    for name in parameters.keys() - ARGUMENTS:
        assert settings[f"Runtime({name}=)"]["default"] == parameters[name].default
    for group in (Capacity, Telemetry):
        assert {f"{group.__name__}({field.name}=)" for field in fields(group)} <= settings.keys()
    for rules in (Limits, Retry, LoopRules, PlanRules, MemoryRules, Budget):
        assert {f"{rules.__name__}({name}=)" for name in rules.model_fields} <= settings.keys()
    assert "warn 3, stop 5" in playhead("doctor").out


def test_doctor_says_that_a_key_is_set_and_never_which(
    playhead: Playhead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    for arguments in (["doctor"], ["doctor", "--json"]):
        said = playhead(*arguments)
        assert "ANTHROPIC_API_KEY is set" in " ".join(said.out.split())
        assert "sk-secret" not in said.out


def test_doctor_says_that_nobody_owns_a_log_at_rest(playhead: Playhead) -> None:
    playhead("run", "add", "--agent", f"{HERE}:adder")
    log = json.loads(playhead("doctor", "--json").out)["log"]
    assert (log["owner"], log["holds"]) == ("nobody", "12 records, 1 run")


@pytest.mark.parametrize(
    ("version", "safe"),
    [("3.40.1", False), ("3.44.6", True), ("3.44.5", False), ("3.50.7", True), ("3.51.2", False),
     ("3.51.3", True), ("3.54.1", True), ("3.6.23", True), ("3.45.0", False)],
)  # fmt: skip
def test_the_wal_bug_is_told_by_its_range(version: str, safe: bool) -> None:
    assert ("is fixed" in wal_bug(version)) == safe
