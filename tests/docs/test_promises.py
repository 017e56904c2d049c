"""What the documents name is there: the tests of the README's promises, and files."""

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


PLACES = re.compile(r"`((?:actors|events|projections|tools|playhead|tests|docs)/[\w./]*)`")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
WHERE = ARCHITECTURE.partition("## Where is ...?")[2].partition("\n## ")[0]
ROWS = [row for row in WHERE.splitlines() if row.startswith("| ")][2:]


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_file_and_folder_that_a_document_names_is_there(document: str) -> None:
    named = PLACES.findall((ROOT / document).read_text())
    assert [place for place in named if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("row", ROWS)
def test_the_functions_that_a_row_of_where_is_names_are_in_its_files(row: str) -> None:
    sources = "".join((ROOT / place).read_text() for place in PLACES.findall(row))
    names = re.findall(r"`(?:\w+\.)?(\w+)`", row)
    assert sources
    assert [name for name in names if f"def {name}(" not in sources] == []
