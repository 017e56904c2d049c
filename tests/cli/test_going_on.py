"""Kills, interrupts and second processes: real processes and real signals."""

import json
import signal
from pathlib import Path

from tests.cli.agents import HERE
from tests.cli.conftest import Playhead
from tests.cli.processes import playhead_process, until

WAITER = ("run", "write, then wait", "--agent", f"{HERE}:waiter")


def statuses(playhead: Playhead) -> list[str]:
    """Of all runs, the newest first."""
    return [row["status"] for row in json.loads(playhead("runs", "--json").out)]


def until_logged(playhead: Playhead, run: str, word: str) -> None:
    """Read the log of a run at work until it has the word."""
    while word not in playhead("show", run).out:
        pass


def test_a_killed_run_is_resumed_and_no_completed_tool_call_runs_twice(
    playhead: Playhead, folder: Path
) -> None:
    with playhead_process(*WAITER) as process:
        until(process, "Action       wait")
        process.kill()
        process.wait()
    (folder / "go").touch()
    said = playhead("resume", "last")
    assert (said.code, said.out) == (0, "Done.\n")
    assert (folder / "written").read_text() == "once\n"
    assert playhead("replay", "last").code == 0


def test_a_child_is_resumed_together_with_the_run_that_wants_it(
    playhead: Playhead, folder: Path
) -> None:
    with playhead_process("run", "go", "--agent", f"{HERE}:boss") as process:
        child = until(process, "Child").split()[-1]
        until_logged(playhead, child, "wait()")
        process.kill()
        process.wait()
    (folder / "go").touch()
    assert playhead("pause", child).code == 4
    said = playhead("resume", child)
    assert (said.code, said.out) == (0, "All done.\n")
    assert (folder / "written").read_text() == "once\n"
    said = playhead("resume", child)
    assert said.code == 2
    assert "is finished already" in said.err


def test_another_run_of_the_same_agent_leaves_a_killed_one_alone(
    playhead: Playhead, folder: Path
) -> None:
    with playhead_process(*WAITER) as process:
        until(process, "Action       wait")
        process.kill()
        process.wait()
    (folder / "go").touch()
    assert playhead(*WAITER).code == 0
    assert statuses(playhead) == ["finished", "open"]


def test_ctrl_c_cancels_the_run_and_that_is_recorded(playhead: Playhead, folder: Path) -> None:
    with playhead_process(*WAITER) as process:
        until(process, "Action       wait")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    shown = playhead("show", "last").out
    assert "cancelled" in shown.splitlines()[0]
    assert "cancel requested. Ctrl-C" in shown


def test_a_second_ctrl_c_leaves_at_once_and_says_how_to_go_on(
    playhead: Playhead, folder: Path
) -> None:
    with playhead_process("run", "hang", "--agent", f"{HERE}:deaf") as process:
        until(process, "run ")
        process.send_signal(signal.SIGINT)
        until(process, "cancelling the run")
        until(process, "cancel requested")
        process.send_signal(signal.SIGINT)
        line = until(process, "playhead resume")
        assert process.wait() == 130
    run = line.split()[-1]
    assert playhead("resume", run).code == 1
    assert statuses(playhead) == ["cancelled"]


def test_a_second_process_cancels_through_the_inbox(playhead: Playhead, folder: Path) -> None:
    with playhead_process(*WAITER) as process:
        until(process, "Action       wait")
        said = playhead("cancel", "last", "--reason", "enough")
        assert said.code == 0
        assert process.wait() == 1
    assert f"by process {process.pid} " in " ".join(said.out.split())
    shown = json.loads(playhead("show", "last", "--records", "--json").out)
    assert (shown["status"], shown["message"]) == ("cancelled", "enough")
    commands = [r["command"] for r in shown["log"] if r["event"]["kind"] == "cancel_requested"]
    assert None not in commands


def test_a_run_is_paused_from_outside_and_resumed(playhead: Playhead, folder: Path) -> None:
    with playhead_process(*WAITER) as process:
        until(process, "Action       wait")
        assert playhead("pause", "last").code == 0
        until(process, "playhead resume")
        assert process.wait() == 4
    assert playhead("send", "last", "and be quick").code == 4
    (folder / "go").touch()
    assert playhead("resume", "last").out == "Done.\n"
    assert "and be quick" in playhead("show", "last").out
    assert playhead("replay", "last").code == 0


def test_a_second_run_on_an_owned_log_is_told_who_owns_it(playhead: Playhead, folder: Path) -> None:
    with playhead_process(*WAITER) as process:
        until(process, "Action       wait")
        said = playhead("run", "too", "--agent", f"{HERE}:adder")
        assert said.code == 3
        (line,) = said.err.splitlines()
        assert f"is owned by process {process.pid} " in line
        assert process.poll() is None


def test_reading_commands_work_while_another_process_owns_the_log(
    playhead: Playhead, folder: Path
) -> None:
    with playhead_process(*WAITER) as process:
        until(process, "Action       wait")
        for command in ("show", "why", "replay"):
            assert playhead(command, "last").code == 0
        assert statuses(playhead) == ["running"]
        assert playhead("verify").code == 0
        assert f"process {process.pid} " in playhead("doctor").out
    assert "since record" in playhead("why", "last").out


def test_a_cancel_without_an_owner_is_held_until_the_run_is_taken_up(
    playhead: Playhead, folder: Path
) -> None:
    with playhead_process(*WAITER) as process:
        until(process, "Action       wait")
        process.kill()
        process.wait()
    said = playhead("cancel", "last")
    assert said.code == 4
    assert "playhead resume" in said.out
    assert statuses(playhead) == ["open"]
    assert "playhead resume RUN" in playhead("runs").out
    assert "open" in playhead("show", "last").out.splitlines()[0]
    assert playhead("resume", "last").code == 1
    assert statuses(playhead) == ["cancelled"]


def test_a_run_paused_and_cancelled_without_an_owner_is_cancelled_by_resume(
    playhead: Playhead, folder: Path
) -> None:
    with playhead_process(*WAITER) as process:
        until(process, "Action       wait")
        process.kill()
        process.wait()
    assert playhead("pause", "last").code == playhead("cancel", "last").code == 4
    said = playhead("resume", "last")
    assert said.code == 1
    assert "cancelled" in said.err
    assert statuses(playhead) == ["cancelled"]


def test_a_run_that_has_ended_takes_no_more_commands(playhead: Playhead, folder: Path) -> None:
    playhead("run", "add", "--agent", f"{HERE}:adder")
    for command in (
        ["cancel", "last"],
        ["pause", "last"],
        ["send", "last", "x"],
        ["resume", "last"],
    ):
        said = playhead(*command)
        assert said.code == 2
        (line,) = said.err.splitlines()
        assert "is finished already" in line
