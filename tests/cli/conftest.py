"""The command line as a test uses it: `playhead("show", "last")`, in a folder of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest

from playhead.assembly.models import KEYS
from playhead.cli.app import main


class Said(NamedTuple):
    code: int
    out: str
    err: str


Playhead: TypeAlias = Callable[..., Said]

UNSET = (*KEYS, "ANTHROPIC_BASE_URL", "PLAYHEAD_LOG", "COLUMNS")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no setting from outside."""
    monkeypatch.chdir(tmp_path)
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def playhead(folder: Path, capsys: pytest.CaptureFixture[str]) -> Playhead:
    """One command in this process: its exit code, and what it wrote."""

    def run(*arguments: str) -> Said:
        code = main(arguments)
        out, err = capsys.readouterr()
        return Said(code, str(out), str(err))

    return run
