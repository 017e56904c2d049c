"""`playhead eval` and what is shown of evaluations."""

import json
import signal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.cli.conftest import Playhead
from tests.cli.processes import playhead_process
from tests.house.sources import ROOT
from tests.support.waiting import until

AGENTS = """
from tests.evals.sums import by_heart, by_tool, sums

tool = sums(by_tool)
heart = sums(by_heart)
"""
CASES = [
    {"evaluators": ["numeric", {"called": {"tool": "add", "at_most": 1}}]},
    *(
        {"goal": "What is {a} plus 2 ?", "inputs": {"a": n}, "expected": n + 2, "id": f"sum-{n}"}
        for n in range(1, 9)
    ),
]


@pytest.fixture
def dataset(folder: Path) -> str:
    """A JSONL file; the agents lie beside it."""
    (folder / "adders.py").write_text(AGENTS)
    (folder / "sums.jsonl").write_text("\n".join(map(json.dumps, CASES)))
    return "sums.jsonl"


def test_a_dataset_is_tried_reported_and_listed(playhead: Playhead, dataset: str) -> None:
    done = playhead("eval", dataset, "--agent", "adders.py:tool", "--k", "2", "--id", "first")
    assert done.code == 0
    for word in ("evaluation  first (finished)", "8 cases x 2", "pass@1", "100.0%", "pass^2"):
        assert word in done.out
    assert done.err.count("passed") == 16
    assert max(map(len, done.out.splitlines())) <= 80
    shown = playhead("show", "first")
    assert (shown.code, shown.out) == (0, done.out)
    assert "first" in playhead("evals").out
    (row,) = json.loads(playhead("evals", "--json").out)
    assert row["variants"][0]["pass_1"]["value"] == 1.0


def test_the_exit_code_says_whether_it_passes_often_enough(
    playhead: Playhead, dataset: str, folder: Path
) -> None:
    arguments = ("eval", dataset, "--agent", "adders.py:heart", "--junit-xml", "out.xml")
    done = playhead(*arguments, "--min-pass", "0.9", "--json")
    assert done.code == 1
    report = json.loads(done.out)
    assert report["variants"][0]["pass_1"]["value"] == 0.625
    suite = ET.parse(folder / "out.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("8", "3")
    assert playhead(*arguments, "--min-pass", "0.5").code == 0


def test_two_agents_are_compared_and_the_cases_that_changed_are_named(
    playhead: Playhead, dataset: str
) -> None:
    done = playhead(
        "eval", dataset, "--agent", "adders.py:tool", "--against", "adders.py:heart", "--k", "3",
        "--concurrency", "2", "--id", "both",
    )  # fmt: skip
    assert "no difference between sums and adders.py:heart can be told" in done.out
    assert "sum-3 (100% -> 0%)" in " ".join(done.out.split())
    assert done.code == 0


def test_an_evaluation_is_replayed_and_a_verdict_leads_to_its_run(
    playhead: Playhead, dataset: str
) -> None:
    playhead("eval", dataset, "--agent", "adders.py:heart", "--id", "mine")
    again = playhead("replay", "mine")
    assert again.code == 0
    assert "16 scores of 8 trials judged again as recorded" in again.out
    led = playhead("causes", "mine", "2", "--json")
    (run,) = json.loads(led.out)["runs"]
    assert playhead("causes", run["run"], str(run["record"])).code == 0
    assert "there is no record 99" in playhead("causes", "mine", "99").err


def test_failures_are_written_as_tests(playhead: Playhead, dataset: str, folder: Path) -> None:
    playhead("eval", dataset, "--agent", "adders.py:heart", "--id", "mine")
    done = playhead("eval-tests", "mine", "--into", "made", "--agent", "adders:tool")
    assert done.code == 0
    assert (folder / "made" / "test_mine.py").exists()
    assert len(list((folder / "made").glob("*.jsonl"))) == 3


def test_recorded_runs_are_judged_by_a_query(playhead: Playhead, dataset: str) -> None:
    playhead("eval", dataset, "--agent", "adders.py:heart")
    done = playhead(
        "eval", "--from-runs", "agent=sums status=finished limit=5", "--json",
        "--evaluator", "contains=It is",
    )  # fmt: skip
    assert json.loads(done.out)["variants"][0]["trials"] == 5
    assert done.code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("eval", "none.jsonl", "--agent", "adders.py:tool"), "No such file"),
        (("eval",), "give a DATASET, or --from-runs"),
        (("eval", "sums.jsonl", "--agent", "adders.py:tool", "--set", "temperature=1"), "model="),
        (("eval", "sums.jsonl", "--against", "adders.py:tool"), "give it"),
        (("eval", "sums.jsonl", "--agent", "adders.py:tool", "--evaluator", "exakt"), "exact?"),
        (("eval", "--from-runs", "color=red"), "write agent="),
        (("eval-tests", "nothing", "--into", "x"), "there is no evaluation"),
        (
            ("eval", "sums.jsonl", "--agent", "adders.py:tool", "--approvals", "yes"),
            "stop, approve",
        ),
        (("show", "nothing"), "there is no run"),
        (("eval", "sums.jsonl", "--agent", "adders.py:tool", "--max-cost", "-1"), "positive"),
        (("eval", "sums.jsonl", "--agent", "adders.py:tool", "--min-pass", "90"), "0 to 1"),
        (("eval", "sums.jsonl"), "give an agent"),
    ],
)
def test_a_mistake_is_one_clear_line(
    playhead: Playhead, dataset: str, arguments: tuple[str, ...], told: str
) -> None:
    playhead("eval", dataset, "--agent", "adders.py:heart")
    done = playhead(*arguments)
    assert done.code == 2
    assert told in done.err
    assert len(done.err.splitlines()) == 1


