"""Evaluations in the browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from playhead import Runtime
from playhead.evals import Judge, evaluate
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.inspector.log_data import Library
from playhead.inspector.pages import Pages
from playhead.testing import ScriptedModel
from tests.evals.sums import by_heart, by_tool, dataset, sums


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """Pages over a log with one evaluation of two variants."""
    judge = Judge("Fine?", model=ScriptedModel(lambda _: "FAIL: <b>rude</b>"))
    with Runtime(tmp_path / "log.db", durability="normal") as runtime:
        variants = {"tool": sums(by_tool), "heart": sums(by_heart)}
        evaluate(runtime, dataset(12), variants, repeats=2, evaluation="first")
        evaluate(runtime, dataset(2), sums(by_tool), evaluators=[judge], evaluation="judged")
    reader = SqliteReader(tmp_path / "log.db")
    yield TestClient(Pages(Library(reader)).app())
    reader.close()


def test_evaluations_are_listed_newest_first_and_lead_to_their_reports(client: TestClient) -> None:
    page = client.get("/evaluations").text
    assert page.index("/evaluations/judged") < page.index("/evaluations/first")
    assert '<a href="/evaluations"' in client.get("/").text


def test_a_report_says_what_was_found_what_changed_and_which_runs_to_look_at(
    client: TestClient,
) -> None:
    page = client.get("/evaluations/first").text
    assert "tool against heart" in page
    assert "pass^2" in page
    assert "expected 3, it was 7" in page
    start = page.index('href="/runs/key-') + len('href="')
    assert client.get(page[start : page.index('"', start)]).status_code == 200


def test_a_judges_words_are_text_and_lead_to_its_run(client: TestClient) -> None:
    page = client.get("/evaluations/judged").text
    assert "<b>rude</b>" not in page
    assert "the judge&#39;s run" in page or "the judge's run" in page


def test_an_evaluation_that_is_not_there_is_said_in_words(client: TestClient) -> None:
    found = client.get("/evaluations/none")
    assert found.status_code == 404
    assert "there is no evaluation" in found.text


def test_a_log_without_evaluations_has_no_such_page_in_its_head(tmp_path: Path) -> None:
    with Runtime(tmp_path / "log.db"):
        pass
    reader = SqliteReader(tmp_path / "log.db")
    client = TestClient(Pages(Library(reader)).app())
    assert "/evaluations" not in client.get("/").text
    assert "No evaluations yet" in client.get("/evaluations").text
    reader.close()
