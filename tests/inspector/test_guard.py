"""Who gets in: our names, our pages, with the token. Asked of a real server, over real sockets."""

import http.client
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest

from playhead import Runtime, UsageError
from playhead.cli.app import main
from playhead.events.log.memory import MemoryLog
from playhead.inspector.access import HEADERS
from playhead.inspector.server import Inspector, is_loopback
from playhead.testing import call
from tests.cli.processes import playhead_process
from tests.inspector.runs import agent, hostile

TOKEN = "a token of a test"


@pytest.fixture(scope="module")
def log() -> MemoryLog:
    log = MemoryLog()
    hostile(log)
    return log


@pytest.fixture(scope="module")
def server(log: MemoryLog) -> Iterator[Inspector]:
    with Inspector(log, token=TOKEN).start() as server:
        yield server


def asked(
    server: Inspector, path: str = "/", method: str = "GET", form: str = "", **headers: str | None
) -> http.client.HTTPResponse:
    """The answer to a request as some browser, or somebody who is none, would make it."""
    given = {"Host": f"127.0.0.1:{server.port}", "Authorization": f"Bearer {TOKEN}"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}  # type: ignore[misc]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in given.items():
        if value is not None:
            connection.putheader(name, value)
    connection.putheader("Content-Type", "application/x-www-form-urlencoded")
    connection.putheader("Content-Length", str(len(form)))
    connection.endheaders(form.encode())
    answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    connection.close()
    return answer


def test_with_the_token_the_page_is_there(server: Inspector) -> None:
    assert asked(server).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil.example:{port}",
        "",
    ],
)
def test_a_name_that_is_not_ours_is_refused(server: Inspector, host: str) -> None:
    answer = asked(server, Host=host.format(port=server.port))
    assert answer.status in (400, 421)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_this_machine_by_any_of_its_names_is_let_in(server: Inspector, host: str) -> None:
    assert asked(server, Host=f"{host}:{server.port}").status == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"Authorization": None},
        {"Authorization": "Bearer another"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": None, "Cookie": "playhead-1=x"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/metrics", "/metrics.txt", "/live", "/static/style.css"])
def test_without_the_token_nothing_is_shown(
    server: Inspector, wrong: Mapping[str, Any], path: str
) -> None:
    answer = asked(server, path, "GET", **wrong)
    assert answer.status == 401
    assert b"owned" not in answer.body  # type: ignore[attr-defined]


def test_a_wrong_token_in_the_link_is_none(server: Inspector) -> None:
    assert asked(server, "/?token=wrong", Authorization=None).status == 401


def test_the_link_gives_a_cookie_that_other_sites_cannot_send_and_leaves_the_address(
    server: Inspector,
) -> None:
    answer = asked(server, f"/metrics?agent=x&token={TOKEN.replace(' ', '+')}", Authorization=None)
    assert (answer.status, answer.headers["Location"]) == (303, "/metrics?agent=x")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    again = asked(server, "/metrics", Authorization=None, Cookie=cookie.partition(";")[0])
    assert again.status == 200


def test_the_link_sends_nobody_elsewhere(server: Inspector) -> None:
    answer = asked(server, f"//evil.example/?token={TOKEN.replace(' ', '+')}", Authorization=None)
    assert answer.headers.get("Location", "/").startswith("/evil.example")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "file://"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_sites_request_is_refused_whatever_it_carries(
    server: Inspector, origin: str, method: str
) -> None:
    answer = asked(server, "/runs/x/approvals/1", method, Origin=origin)
    assert (answer.status, answer.body) == (403, OTHERS)  # type: ignore[attr-defined]


OTHERS = b"Requests of other sites are refused.\n"


def test_a_change_needs_an_origin_at_all(server: Inspector) -> None:
    answer = asked(server, "/runs/x/approvals/1", "POST")
    assert (answer.status, answer.body) == (403, OTHERS)  # type: ignore[attr-defined]


def test_a_page_may_load_nothing_from_elsewhere_and_run_no_script_in_a_text(
    server: Inspector,
) -> None:
    for path in ("/", "/nowhere", "/static/style.css", "/static/nothing"):
        headers = asked(server, path).headers
        assert {name: headers[name] for name in HEADERS} == HEADERS
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy


def test_a_reader_reads_all_and_changes_nothing_and_an_approver_may() -> None:
    log, someone = MemoryLog(), agent([call("pay", euros=5), "Paid."])
    with Runtime(log, [someone]) as runtime:
        run = runtime.start(someone, "Pay.")
        next(r for r in run.events() if r.event.kind == "approval_requested")
        (wanted,) = run.approvals()
        server = runtime.serve()
        assert server.token != server.reader_token
        origin = f"http://127.0.0.1:{server.port}"
        form = urlencode({"verdict": "approve", "binding": wanted.binding})
        for token, status, ended in ((server.reader_token, 403, False), (server.token, 303, True)):
            bearer = {"Authorization": f"Bearer {token}", "Origin": origin}
            page = asked(server, f"/runs/{run.id}", **bearer)
            assert page.status == 200
            assert (b"Yes, approve" in page.body) == ended  # type: ignore[attr-defined]
            for action in ("cancel", "resume", "fork", f"answers/{wanted.call}"):
                if not ended:
                    path = f"/runs/{run.id}/{action}"
                    assert asked(server, path, "POST", **bearer).status == 403
            path = f"/runs/{run.id}/approvals/{wanted.call}"
            assert asked(server, path, "POST", form, **bearer).status == status
            assert (run.approvals() == []) == ended
        assert run.wait().answer == "Paid."


def test_serve_prints_a_link_for_each_role_and_only_the_first_can_change_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    someone = agent([call("pay", euros=5), "Paid."])
    with Runtime(tmp_path / "log.db", [someone]) as runtime:
        started = runtime.start(someone, "Pay.")
        next(r for r in started.events() if r.event.kind == "approval_requested")
        run = started.id
    command = ("serve", "--port", "0", "--log", "log.db", "--allow-approvals")
    with playhead_process(*command) as process:
        assert process.stdout is not None
        links: list[str] = [process.stdout.readline().split(": ", 1)[1].strip() for _ in range(2)]
        for link, allowed in zip(links, (True, False), strict=True):
            split = urlsplit(link)
            port, token = split.port, parse_qs(split.query)["token"][0]
            asked = Request(f"http://127.0.0.1:{port}/runs/{run}")
            asked.add_header("Authorization", f"Bearer {token}")
            with urlopen(asked) as answer:
                assert (b"Yes, approve" in answer.read()) == allowed


def test_the_two_tokens_must_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("PLAYHEAD_TOKEN", "PLAYHEAD_READER_TOKEN"):
        monkeypatch.setenv(name, "the-same-token-for-both")
    hostile(str(tmp_path / "log.db"))
    assert main(["serve", "--log", str(tmp_path / "log.db"), "--allow-approvals"]) == 2
    assert "give two different ones" in capsys.readouterr().err


def test_files_outside_the_folder_are_not_served(server: Inspector) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"):
        assert asked(server, path).status in (400, 404)


def test_approvals_are_read_only_unless_they_are_allowed(log: MemoryLog) -> None:
    with Inspector(log, token=TOKEN).start() as server:
        origin = f"http://127.0.0.1:{server.port}"
        assert asked(server, "/runs/x/approvals/1", "POST", Origin=origin).status == 403


def test_a_verdict_on_something_else_than_was_shown_is_not_recorded() -> None:
    log, someone = MemoryLog(), agent([call("pay", euros=5), "Paid."])
    with Runtime(log, [someone]) as runtime:
        run = runtime.start(someone, "Pay.")
        record = next(r for r in run.events() if r.event.kind == "approval_requested")
        server = runtime.serve()
        origin, bearer = f"http://127.0.0.1:{server.port}", f"Bearer {server.token}"
        path = f"/runs/{run.id}/approvals/{record.event.call}"  # type: ignore[attr-defined]
        answer = asked(server, path, "POST", Origin=origin, Authorization=bearer)
        assert answer.status == 409
        assert run.approvals() != []
        run.cancel()


def test_a_port_that_is_taken_is_a_mistake_with_its_reason(server: Inspector) -> None:
    with pytest.raises(UsageError, match=f"127.0.0.1:{server.port} cannot be listened on"):
        Inspector(MemoryLog(), port=server.port)


@pytest.mark.parametrize(
    ("host", "ours"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.9.9.9", True),
     ("0.0.0.0", False), ("192.168.1.2", False), ("example.org", False)],
)  # fmt: skip
def test_what_only_this_machine_can_reach(host: str, ours: bool) -> None:
    assert is_loopback(host) == ours
