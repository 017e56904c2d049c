"""docs/replay.md is followed to the letter: each command runs, each line shown is in its output."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.house.sources import ROOT
from tests.plugin.installed import by_hand

TEXT = (ROOT / "docs" / "replay.md").read_text()
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEST_FILE = re.compile(r"`test_refund.py`:\n\n((?:    .*\n|\n)+)")


def steps() -> list[tuple[str, list[str]]]:
    """Each command, and the lines that are shown of what it prints."""
    found: list[tuple[str, list[str]]] = []
    for block in CONSOLE.finditer(TEXT):
        for line in block[1].splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def test_every_command_of_the_walkthrough_prints_what_it_says(tmp_path: Path) -> None:
    for name in ("refund.py", "refund_mended.py"):
        shutil.copy(ROOT / "docs" / "examples" / name, tmp_path)
    test = TEST_FILE.search(TEXT)
    assert test is not None
    (tmp_path / "test_refund.py").write_text(re.sub(r"^    ", "", test[1], flags=re.MULTILINE))
    commands = steps()
    assert len(commands) >= 9
    for command, shown in commands:
        said = ran(command, tmp_path)
        place = 0
        for line in shown:
            words = " ".join(line.replace("...", " ").split())
            at = said.find(words, place)
            assert at >= 0, f"$ {command}\nnot printed: {words}\nprinted: {said}"
            place = at


def ran(command: str, folder: Path) -> str:
    """What a command printed, spaces folded: columns are as wide as what stands in them."""
    command = re.sub(r"^playhead\b", f"{sys.executable} -m playhead", command)
    command = re.sub(r"^python\b", sys.executable, command)
    done = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_PLUGINS": ",".join(by_hand())},
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    return " ".join(done.stdout.split())
