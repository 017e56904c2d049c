"""The example service: two users, sessions, approvals, statuses, and its page in Chromium."""

import asyncio
import inspect
import json
import shutil
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient
from playwright.sync_api import Page, expect, sync_playwright

import playhead
from docs.examples.fastapi_app import make_app, refund, status_of
from playhead import Agent, PlayheadError, Run, SessionBusy
from playhead.testing import ScriptedModel, call

CHROMIUM = shutil.which("chromium")


def desk(gate: threading.Event | None = None) -> Agent[Any]:
    """Refunds what the goal says; `gate` holds the first reply of every run back."""

    async def reply(body: Any) -> Any:
        if gate is not None:
            await asyncio.to_thread(gate.wait, 30)
        told = str(body["messages"][-1])
        if "tool_result" in told:
            return "It could not be paid back." if "denied" in told else ["It is ", "paid back."]
        return ["Let me see. ", call("refund", order="1043", euros=20.0)]

    return Agent(name="desk", model=ScriptedModel(reply), tools=[refund])


@contextmanager
def service(tmp_path: Path, gate: threading.Event | None = None) -> Generator[TestClient]:
    with TestClient(make_app(desk(gate), str(tmp_path / "desk.db"))) as client:
        yield client


def say(client: TestClient, user: str, session: str = "s") -> Any:
    cookies = {"Cookie": f"user={user}"}
    path = f"/sessions/{session}/messages"
    return client.post(path, json={"text": "Refund order 1043."}, headers=cookies)


def post(client: TestClient, user: str, path: str, body: Any = None) -> Any:
    return client.post(path, json=body, headers={"Cookie": f"user={user}"})


def events(text: str) -> list[tuple[str, Any]]:
    found = [dict(line.split(": ", 1) for line in e.split("\n")) for e in text.split("\n\n") if e]
    return [(each["event"], json.loads(each["data"])) for each in found]


def until_waiting(client: TestClient, user: str, run: str) -> int:
    """The call that waits for the user."""
    app: Any = client.app
    control: Run[Any] = app.state.runtime.attach(run)
    for update in control.updates():
        if isinstance(update, playhead.ApprovalUpdate):
            return update.call
    raise AssertionError


def test_two_users_at_once_have_runs_sessions_and_approvals_of_their_own(tmp_path: Path) -> None:
    with service(tmp_path) as client:
        runs = {user: say(client, user).json()["run"] for user in ("ann", "bob")}
        calls = {user: until_waiting(client, user, run) for user, run in runs.items()}
        theirs = f"/runs/{runs['bob']}/approvals/{calls['bob']}"
        taken = post(client, "ann", theirs, {"approved": True})
        assert taken.status_code == 404
        answers = dict[str, str]()
        for user, approved in (("ann", True), ("bob", False)):
            path = f"/runs/{runs[user]}/approvals/{calls[user]}"
            assert post(client, user, path, {"approved": approved}).status_code == 202
            said = client.get(f"/runs/{runs[user]}/updates", headers={"Cookie": f"user={user}"})
            assert said.headers["content-type"].startswith("text/event-stream")
            answers[user] = events(said.text)[-1][1]["answer"]
    assert answers == {"ann": "It is paid back.", "bob": "It could not be paid back."}


def test_a_busy_session_is_409_and_a_cancel_frees_it(tmp_path: Path) -> None:
    gate = threading.Event()
    with service(tmp_path, gate) as client:
        run = say(client, "ann").json()["run"]
        busy = say(client, "ann")
        assert (busy.status_code, busy.json()["error"]) == (409, "SessionBusy")
        assert say(client, "ann", "other").status_code == 202
        assert say(client, "bob").status_code == 202
        assert post(client, "ann", f"/runs/{run}/cancel").status_code == 202
        said = client.get(f"/runs/{run}/updates", headers={"Cookie": "user=ann"})
        assert events(said.text)[-1][1]["status"] == "cancelled"
        assert say(client, "ann").status_code == 202
        gate.set()


def test_a_browser_that_comes_back_reads_on_after_its_last_event(tmp_path: Path) -> None:
    with service(tmp_path) as client:
        run = say(client, "ann").json()["run"]
        path = f"/runs/{run}/approvals/{until_waiting(client, 'ann', run)}"
        post(client, "ann", path, {"approved": True})
        cookie = {"Cookie": "user=ann"}
        whole = events(client.get(f"/runs/{run}/updates", headers=cookie).text)
        recorded = [data for _, data in whole if data["type"] not in ("text", "text_discarded")]
        last = recorded[2]["seq"]
        again = client.get(f"/runs/{run}/updates", headers={**cookie, "Last-Event-ID": str(last)})
        assert [data for _, data in events(again.text)] == recorded[3:]


def test_mistakes_have_their_http_status(tmp_path: Path) -> None:
    with service(tmp_path) as client:
        run = say(client, "ann").json()["run"]
        until_waiting(client, "ann", run)
        assert post(client, "ann", "/runs/nothing/cancel").status_code == 404
        wrong = post(client, "ann", f"/runs/{run}/approvals/99", {"approved": True})
        assert (wrong.status_code, wrong.json()["error"]) == (422, "UsageError")
        assert client.post("/sessions/s/messages", json={"text": "x"}).status_code == 401
        assert post(client, "ann", "/sessions/x/messages", {}).status_code == 422


def test_every_public_exception_has_a_status_and_a_row_in_the_guide() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "embedding.md").read_text()
    names: list[str] = import_module("playhead.public").__all__
    errors = [
        value
        for name in names
        for value in [getattr(playhead, name)]
        if inspect.isclass(value) and issubclass(value, Exception)
    ]
    assert SessionBusy in errors
    missing = [cls.__name__ for cls in errors if f"`{cls.__name__}`" not in guide]
    assert missing == []
    busy = next(cls for cls in errors if cls is SessionBusy)
    assert status_of(busy.__new__(busy)) == 409
    plain = [cls for cls in errors if cls is not playhead.AnswerRefused]
    raised = [cls for cls in plain if issubclass(cls, PlayheadError)]
    assert all(400 <= status_of(cls.__new__(cls)) < 600 for cls in raised)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The service on a real socket."""
    app = make_app(desk(), str(tmp_path / "desk.db"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(30)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is missing: apt install chromium")
def test_two_people_use_the_page_in_real_browsers_at_once(address: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        pages = list[Page]()
        for user in ("ann", "bob"):
            page = browser.new_context().new_page()
            page.goto(f"{address}/?user={user}")
            page.get_by_label("Message").fill("Refund order <b>1043</b>.")
            page.get_by_role("button", name="Send").click()
            pages.append(page)
        ann, bob = pages
        for page in pages:
            expect(page.locator(".approval")).to_contain_text('refund {"order":"1043","euros":20}')
            assert page.locator("#talk b").count() == 0
        ann.get_by_label("Message").fill("And another.")
        ann.get_by_role("button", name="Send").click()
        expect(ann.locator(".error")).to_contain_text("409")
        ann.get_by_role("button", name="Yes").click()
        expect(ann.locator(".end.finished")).to_have_text("It is paid back.")
        expect(ann.locator(".approval")).to_have_count(0)
        bob.get_by_role("button", name="Cancel").click()
        expect(bob.locator(".end.cancelled")).to_be_visible()
        browser.close()