def test_a_mistake_in_a_dataset_names_the_line(playhead: Playhead, folder: Path) -> None:
    (folder / "adders.py").write_text(AGENTS)
    for text, told in (
        ('{"goal": "a"}\n{"gaol": "b"}', "case 2: 'gaol' is not known: goal?"),
        ('{"goal": "a"}\n{"goal', "line 2"),
        ('{"goal": "a {b}", "inputs": {"c": 1}}', "names {b}"),
        ('{"goal": "a", "id": "x"}\n{"goal": "b", "id": "x"}', "two cases have the id 'x'"),
        ("", "it has no cases"),
    ):
        (folder / "bad.jsonl").write_text(text)
        done = playhead("eval", "bad.jsonl", "--agent", "adders.py:tool")
        assert done.code == 2
        assert told in done.err


def test_the_evaluation_of_the_docs_gives_the_figures_that_the_page_tells(
    playhead: Playhead,
) -> None:
    examples = ROOT / "docs" / "examples"
    brief, *others = (
        f"{examples / 'crm_evals.py'}:{name}" for name in ("brief", "careful", "planned", "cheaper")
    )
    against = [word for other in others for word in ("--against", other)]
    cases = str(examples / "crm_cases.jsonl")
    done = playhead("eval", cases, "--agent", brief, *against, "--json")
    report = json.loads(done.out)
    assert report["cases"] == 30
    rates = [variant["pass_1"]["value"] for variant in report["variants"]]
    assert [f"{rate:.1%}" for rate in rates] == ["60.0%", "100.0%", "93.3%", "90.0%"]
    costs = [f"{variant['cost']['value']:.4f}" for variant in report["variants"]]
    page = (ROOT / "docs" / "evals.md").read_text()
    assert [cost for cost in costs if f"${cost}" not in page] == []
    assert [each["significant"] for each in report["comparisons"]] == [True, True, True]


def test_ctrl_c_leaves_at_once_and_says_how_to_go_on(
    playhead: Playhead, dataset: str, folder: Path
) -> None:
    slow = "import asyncio\n\nasync def hang(body):\n    await asyncio.sleep(3600)\n"
    (folder / "adders.py").write_text(f"{AGENTS}\n{slow}\nslow = sums(hang)\n")
    command = ("eval", dataset, "--concurrency", "3", "--agent")
    with playhead_process(*command, "adders.py:slow") as process:
        found = folder / "playhead.db"
        until(lambda: found.exists() and len(json.loads(playhead("runs", "--json").out)) == 3)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr is not None
        told = process.stderr.read()
    assert len(told.splitlines()) == 1
    (evaluation,) = json.loads(playhead("evals", "--json").out)
    assert f"--id {evaluation['evaluation']}" in told
    assert "no trial (open)" in playhead("evals").out
    done = playhead(*command, "adders.py:tool", "--id", evaluation["evaluation"])
    assert (done.code, done.err.count("passed")) == (0, 8)
