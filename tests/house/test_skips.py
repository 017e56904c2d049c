"""In CI a skipped test fails, except for one named skip; elsewhere it stays a skip."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.sources import ROOT

IN_THE_TEST = "import pytest\ndef test_x(): pytest.skip({reason!r})\n"
BY_A_MARK = "import pytest\n@pytest.mark.skipif(True, reason={reason!r})\ndef test_x(): ...\n"
AT_IMPORT = "import pytest\npytest.skip({reason!r}, allow_module_level=True)\n"
AN_XFAIL = "import pytest\n@pytest.mark.xfail(reason={reason!r})\ndef test_x(): assert 0\n"


def closing_line(folder: Path, source: str, reason: str, ci: str) -> str:
    """The last line of a pytest run, with our conftest, on one file with that source."""
    (folder / "test_one.py").write_text(source.format(reason=reason))
    command = (sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider")
    variables = os.environ | {"CI": ci, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        (*command, "-c", os.devnull, "--rootdir", str(folder), str(folder)),
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("source", "outcome"),
    [(IN_THE_TEST, "1 failed"), (BY_A_MARK, "1 error"), (AT_IMPORT, "1 error")],
    ids=["in the test", "by a mark", "at import"],
)
def test_a_skip_in_ci_fails(tmp_path: Path, source: str, outcome: str) -> None:
    assert outcome in closing_line(tmp_path, source, "no tmux: apt install tmux", ci="true")


def test_the_named_skip_passes_in_ci(tmp_path: Path) -> None:
    line = closing_line(tmp_path, IN_THE_TEST, "Jaeger is not built: make jaeger", ci="true")
    assert "1 skipped" in line


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    assert "1 xfailed" in closing_line(tmp_path, AN_XFAIL, "known", ci="true")


@pytest.mark.parametrize(
    "source", [IN_THE_TEST, BY_A_MARK, AT_IMPORT], ids=["in the test", "by a mark", "at import"]
)
def test_a_skip_outside_ci_is_a_skip(tmp_path: Path, source: str) -> None:
    assert "1 skipped" in closing_line(tmp_path, source, "no tmux: apt install tmux", ci="")
