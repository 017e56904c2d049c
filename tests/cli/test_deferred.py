"""Answers of deferred calls, and schedules, at the command line."""

import json

from playhead import Agent, Runtime
from playhead.testing import ScriptedModel
from tests.cli.agents import HERE
from tests.cli.conftest import Playhead
from tests.cli.processes import playhead_process, until

ASKER = ("run", "ask", "--agent", f"{HERE}:asker")


def test_a_deferred_call_is_listed_and_answered_while_another_process_has_the_log(
    playhead: Playhead,
) -> None:
    with playhead_process(*ASKER) as process:
        until(process, "answered later")
        (wait,) = json.loads(playhead("waits", "--json").out)
        assert (wait["about"], wait["tool"], wait["message"]) == ("answer", "ask", "ticket 1")
        run, call = wait["run"], str(wait["call"])
        assert f"playhead complete {run} {call} RESULT" in playhead("waits").out
        assert "playhead complete" in playhead("why", "last").out
        wrong = playhead("complete", "last", call, '"dear"')
        assert (wrong.code, "wrong type" in wrong.err) == (2, True)
        assert playhead("complete", "last", call, "12").code == 0
        assert process.wait() == 0
    assert "12" in playhead("show", "last").out
    again = playhead("complete", "last", call, "12")
    assert again.code == 2
    assert playhead("waits").out == "no run waits for anything\n"


def test_a_deferred_call_that_failed_says_so_to_the_model(playhead: Playhead) -> None:
    with playhead_process(*ASKER) as process:
        until(process, "answered later")
        (wait,) = json.loads(playhead("waits", "--json").out)
        assert playhead("fail", "last", str(wait["call"]), "out of stock").code == 0
        assert process.wait() == 0
    assert "out of stock" in playhead("show", "last").out


def test_schedules_are_listed_and_cancelled(playhead: Playhead) -> None:
    with Runtime("playhead.db") as runtime:
        assert playhead("schedules").out == "no schedules\n"
        agent = Agent(name="greeter", model=ScriptedModel(["hi"]))
        runtime.schedule("0 9 * * 1", agent, "Greet.", timezone="Europe/Paris", name="weekly")
        listed = playhead("schedules").out
        assert "weekly: 0 9 * * 1 (Europe/Paris)" in listed
        assert "greeter: Greet." in listed
        assert playhead("unschedule", "weekly", "--reason", "over").code == 0
        assert runtime.schedules() == []
    assert json.loads(playhead("schedules", "--json").out) == []
    assert playhead("unschedule", "weekly").code == 2
