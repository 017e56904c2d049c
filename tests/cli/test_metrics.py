"""`metrics` and `export-trace` at the command line."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.agents import HERE
from tests.cli.conftest import Playhead
from tests.cli.processes import ROOT
from tests.telemetry.collector import http_collector


def runs(playhead: Playhead, *agents: str) -> None:
    for agent in agents:
        playhead("run", "goal", "--agent", f"{HERE}:{agent}", "--max-steps", "5")


def test_an_alert_that_fires_is_named_and_is_the_exit_code_of_check(playhead: Playhead) -> None:
    runs(playhead, "adder", "runaway")
    assert playhead("metrics").code == 0
    said = playhead("metrics", "--check")
    assert said.code == 1
    assert "alert: runaway: tasks completed 0 %, below 80 %" in said.out


def test_without_an_alert_check_passes(playhead: Playhead) -> None:
    runs(playhead, "adder")
    assert playhead("metrics", "--check").code == 0


def test_rules_from_a_file_come_before_those_that_come_along(
    playhead: Playhead, folder: Path
) -> None:
    runs(playhead, "adder", "runaway")
    rules = [
        {"indicator": "completion_rate", "agent": "runaway", "at_least": 0},
        {"indicator": "completion_rate", "alert_below": 0.5},
        {"indicator": "p95_seconds", "alert_above": 0},
    ]
    (folder / "rules.json").write_text(json.dumps(rules))
    said = playhead("metrics", "--rules", "rules.json", "--check", "--json")
    fired = {(alert["agent"], alert["name"]) for alert in json.loads(said.out)["alerts"]}
    assert said.code == 1
    assert ("adder", "p95_seconds") in fired
    assert not {(None, "completion_rate"), ("runaway", "completion_rate")} & fired
    scraped = playhead("metrics", "--rules", "rules.json", "--prometheus").out
    assert 'playhead_alert{agent="adder",indicator="p95_seconds"} 1' in scraped


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[{"indicator": "speed"}]',
            "rule 1, indicator: there is no indicator 'speed': choose completion",
        ),
        ('[{"indicator": "retries", "above": 3}]', "rule 1, above: Extra inputs are not permitted"),
        ("{}", "--rules rules.json: Input should be a valid array"),
        ("[", "--rules rules.json: Invalid JSON"),
        (None, "No such file or directory; give a JSON list of rules"),
    ],
)
def test_a_file_of_rules_that_is_none_is_one_line(
    playhead: Playhead, folder: Path, text: str | None, words: str
) -> None:
    if text is not None:
        (folder / "rules.json").write_text(text)
    said = playhead("metrics", "--rules", "rules.json")
    (line,) = said.err.splitlines()
    assert (said.code, said.out) == (2, "")
    assert words in line


def test_watching_in_a_pipe_says_each_look_until_ctrl_c(playhead: Playhead, folder: Path) -> None:
    runs(playhead, "adder")
    watching = subprocess.Popen(
        [sys.executable, "-m", "playhead", "metrics", "--watch"], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert watching.stdout is not None
    looks = 0
    for line in watching.stdout:
        looks += line.startswith("all runs")
        if looks == 2:
            break
    watching.send_signal(signal.SIGINT)
    assert (watching.wait(20), watching.communicate()[1]) == (130, "")


def test_an_empty_window_says_so_and_is_no_alert(playhead: Playhead) -> None:
    runs(playhead, "runaway")
    said = playhead("metrics", "--since", "2999-01-01", "--check")
    assert (said.code, "no runs in this time" in said.out) == (0, True)


def test_json_holds_figures_agents_tools_models_and_alerts(playhead: Playhead) -> None:
    runs(playhead, "adder", "runaway")
    document = json.loads(playhead("metrics", "--json").out)
    assert document["tools"]["add"]["attempts"] == 6
    assert document["agents"]["adder"][0]["value"] == 1
    fired = [(alert["agent"], alert["name"]) for alert in document["alerts"]]
    assert ("runaway", "completion_rate") in fired


@pytest.mark.parametrize("by", ["agent", "tool", "model"])
def test_figures_come_by_agent_tool_and_model(playhead: Playhead, by: str) -> None:
    runs(playhead, "adder")
    name = {"agent": "adder", "tool": "add", "model": "custom"}[by]
    lines = playhead("metrics", "--by", by).out.splitlines()
    assert name in " ".join(lines)
    assert max(map(len, lines)) <= 80


def test_prometheus_gets_every_run(playhead: Playhead) -> None:
    runs(playhead, "adder", "adder", "runaway")
    lines = playhead("metrics", "--prometheus").out.splitlines()
    assert 'playhead_runs{agent="adder",status="finished"} 2' in lines
    assert 'playhead_alert{agent="runaway",indicator="completion_rate"} 1' in lines


def test_watch_goes_with_nothing_for_machines(playhead: Playhead) -> None:
    said = playhead("metrics", "--watch", "--json")
    assert (said.code, len(said.err.splitlines())) == (2, 1)


def test_export_trace_of_a_time_sends_what_the_runs_had_sent_themselves(
    playhead: Playhead, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_collector() as live, http_collector() as later:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", live.url)
        runs(playhead, "adder", "runaway")
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
        said = playhead("export-trace", "--since", "1h", "--otlp", later.url, "--json")
    assert live.tree() == later.tree() != frozenset()
    document = json.loads(said.out)
    assert (document["taken"], document["lost"]) == (len(later.spans), 0)
    assert {int(run["trace"], 16) for run in document["runs"]} == {s.trace for s in later.spans}


def test_export_trace_of_a_fork_names_the_trace_that_it_sends(playhead: Playhead) -> None:
    runs(playhead, "adder")
    forked = playhead("fork", "last", "--at", "3", "--agent", f"{HERE}:adder")
    assert forked.code == 0, forked.err
    with http_collector() as later:
        said = playhead("export-trace", "last", "--otlp", later.url, "--json")
    (told,) = json.loads(said.out)["runs"]
    assert {int(told["trace"], 16)} == {span.trace for span in later.spans}


def test_spans_that_nobody_took_are_counted_and_the_exit_code_says_no(
    playhead: Playhead, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(playhead, "adder")
    with http_collector() as gone:
        pass
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    said = playhead("export-trace", "last", "--otlp", gone.url)
    assert said.code == 1
    assert "did not take" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give a run, or --since"),
        (["last", "--since", "1h"], "give a run, or --since"),
        (["last"], "nowhere to send to: give --otlp URL"),
        (["last", "--otlp", "localhost"], "--otlp localhost: write a URL"),
    ],
)
def test_a_wrong_export_is_one_line(
    playhead: Playhead, folder: Path, arguments: list[str], words: str
) -> None:
    runs(playhead, "adder")
    said = playhead("export-trace", *arguments)
    assert (said.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert words in line
