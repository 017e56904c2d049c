"""A pytest plugin that keeps every run of every test: `-p tests.replay.keep --keep-runs DIR`.

After each test, the logs in memory that are still alive and the log files in the test's folder are
exported, run by run. What is no run (rows that a test made by hand) is left out.
"""

import gc
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from playhead.events.errors import PlayheadError
from playhead.events.log.contract import Reader
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.maintenance.export import export
from playhead.events.maintenance.verify import verify

LEFT_OUT = (
    "test_run_metrics.py", "test_views.py", "test_memory_is_shown_with",  # rows made by hand
    "test_a_divergence_is_shown", "test_a_lost_end_stops_writing", "test_check_compat_names",
    "test_an_edited_payload", "test_a_redacted_run_says_so",  # runs that were changed on purpose
)  # fmt: skip
"""Tests whose runs were never decided by anybody."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --keep-runs."""
    parser.addoption("--keep-runs", metavar="DIR", help="export every run of every test to DIR")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Keep what the test made, once it has passed."""
    yield
    folder = item.config.getoption("--keep-runs")
    if folder and not any(name in item.nodeid for name in LEFT_OUT):
        for log in _logs(item):
            _keep(log, Path(folder), item.nodeid)


def _logs(item: pytest.Item) -> Iterator[Reader]:
    yield from [found for found in gc.get_objects() if type(found) is MemoryLog]
    tmp_path = getattr(item, "funcargs", {}).get("tmp_path")
    for path in sorted(Path(tmp_path).rglob("*.db")) if tmp_path else ():
        with suppress(PlayheadError), closing(SqliteReader(path)) as reader:
            if all(problem.fault == "no_anchor" for problem in verify(reader, None).problems):
                yield reader


def _keep(log: Reader, folder: Path, test: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = "".join(c if c.isalnum() else "_" for c in test)[-100:]
    for stream in list(log.streams()):
        known = f"{stream.id}-{stream.head.hash.hex()[:12]}"
        first = next(log.read(stream.id, 0, 1), None)
        if stream.kind != "run" or first is None or first.kind != "run_started":
            continue
        if any(folder.glob(f"{known}-*")):
            continue  # a log that outlives its test was seen before
        with suppress(PlayheadError):
            lines = b"".join(export(log, stream.id))
            (folder / f"{known}-{name}.jsonl").write_bytes(lines)
