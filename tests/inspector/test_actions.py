"""What a person does on a page: done here, left for the log's owner, or refused with the reason."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from playhead import Runtime
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.inspector.control import InProcess, OverInbox
from playhead.inspector.log_data import Library
from playhead.inspector.pages import Pages
from playhead.testing import call
from tests.inspector.runs import agent


@pytest.fixture
def ended(tmp_path: Path) -> tuple[Path, str]:
    """A log that no process has any more, and a run in it."""
    path = tmp_path / "log.db"
    someone = agent([call("add", a=1, b=2), "It is 3."])
    with Runtime(path, [someone]) as runtime:
        return path, runtime.run(someone, "What is 1 + 2?").run_id


@pytest.fixture
def client(ended: tuple[Path, str]) -> Iterator[TestClient]:
    with closing(SqliteReader(ended[0])) as reader, closing(Library(reader)) as library:
        yield TestClient(Pages(library, OverInbox(ended[0])).app(), follow_redirects=False)


def test_a_run_is_forked_on_the_page_while_nobody_has_the_log(
    client: TestClient, ended: tuple[Path, str]
) -> None:
    run = ended[1]
    made = client.post(f"/runs/{run}/fork", data={"message": "And doubled?", "max_steps": "7"})
    assert made.status_code == 303
    page = client.get(made.headers["location"]).text
    assert f'forked from <a href="/runs/{run}"' in page
    records = client.get(f"{made.headers['location']}/records").text
    assert "And doubled?" in records
    assert "Nobody runs it" in page


def test_a_fork_while_another_process_has_the_log_is_refused_with_its_owner(
    client: TestClient, ended: tuple[Path, str]
) -> None:
    path, run = ended
    with SqliteLog(path):
        refused = client.post(f"/runs/{run}/fork", data={})
    assert refused.status_code == 409
    assert "owns the log" in refused.text


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"at": "soon"}, "at: &#39;soon&#39; is not a number above 0"),
        ({"max_steps": "0"}, "max steps"),
        ({"at": "999"}, "999"),
        ({"result": "5"}, "needs both"),
        ({"call": "6"}, "needs both"),
    ],
)
def test_a_change_that_cannot_be_is_refused_with_its_reason(
    client: TestClient, ended: tuple[Path, str], form: dict[str, str], words: str
) -> None:
    answer = client.post(f"/runs/{ended[1]}/fork", data=form)
    assert answer.status_code == 409
    assert words in answer.text


def test_a_changed_result_is_what_the_fork_was_given(
    client: TestClient, ended: tuple[Path, str]
) -> None:
    path, run = ended
    with closing(SqliteReader(path)) as reader:
        asked = next(row.seq for row in reader.read(run) if row.kind == "tool_requested")
    form = {"call": str(asked), "result": "4"}
    made = client.post(f"/runs/{run}/fork", data=form).headers["location"]
    assert f"--tool-result {asked}=RESULT" in client.get(f"/runs/{run}/fork?call={asked}").text
    forked = client.get(f"{made}/records").text
    assert f"&#34;call&#34;: {asked}" in forked
    assert "&#34;result&#34;: 4" in forked


def test_a_run_that_is_paused_is_resumed_on_the_page() -> None:
    log, someone = MemoryLog(), agent([call("pay", euros=5), "Paid."])
    with Runtime(log, [someone]) as runtime, closing(Library(log)) as library:
        client = TestClient(
            Pages(library, InProcess(runtime.runs, runtime.fork)).app(), follow_redirects=False
        )
        run = runtime.start(someone, "Pay 5 EUR.")
        next(r for r in run.events() if r.event.kind == "approval_requested")
        run.pause()
        next(r for r in run.events() if r.event.kind == "run_paused")
        assert "Yes, resume" in client.get(f"/runs/{run.id}").text
        assert client.post(f"/runs/{run.id}/resume").status_code == 303
        next(r for r in run.events() if r.event.kind == "run_resumed")
        assert "Yes, resume" not in client.get(f"/runs/{run.id}").text
        run.cancel()


def test_an_export_of_the_page_is_that_of_the_command(
    client: TestClient, ended: tuple[Path, str]
) -> None:
    from playhead.events.maintenance.export import export

    with closing(SqliteReader(ended[0])) as reader:
        lines = b"".join(export(reader, ended[1]))
    answer = client.get(f"/runs/{ended[1]}/export")
    assert answer.content == lines
    assert f'filename="{ended[1]}.jsonl"' in answer.headers["content-disposition"]


def test_a_page_that_only_reads_offers_no_action(ended: tuple[Path, str]) -> None:
    path, run = ended
    with closing(SqliteReader(path)) as reader, closing(Library(reader)) as library:
        client = TestClient(Pages(library).app())
        for page in ("", "/fork"):
            assert '<form method="post"' not in client.get(f"/runs/{run}{page}").text
        assert client.post(f"/runs/{run}/fork", data={}).status_code == 403
