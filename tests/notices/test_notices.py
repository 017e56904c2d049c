"""Who is told that a run waits for a person: by a real mail, a real webhook, and by rule."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from docs.examples.notify_chat import chat
from docs.examples.notify_email import emailer, refund, rule
from playhead import Agent, CallDeferred, Notice, Notify, Runtime, UsageError, tool
from playhead.events.kinds.notices import NoticeSent
from playhead.events.log.memory import MemoryLog
from playhead.notices.notifier import Coming, Notifier, sent
from playhead.projections.state.waits import Wait
from playhead.projections.stored.wait_list import OpenWait
from playhead.testing import ScriptedModel, call


class Told:
    """A hook that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self._changed = threading.Condition()

    def __call__(self, notice: Notice) -> None:
        with self._changed:
            self.notices.append(notice)
            self._changed.notify_all()

    def wait(self, count: int) -> list[Notice]:
        """The notices, once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.notices) >= count, 30)
        return self.notices


def desk() -> Agent[str]:
    model = ScriptedModel([call("refund", order=7), "Done."])
    return Agent(name="desk", model=model, tools=[refund])


class Mailbox:
    """Receives mails over SMTP."""

    def __init__(self) -> None:
        self.told = Told()

    async def handle_DATA(self, _: object, __: object, envelope: Any) -> str:  # noqa: N802
        """One mail."""
        self.told(message_from_bytes(envelope.content))  # type: ignore[arg-type]
        return "250 OK"


def test_a_person_is_told_by_e_mail_what_waits_for_whom_and_where_to_answer(tmp_path: Path) -> None:
    mailbox = Mailbox()
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    server = import_module("aiosmtpd.controller").Controller(
        mailbox, hostname="127.0.0.1", port=port
    )
    server.start()
    try:
        notify = rule(emailer("127.0.0.1", port, "playhead@shop.example"))
        with Runtime(tmp_path / "a.db", notify=notify) as runtime:
            run = runtime.start(desk(), "Refund order 7.")
            mails: list[Message] = mailbox.told.wait(1)  # type: ignore[assignment]
            run.approve(run.approvals()[0].call)
            assert run.wait(20).answer == "Done."
    finally:
        server.stop()
    (mail,) = mails
    assert mail["To"] == "finance@shop.example"
    assert mail["Subject"] == "desk waits for approval of refund"
    text = str(mail.get_payload())
    assert "refund(order=7)" in text
    assert f"https://desk.example/runs/{run.id}" in text


@pytest.fixture
def webhook() -> Iterator[tuple[str, Told, list[int]]]:
    """A chat's incoming webhook over HTTP; the last are the statuses that it answers first."""
    told, statuses = Told(), list[int]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = statuses.pop(0) if statuses else 200
            self.send_response(status)
            self.end_headers()
            told((status, self.headers["Idempotency-Key"], body))  # type: ignore[arg-type]

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", told, statuses
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_person_is_told_in_a_chat(tmp_path: Path, webhook: tuple[str, Told, list[int]]) -> None:
    url, told, _ = webhook
    notify = Notify(tell=chat(url), assignee="@oncall", link="https://desk.example/{run}/{call}")
    with Runtime(tmp_path / "a.db", notify=notify) as runtime:
        run = runtime.start(desk(), "Refund order 7.")
        found: Any = told.wait(1)[0]
        key, body = str(found[1]), str(found[2]["text"])
        waiting = runtime.runs.waits(run.id)[0].wait
        assert key == f"{run.id}:{waiting.seq}:0"
        assert body.startswith("@oncall desk waits for approval of refund")
        assert f"https://desk.example/{run.id}/{waiting.call}" in body


class Bench:
    """A notifier on a clock that is set by hand, over waits that a test opens and ends."""

    def __init__(self, log: MemoryLog | None = None, **notify: Any) -> None:
        self.log, self.told = log or MemoryLog(), Told()
        self.now = 0
        self.open: dict[int, OpenWait] = {}
        notify.setdefault("tell", self.told)
        self.notifier = Notifier(self.log, Notify(**notify), self.waits, lambda: self.now)

    def waits(self, run: str | None) -> list[OpenWait]:
        return [each for each in self.open.values() if run in (None, each.run)]

    def begin(self, seq: int, about: Any = "call", run: str = "r") -> None:
        wait = Wait(seq, about, self.now, None, call=seq - 1)
        self.open[seq] = OpenWait(run, wait, "desk", None, "g", "refund", "once", {}, ())

    def at(self, seconds: float) -> list[tuple[str, str | None]]:
        """Everything that has been told by then."""
        self.now = int(seconds * 1_000_000)
        self.notifier.look()
        return [(notice.level, notice.to) for notice in self.told.notices]


RULE: dict[str, Any] = {
    "assignee": "ann", "remind": [60, 120], "escalate": [(90, "bob")],
}  # fmt: skip
ALL = [("asked", "ann"), ("reminder", "ann"), ("escalation", "bob"), ("reminder", "ann")]


def test_reminders_and_escalations_come_by_rule_while_it_still_waits() -> None:
    bench = Bench(**RULE)
    bench.begin(5)
    bench.notifier.take_up()
    assert bench.at(0) == ALL[:1]
    assert bench.at(59) == ALL[:1]
    assert bench.at(60) == ALL[:2]
    assert bench.at(90) == ALL[:3]
    assert bench.at(1000) == ALL
    assert bench.at(9999) == ALL


