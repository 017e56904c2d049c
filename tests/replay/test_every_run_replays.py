"""What the tests, the examples and the command line produce replays, elsewhere, without a world."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.house.sources import ROOT

PRODUCERS = (
    "tests/actors/test_react.py", "tests/actors/test_guards.py", "tests/cli/test_run.py",
    "tests/docs/test_code_blocks.py::test_the_embedding_example_ends_with_a_typed_answer",
)  # fmt: skip
"""A share; `make replay-all` takes every test."""


def python(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_every_run_that_the_tests_and_examples_produce_replays_in_another_process(
    tmp_path: Path,
) -> None:
    kept = str(tmp_path / "kept")
    keep = ("-p", "tests.replay.keep", "--keep-runs", kept, "-p", "no:cacheprovider")
    made = python("-m", "pytest", "-q", *keep, *PRODUCERS)
    assert made.returncode == 0, made.stdout
    said = python("-m", "tests.replay.again", kept)
    found = json.loads(said.stdout)
    assert found["diverged"] == {}
    assert found["runs"] > 50
    assert said.returncode == 0


def test_where_replay_runs_a_socket_is_an_error() -> None:
    code = (
        "from tests.replay.again import forbid_the_world as f; f(); import socket; socket.socket()"
    )
    said = python("-c", code)
    assert "PermissionError: socket" in said.stderr
