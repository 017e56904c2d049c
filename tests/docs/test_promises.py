"""Every promise of the README names a test, and that test is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`", (ROOT / "README.md").read_text())


def test_every_promise_names_a_test() -> None:
    promises = (ROOT / "README.md").read_text().partition("## What we promise")[2]
    numbered = re.findall(r"^\d\. .*(?:\n   .*)*", promises.partition("\n## ")[0], re.MULTILINE)
    assert len(numbered) == 9
    assert all("`tests/" in promise for promise in numbered)


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_named_test_is_there(file: str, test: str) -> None:
    source = (ROOT / file).read_text()
    assert not test or f"def {test}(" in source
