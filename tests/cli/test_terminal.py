"""What a person at a terminal sees: progress in place, colour; and none of it in a pipe."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.agents import HERE
from tests.cli.conftest import Playhead
from tests.cli.processes import ROOT

pty = pytest.importorskip("pty", reason="a system with terminals (POSIX)")

RUN = ("run", "add", "--agent", f"{HERE}:adder")


def at_a_terminal(*arguments: str, command: Sequence[str] = ("-m", "playhead")) -> str:
    """All that a command writes to its terminal."""
    terminal, its_side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *command, *arguments],
        stdin=its_side,
        stdout=its_side,
        stderr=its_side,
        env={**os.environ, "TERM": "xterm", "NO_COLOR": "", "PYTHONPATH": str(ROOT)},
    )
    os.close(its_side)
    said = b""
    while piece := _read(terminal):
        said += piece
    process.wait()
    os.close(terminal)
    return said.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux says that the other side is closed
        return b""


def test_at_a_terminal_progress_is_shown_in_place_and_in_colour(folder: Path) -> None:
    said = at_a_terminal(*RUN)
    assert "asking custom" in said
    assert "\x1b[2K" in said
    assert "\x1b[1;32mIt is 21." in said


def test_in_a_pipe_there_is_neither(playhead: Playhead) -> None:
    said = playhead(*RUN)
    assert "\x1b" not in said.out + said.err
    assert "asking" not in said.err
