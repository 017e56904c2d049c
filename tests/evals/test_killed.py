"""An evaluation is killed at random and goes on; its report is that of one that was not."""

import random
import subprocess
import sys
from pathlib import Path

from playhead.evals import Report, evaluate
from playhead.evals.evaluation_log import evaluation_report
from playhead.evals.judged_again import cases_tried
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.log import SqliteLog
from playhead.runtime import Runtime
from tests.evals.sums import by_heart, by_tool, dataset, sums, told

KILLS = 20


def killed_after(log: Path, trials: int) -> bool:
    """Go on with the evaluation in a process that is killed then; whether it had ended before."""
    command = [sys.executable, "-m", "tests.evals.sums", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(trials):
            if not child.stdout.readline():
                return child.wait() == 0
        child.kill()
    return False


def whole() -> Report:
    """The same evaluation without a kill."""
    with Runtime(MemoryLog()) as runtime:
        return evaluate(
            runtime, dataset(12), {"tool": sums(by_tool), "heart": sums(by_heart)}, repeats=3,
            concurrency=4, evaluation="killed",
        )  # fmt: skip


def test_an_evaluation_that_is_killed_twenty_times_gives_the_report_of_one_that_is_not(
    tmp_path: Path,
) -> None:
    log, dice = tmp_path / "evals.db", random.Random(1)
    for _ in range(KILLS):
        assert not killed_after(log, dice.randint(1, 3))
    assert killed_after(log, 1000)
    reader = SqliteLog(log)
    try:
        assert told(evaluation_report(reader, "killed")) == told(whole())
        tried = [(t.variant, t.case, t.trial) for t in cases_tried(reader, "killed")]
        assert len(tried) == len(set(tried)) == 12 * 3 * 2
        runs = [stream.id for stream in reader.streams() if stream.kind == "run"]
        assert len(runs) == 12 * 3 * 2  # nothing was started twice
    finally:
        reader.close()