def test_once_it_is_answered_nobody_is_reminded() -> None:
    bench = Bench(**RULE)
    bench.begin(5)
    bench.notifier.take_up()
    bench.at(0)
    bench.open.clear()
    assert bench.at(9999) == ALL[:1]


@pytest.mark.parametrize("told", range(4))
def test_after_a_restart_only_what_was_not_told_is_told(told: int) -> None:
    first = Bench(**RULE)
    first.begin(5)
    first.notifier.take_up()
    for seconds in (0, 60, 90, 120)[: told + 1]:
        first.at(seconds)
    later = Bench(first.log, **RULE)
    later.open = first.open
    later.notifier.take_up()
    assert first.at(first.now / 1_000_000) + later.at(1000) == ALL


def test_a_crash_between_the_hook_and_its_record_tells_again_with_the_same_key() -> None:
    class Dies(BaseException):
        pass

    def dies(notice: Notice) -> None:
        keys.append(notice.key)
        raise Dies

    keys: list[str] = []
    first = Bench(tell=dies)
    first.begin(5)
    first.notifier.take_up()
    with pytest.raises(Dies):
        first.at(0)
    later = Bench(first.log)
    later.open = first.open
    later.notifier.take_up()
    later.at(1)
    assert [notice.key for notice in later.told.notices] == keys


def test_a_hook_that_fails_is_called_again_until_it_works() -> None:
    fails = [OSError("no route"), OSError("no route")]
    done: list[str] = []

    def tell(notice: Notice) -> None:
        if fails:
            raise fails.pop()
        done.append(notice.key)

    bench = Bench(tell=tell)
    bench.begin(5)
    bench.notifier.take_up()
    bench.at(0)
    assert sent(bench.log, "r") == []
    bench.at(5)
    assert not done
    bench.at(14.9)
    assert not done
    bench.at(15)
    assert done == ["r:5:0"]
    assert sent(bench.log, "r") == [NoticeSent(run="r", wait=5, number=0, level="asked")]


def test_a_wait_that_is_told_live_and_found_at_the_start_is_told_once() -> None:
    bench = Bench()
    bench.begin(5)
    bench.notifier.take_up()
    bench.notifier._add(Coming(0, "r", 5, 0))  # pyright: ignore[reportPrivateUsage]
    assert bench.at(1) == [("asked", None)]


@pytest.mark.parametrize(("about", "told"), [("model", 0), ("time", 0), ("answer", 1), ("plan", 1)])
def test_only_waits_for_a_person_are_told(about: str, told: int) -> None:
    bench = Bench()
    bench.begin(5, about)
    bench.notifier.take_up()
    assert len(bench.at(1)) == told


def test_a_wait_of_an_earlier_process_is_told_by_the_next_one(tmp_path: Path) -> None:
    agent = desk()
    with Runtime(tmp_path / "a.db") as runtime:
        run = runtime.start(agent, "Refund order 7.")
        next(r for r in run.events() if r.event.kind == "approval_requested")
    told = Told()
    with Runtime(tmp_path / "a.db", [agent], notify=Notify(tell=told)):
        (notice,) = told.wait(1)
        assert notice.run == run.id
    later = Told()
    with Runtime(tmp_path / "a.db", [agent], notify=Notify(tell=later)):
        pass
    assert later.notices == []


def test_the_answer_of_a_deferred_call_is_asked_for_too(tmp_path: Path) -> None:
    @tool
    def ask_supplier(part: str) -> str:
        """Ask.

        Args:
            part: what.
        """
        raise CallDeferred("ticket 12", expires=3600)

    agent = Agent(name="buyer", model=ScriptedModel([call("ask_supplier", part="p"), "ok"]),
                  tools=[ask_supplier])  # fmt: skip
    told = Told()
    with Runtime(tmp_path / "a.db", notify=Notify(tell=told)) as runtime:
        run = runtime.start(agent, "price")
        (notice,) = told.wait(1)
        assert (notice.about, notice.tool) == ("answer", "ask_supplier")
        assert notice.what.endswith("ticket 12")
        assert notice.until == notice.since + 3600_000_000
        run.complete(notice.call, "12.50")
        assert run.wait(20).answer == "ok"


@pytest.mark.parametrize(
    "wrong", [{"remind": [0]}, {"escalate": [(-1, "x")]}, {"link": "https://x/{user}"}]
)
def test_a_rule_that_cannot_work_is_refused_at_once(wrong: dict[str, Any]) -> None:
    tell: Callable[[Notice], None] = print
    with pytest.raises(UsageError, match="Notify"):
        Notify(tell=tell, **wrong)


def test_closing_waits_no_longer_than_drain_seconds_for_a_hook_that_hangs() -> None:
    told, go = threading.Event(), threading.Event()
    again = Told()

    def hang(_: Notice) -> None:
        told.set()
        go.wait(30)

    log, agent = MemoryLog(), desk()
    with Runtime(log, notify=Notify(tell=hang), drain_seconds=0.01) as runtime:
        run = runtime.start(agent, "Refund it.").id
        assert told.wait(30)
    assert not go.is_set()  # `close` came back while the hook still hangs
    go.set()
    assert sent(log, run) == []  # so the next process tells it again
    with Runtime(log, [agent], notify=Notify(tell=again)):
        assert [notice.run for notice in again.wait(1)] == [run]
