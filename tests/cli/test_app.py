"""The commands as a whole: help, exit codes, mistakes, what is imported, what `doctor` says."""

import inspect
import json
import os
import re
import signal
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
from tests.cli.processes import playhead_process

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


def test_commands_are_grouped_by_what_people_want_and_sorted(playhead: Playhead) -> None:
    sections: dict[str, list[str]] = {}
    title = ""
    for line in playhead("--help").out.partition("Exit codes")[0].splitlines():
        if line.endswith(":") and not line.startswith(" "):
            title = line
        elif found := re.match(r"  ([a-z][a-z-]*)  ", line):
            sections.setdefault(title, []).append(found[1])
    assert len(sections) >= 6
    assert "Commands:" not in sections
    assert [names for names in sections.values() if names != sorted(names)] == []
    assert set(COMMANDS) <= {name for names in sections.values() for name in names}


@pytest.mark.parametrize("group", [(), ("memory",), ("plan",)])
def test_without_arguments_the_help_is_shown(playhead: Playhead, group: tuple[str, ...]) -> None:
    said = playhead(*group)
    assert (said.code, said.err) == (0, "")
    assert said.out == playhead(*group, "--help").out


BAD_LOGS = ("folder", "text", "text/below", "missing/folder/log", "", "x" * 300, "nul\0l")

GIVEN = {
    "run": ("goal", "--agent", f"{HERE}:adder"), "send": ("last", "hello"),
    "approve": ("last", "1"),
    "deny": ("last", "1"), "resolve": ("last", "1", "--failed"), "complete": ("last", "1", "x"),
    "fail": ("last", "1", "x"), "diff": ("last", "last"), "causes": ("last", "1"),
    "export-trace": ("last", "--otlp", "http://127.0.0.1:1"),
    "backtest": ("--limits", "max_steps=3"),
    "backup": ("to",), "restore": ("text",), "archive": ("--before", "1d"), "import": ("text",),
    "unschedule": ("x",), "serve": ("--port", "0"), "fork": ("last",),
}  # fmt: skip
WITHOUT_A_RUN = (
    "runs", "waits", "approvals", "schedules", "cost", "metrics", "facts", "verify",
    "check-compat", "tail",
)  # fmt: skip


@pytest.mark.parametrize("log", BAD_LOGS)
def test_a_log_that_cannot_be_is_one_line_and_no_traceback(
    playhead: Playhead, folder: Path, log: str
) -> None:
    Path("folder").mkdir()
    Path("text").write_text("no log\n" * 1000)
    for command in {*COMMANDS, "facts", "cost", "context"} - {"doctor"}:
        given = GIVEN.get(command, () if command in WITHOUT_A_RUN else ("last",))
        said = playhead(command, *given, "--log", log)
        assert said.code in (2, 3), (command, said)
        assert "Traceback" not in said.err
        assert len(said.err.splitlines()) == 1, (command, said.err)


def test_doctor_says_what_is_wrong_with_a_log(playhead: Playhead, folder: Path) -> None:
    Path("text").write_text("no log\n" * 1000)
    assert "Traceback" not in playhead("doctor", "--log", "text").err
    assert playhead("doctor", "--log", "").code == 2


def complete(shell: str, line: str) -> str:
    """What `playhead` tells a shell about a line that is being written."""
    asked = {
        "_PLAYHEAD_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1), "_TYPER_COMPLETE_ARGS": line,
    }  # fmt: skip
    code = "import sys; sys.argv[0] = 'playhead'; from playhead.cli import script; script()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, **asked},
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_runs_and_is_told_no_goal(
    playhead: Playhead, folder: Path, shell: str
) -> None:
    playhead("run", "\\$(touch owned) `touch owned`", "--agent", f"{HERE}:adder")
    run = json.loads(playhead("runs", "--json").out)[0]["run"]
    assert "export-trace" in complete(shell, "playhead export")
    assert run in complete(shell, f"playhead show {run[:4]}")
    assert "owned" not in complete(shell, f"playhead show {run[:4]}")
    assert complete(shell, f"playhead show --log missing {run[:4]}").count(run) == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_can_be_installed(playhead: Playhead, shell: str) -> None:
    asked = {**os.environ, "_PLAYHEAD_COMPLETE": f"source_{shell}"}
    code = "import sys; sys.argv[0] = 'playhead'; from playhead.cli import script; script()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=asked
    )
    assert "_PLAYHEAD_COMPLETE=complete_" in done.stdout
    assert "--install-completion" in playhead("--help").out


SLOW = """
import builtins, sys
real = builtins.__import__
def slow(name, *rest, **more):
    if name == WHERE:
        print("there", flush=True)
        sys.stdin.read()
    return real(name, *rest, **more)
builtins.__import__ = slow
sys.argv = ["playhead", "runs"]
from playhead.cli import script
script()
"""


@pytest.mark.parametrize("where", ["playhead.cli.app", "typer", "rich.table", "pydantic"])
def test_ctrl_c_while_it_is_imported_exits_130_without_a_traceback(
    folder: Path, where: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", f"WHERE = {where!r}\n{SLOW}"], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    process.send_signal(signal.SIGINT)
    assert (process.wait(20), process.communicate()[1]) == (130, "")


def test_ctrl_c_while_a_log_is_followed_exits_130_without_a_traceback(
    playhead: Playhead, folder: Path
) -> None:
    playhead("run", "add", "--agent", f"{HERE}:adder")
    for command in (["tail"], ["serve", "--port", "0"]):
        with playhead_process(*command) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
            assert process.stderr is not None
            assert process.stderr.read() == ""


def test_an_output_of_a_hyphen_is_standard_output(playhead: Playhead, folder: Path) -> None:
    playhead("run", "add", "--agent", f"{HERE}:adder")
    said = playhead("export", "last", "-o", "-")
    assert (said.code, said.out, said.err) == (0, playhead("export", "last").out, "")
    assert not Path("-").exists()


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
