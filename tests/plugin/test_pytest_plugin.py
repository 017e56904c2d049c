"""A recorded run is a pytest case in one line; real pytest processes in a folder of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from playhead import Agent, Runtime
from playhead.events.errors import UsageError
from playhead.events.log.memory import MemoryLog
from playhead.forking import Instead
from playhead.testing import RecordedRun, ScriptedModel
from tests.plugin.installed import by_hand

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example agents, and a run of each."""
    folder = tmp_path_factory.mktemp("user")
    for name in ("refund.py", "refund_mended.py"):
        shutil.copy(EXAMPLES / name, folder)
    (folder / "runs").mkdir()
    code = """
from playhead import Runtime
from playhead.events.log.memory import MemoryLog
from playhead.testing import RecordedRun
import refund, refund_mended
for name, agent in (("wrong", refund.support), ("right", refund_mended.support)):
    log = MemoryLog()
    with Runtime(log) as runtime:
        run = runtime.run(agent, "Refund order 1043 for Ada").run_id
    RecordedRun(log, run).save(f"runs/{name}.jsonl")
"""
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, env=environment())
    return folder


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def pytest_on(folder: Path, text: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """A pytest run on a file with that text."""
    (folder / "test_it.py").write_text(f"import pytest\nimport refund, refund_mended\n{text}")
    plugin = [option for name in by_hand() for option in ("-p", name)]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, *options],
        cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


def test_a_recorded_run_is_a_case_in_one_line(folder: Path) -> None:
    said = pytest_on(folder, """
@pytest.mark.playhead("runs/right.jsonl")
def test_it(playhead_run):
    playhead_run.assert_called("find_order", key="1043", before="refund", times=1)
    playhead_run.assert_never_called("find_customer")
    playhead_run.assert_steps(at_most=3)
    playhead_run.assert_answer("refunded 59.9")
""")  # fmt: skip
    assert said.returncode == 0, said.stdout
    assert "1 passed" in said.stdout


def test_a_folder_is_a_case_for_each_run(folder: Path) -> None:
    said = pytest_on(folder, """
@pytest.mark.playhead("runs")
def test_it(playhead_run):
    playhead_run.assert_answer("refunded 59.9")
""", "-rA")  # fmt: skip
    assert "1 failed, 1 passed" in said.stdout
    assert "PASSED test_it.py::test_it[right]" in said.stdout
    assert "I found no order of Ada's" in said.stdout


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('assert_called("find_order", before="find_order2")', "before find_order2"),
        ('assert_called("refund", before="find_order")', "before find_order"),
        ('assert_called("refund", times=2)', "expected 2 calls of refund()"),
        ('assert_called("refund", order="7")', 'a call of refund(order="7")'),
        ('assert_never_called("refund")', "expected no call of refund"),
        ("assert_steps(at_most=2)", "at most 2 steps, it took 3"),
        ('assert_answer("sorry")', "with 'sorry', it was: Done"),
    ],
)
def test_an_assert_that_fails_says_what_was_so(folder: Path, line: str, words: str) -> None:
    run = RecordedRun.load(folder / "runs" / "right.jsonl")
    with pytest.raises(AssertionError) as caught:
        eval(f"run.{line}", {"run": run})
    assert words in str(caught.value)


def test_a_case_fails_when_the_code_would_act_differently(folder: Path) -> None:
    (folder / "conftest.py").write_text("""
from playhead.actors.roles.planner import Planner
from playhead.events.kinds.runs import RunFinished, StrategyChosen
before = Planner.decide
def decide(self, state, record):
    return [
        event.model_copy(update={"answer": event.answer.upper()})
        if isinstance(event, RunFinished) else event
        for event in before(self, state, record)
    ]
Planner.decide = decide
""")
    try:
        said = pytest_on(folder, """
@pytest.mark.playhead("runs/right.jsonl")
def test_it(playhead_run):
    pass
""")  # fmt: skip
    finally:
        (folder / "conftest.py").unlink()
    assert said.returncode == 1
    assert "right.jsonl: run" in said.stdout
    assert "answer" in said.stdout
    assert "recorded: RunFinished" in said.stdout
    assert "--playhead-update" in said.stdout


def test_the_update_flag_records_the_goal_again(folder: Path) -> None:
    case = """
@pytest.mark.playhead("again/run.jsonl", agent=refund_mended.support)
def test_it(playhead_run):
    playhead_run.assert_answer("refunded")
"""
    (folder / "again").mkdir()
    shutil.copy(folder / "runs" / "wrong.jsonl", folder / "again" / "run.jsonl")
    assert pytest_on(folder, case).returncode == 1
    assert pytest_on(folder, case, "--playhead-update").returncode == 0
    assert pytest_on(folder, case).returncode == 0


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ('@pytest.mark.playhead("nowhere")\ndef test_it(playhead_run): ...', "no recorded run at"),
        ("@pytest.mark.playhead\ndef test_it(playhead_run): ...", "needs the path"),
        ("def test_it(playhead_run): ...", "needs @pytest.mark.playhead"),
        ('@pytest.mark.playhead("test_it.py")\ndef test_it(playhead_run): ...', "is it an export"),
    ],
)
def test_a_mistake_is_told_plainly(folder: Path, case: str, words: str) -> None:
    said = pytest_on(folder, case)
    assert said.returncode != 0
    assert words in said.stdout


def test_a_fork_in_a_test_is_scripted(folder: Path) -> None:
    said = pytest_on(folder, """
from playhead.forking import Instead
@pytest.mark.playhead("runs/wrong.jsonl")
def test_it(playhead_run):
    mended = Instead(agent=refund_mended.support, allow=["refund"])
    playhead_run.fork(1, mended).assert_answer("refunded 59.9")
""")  # fmt: skip
    assert said.returncode == 0, said.stdout


def test_a_fork_that_would_wait_for_a_person_says_so(folder: Path) -> None:
    run = RecordedRun.load(folder / "runs" / "right.jsonl")
    silent = Agent(
        name="support", model=ScriptedModel([]), tools=[]
    )  # fmt: skip
    with pytest.raises(UsageError, match="refund has effects"):
        run.fork(1, Instead(agent=_live(run, silent), live=["refund"]))


def _live(run: RecordedRun, agent: Agent[str]) -> Agent[str]:
    from dataclasses import replace

    from playhead import tool
    from playhead.testing import call

    def refund(order: str, amount: float) -> str:
        """Refund an order."""
        return f"refunded {amount} for {order}"

    model = ScriptedModel([call("refund", order="1043", amount=1.0)])
    return replace(agent, model=model, tools=[tool(refund)])


def test_a_run_is_saved_and_loaded_as_it_is(tmp_path: Path) -> None:
    log = MemoryLog()
    with Runtime(log) as runtime:
        name = runtime.run(Agent(name="a", model=ScriptedModel(["Hello."])), "greet").run_id
    run = RecordedRun(log, name)
    run.save(tmp_path / "run.jsonl")
    again = RecordedRun.load(tmp_path / "run.jsonl")
    assert [r.hash for r in again.records] == [r.hash for r in run.records]
    assert again.answer == "Hello."
    again.assert_replays()
