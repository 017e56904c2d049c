"""Approvals and verdicts at the command line, while another process owns the log, and after it."""

import json
from pathlib import Path

import pytest

from tests.cli.agents import HERE
from tests.cli.conftest import Playhead
from tests.cli.processes import playhead_process, until
from tests.telemetry.collector import http_collector

PAYER = ("run", "settle the bill", "--agent", f"{HERE}:payer")


def waiting(playhead: Playhead) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(playhead("approvals", "--json").out)
    return found


def test_a_call_waits_is_listed_and_starts_once_it_is_approved(
    playhead: Playhead, folder: Path
) -> None:
    with playhead_process(*PAYER) as process:
        until(process, "Approval")
        (call,) = waiting(playhead)
        assert (call["tool"], call["arguments"]) == ("pay", {"euros": 40})
        assert f"playhead approve {call['run']} {call['call']}" in playhead("approvals").out
        assert not (folder / "paid").exists()
        assert playhead("approve", "last", str(call["call"])).code == 0
        assert process.wait() == 0
    assert (folder / "paid").read_text() == "40"
    assert playhead("approvals").out == "nothing waits for a person\n"


def test_a_call_is_approved_with_other_arguments(playhead: Playhead, folder: Path) -> None:
    with playhead_process(*PAYER) as process:
        until(process, "Approval")
        (call,) = waiting(playhead)
        changed = ("--arguments", '{"euros": 4}')
        assert playhead("approve", "last", str(call["call"]), *changed).code == 0
        assert process.wait() == 0
    assert (folder / "paid").read_text() == "4"


def test_an_approval_rule_that_raises_is_named_wherever_the_call_is_shown(
    playhead: Playhead,
) -> None:
    raised = "SystemExit: the price list is out of date"
    with playhead_process("run", "settle the bill", "--agent", f"{HERE}:unsure") as process:
        until(process, "Approval")
        (call,) = waiting(playhead)
        assert call["rule_error"] == raised
        assert f"failed: {raised}" in playhead("approvals").out
        assert f"rule: {raised}" in playhead("show", "last").out
        assert playhead("approve", "last", str(call["call"])).code == 0
        assert process.wait() == 0


def test_a_denied_call_never_starts_and_the_reason_is_in_the_log(
    playhead: Playhead, folder: Path
) -> None:
    with playhead_process(*PAYER) as process:
        until(process, "Approval")
        (call,) = waiting(playhead)
        assert playhead("deny", "last", str(call["call"]), "--reason", "too dear").code == 0
        assert process.wait() == 0
    assert not (folder / "paid").exists()
    assert "denied: too dear" in playhead("show", "last").out


def test_an_approval_given_while_nobody_owns_the_log_counts_after_resume(
    playhead: Playhead, folder: Path
) -> None:
    with playhead_process(*PAYER) as process:
        until(process, "Approval")
        process.kill()
        process.wait()
    (call,) = waiting(playhead)
    assert playhead("approve", "last", str(call["call"])).code == 4
    assert playhead("resume", "last").out == "Settled.\n"
    assert (folder / "paid").read_text() == "40"
    assert playhead("replay", "last").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("approve", "last", "3"), "waits for no approval"),
        (("deny", "last", "3"), "waits for no approval"),
        (("approve", "last", "3", "--arguments", "[1]"), "not a JSON object"),
        (("resolve", "last", "3"), "--succeeded or --failed"),
        (("resolve", "last", "3", "--failed"), "no unknown outcome"),
    ],
)
def test_what_no_run_asked_for_is_a_mistake_of_one_line(
    playhead: Playhead, folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    with playhead_process(*PAYER) as process:
        until(process, "Approval")
        said = playhead(*arguments)
        assert said.code == 2
        (line,) = said.err.splitlines()
        assert words in line


def test_a_once_call_that_was_killed_is_unknown_until_a_person_resolves_it(
    playhead: Playhead, folder: Path
) -> None:
    with playhead_process("run", "hang", "--agent", f"{HERE}:hanger") as process:
        until(process, "Action       hang")
        process.kill()
        process.wait()
    assert playhead("resume", "last").code == 0
    shown = json.loads(playhead("show", "last", "--json").out)["entries"]
    assert "Unknown" in [entry["heading"] for entry in shown]
    (call,) = (entry["seq"] for entry in shown if entry["heading"] == "Action")
    said = playhead("resolve", "last", str(call), "--succeeded", "--note", "looked")
    assert said.code == 0
    assert playhead("verify").code == 0


def test_export_trace_sends_a_recorded_run_as_one_tree(playhead: Playhead) -> None:
    playhead("run", "add", "--agent", f"{HERE}:adder")
    with http_collector() as collector:
        said = playhead("export-trace", "last", "--otlp", collector.url)
    assert said.code == 0
    assert [span.name for span in collector.spans if not span.parent] == ["invoke_agent adder"]
    assert f"{len(collector.spans)} spans" in said.out


def test_the_program_log_is_quiet_unless_asked_for(
    playhead: Playhead, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ("run", "add", "--agent", f"{HERE}:adder")
    assert "tool_call.start" not in playhead(*run).err
    monkeypatch.setenv("PLAYHEAD_LOG_LEVEL", "info")
    said = playhead(*run)
    assert "tool_call.start" in said.err
    assert said.out == "It is 21.\n"
    monkeypatch.setenv("PLAYHEAD_LOG_LEVEL", "loud")
    refused = playhead(*run)
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
