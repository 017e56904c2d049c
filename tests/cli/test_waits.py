"""What open runs wait for, at the command line and in the inspector."""

import json
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from playhead import Agent, ModelError, Retry, Runtime
from playhead.events.log.owner_lock import OwnerLock
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.inspector.log_data import Library
from playhead.inspector.pages import Pages
from playhead.testing import ScriptedModel
from tests.cli.conftest import Playhead

AGENT_FILE = """
from playhead import Agent
from playhead.testing import ScriptedModel

agent = Agent(name="patient", model=ScriptedModel(["Up again."]))
"""


def down(_: dict[str, Any]) -> Any:
    return ModelError("overloaded", "the model is busy", status=529, retryable=True)


def waits_for_its_model(folder: Path) -> str:
    """A run in `playhead.db` whose model is down; nobody has the log."""
    agent = Agent(name="patient", model=ScriptedModel(down), retry=Retry(attempts=1))
    with Runtime(folder / "playhead.db", [agent]) as runtime:
        run = runtime.start(agent, "wait for it")
        next(r for r in run.events() if r.event.kind == "outage_wait_started")
    return run.id


def test_a_run_that_waits_for_its_model_is_listed_explained_and_resumed(
    playhead: Playhead, folder: Path
) -> None:
    run = waits_for_its_model(folder)
    (found,) = json.loads(playhead("waits", "--json").out)
    assert (found["run"], found["about"], found["error"]) == (run, "model", "overloaded")
    assert found["until"] > found["since"]
    for command in (("waits",), ("why", run), ("show", run)):
        said = " ".join(playhead(*command).out.split())
        assert "waits for the model since" in said
        assert "tries again at" in said
        assert "the model is busy" in said
    assert f"playhead resume {run}" in playhead("why", run).out
    (folder / "mine.py").write_text(AGENT_FILE)
    done = playhead("resume", run, "--agent", f"{folder / 'mine.py'}:agent")
    assert (done.code, done.out) == (0, "Up again.\n")
    assert playhead("waits").out == "no run waits for anything\n"


def test_a_run_that_nobody_has_is_open_and_where_that_cannot_be_told_it_is_running(
    playhead: Playhead, folder: Path
) -> None:
    waits_for_its_model(folder)
    for command in ("runs", "show"):
        args = ("last",) if command == "show" else ()
        assert "open" in playhead(command, *args).out
    (folder / "playhead.db.owner").unlink()
    (folder / "playhead.db.owner").mkdir()  # as a file without permission would, for root too
    (row,) = json.loads(playhead("runs", "--json").out)
    assert row["status"] == "running"


def test_the_inspector_says_in_its_lists_and_on_the_runs_page_what_is_waited_for(
    folder: Path,
) -> None:
    run = waits_for_its_model(folder)
    reader = SqliteReader(folder / "playhead.db")
    library = Library(reader)
    client = TestClient(Pages(library).app())
    try:
        for page in ("/", "/waiting", f"/runs/{run}"):
            assert "waits for the model since" in client.get(page).text, page
            assert page == "/waiting" or 'status open">open<' in client.get(page).text, page
        lock = OwnerLock(folder / "playhead.db")  # as a Runtime has it
        for page in ("/", f"/runs/{run}"):
            assert 'waits-for-the-model">waits for the model<' in client.get(page).text, page
        lock.release()
    finally:
        library.close()
        reader.close()
