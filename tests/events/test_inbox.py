"""Commands from other processes arrive, once, in order, or are answered."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from playhead.events.errors import LogTooNew, NotStorable
from playhead.events.kinds.runs import CancelRequested, MessageReceived
from playhead.events.log.inbox import Inbox, inbox_path
from playhead.events.log.sqlite.log import SqliteLog
from playhead.testing.appends import append_of, write
from tests.events.processes import output_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


PUT = """
from playhead.events.kinds.runs import MessageReceived
inbox = Inbox(path)
print(inbox.put("a", MessageReceived(text=arguments[0])).id)
"""


def test_a_command_in_a_new_inbox_reaches_an_owner_who_had_the_old_one_open(path: Path) -> None:
    asker, owner = Inbox(path), Inbox(path)
    asker.put("a", CancelRequested(reason="old"))
    assert len(owner.waiting()) == 1
    inbox_path(path).unlink()
    assert owner.waiting() == []
    asker.put("b", CancelRequested(reason="new"))
    assert [command.run for command in owner.waiting()] == ["b"]


def test_a_command_put_by_another_process_reaches_the_owner(path: Path) -> None:
    with SqliteLog(path) as log:
        inbox = Inbox(path)
        assert inbox.waiting() == []
        command = output_of(PUT, path, "hello")
        (waiting,) = inbox.waiting()
        assert (waiting.id, waiting.run) == (command, "a")
        assert waiting.event() == MessageReceived(text="hello")
        write(log, append_of("a", waiting.event(), command=waiting.id))
        assert log.has_command(command)
        inbox.remove(waiting.id)
        assert inbox.find(command) is None
        inbox.close()


def test_a_command_killed_before_it_was_put_leaves_the_inbox_usable(path: Path) -> None:
    code = """
inbox = Inbox(path)
from playhead.events.kinds.runs import MessageReceived
inbox.put("a", MessageReceived(text="whole"))
db = inbox._open(create=True)
db.execute("PRAGMA cache_spill = 1")
db.execute("BEGIN IMMEDIATE")
db.execute("DELETE FROM commands")
os._exit(0)
"""
    output_of(code, path)
    inbox = Inbox(path)
    assert [c.event() for c in inbox.waiting()] == [MessageReceived(text="whole")]
    inbox.close()


def test_commands_wait_in_the_order_in_which_they_came(path: Path) -> None:
    inbox = Inbox(path)
    put = [inbox.put("a", MessageReceived(text=str(n))) for n in range(5)]
    assert inbox.waiting() == put
    inbox.close()


def test_a_command_that_does_not_apply_is_answered_and_waits_no_more(path: Path) -> None:
    asker, owner = Inbox(path), Inbox(path)
    put = asker.put("a", CancelRequested(reason="enough"))
    owner.answer(put.id, "run a has ended")
    assert owner.waiting() == []
    answered = asker.find(put.id)
    assert answered is not None
    assert (answered.answer, answered.answered_at is not None) == ("run a has ended", True)
    asker.remove(put.id)
    assert owner.find(put.id) is None
    asker.close()
    owner.close()


def test_looking_into_an_inbox_that_nobody_used_makes_no_file(path: Path) -> None:
    inbox = Inbox(path)
    assert inbox.waiting() == []
    inbox.remove("x")
    inbox.answer("x", "y")
    inbox.close()
    assert not inbox_path(path).exists()


def test_a_big_command_comes_through_whole(path: Path) -> None:
    inbox = Inbox(path)
    inbox.put("a", MessageReceived(text="x" * 100_000))
    (waiting,) = inbox.waiting()
    assert waiting.event() == MessageReceived(text="x" * 100_000)
    inbox.close()


def test_what_cannot_be_stored_is_refused_before_it_is_put(path: Path) -> None:
    inbox = Inbox(path)
    with pytest.raises(NotStorable):
        inbox.put("a", MessageReceived(text="\ud800"))
    assert not inbox_path(path).exists()


@pytest.mark.parametrize(
    ("kind", "version", "data", "why"),
    [
        ("message_received", 1, '{"text":"a","text":"b"}', "duplicate keys"),
        ("message_received", 1, '{"text":1}', "validation error"),
        ("message_received", 1, '{"text":"a","more":1}', "validation error"),
        ("message_received", 2, '{"text":"a"}', "version 2"),
        ("never_heard_of", 1, "{}", "not known"),
        ("message_received", 1, "rubbish", "Expecting value"),
        ("cancel_requested", 1, '{"reason":' + "[" * 100_000, "recursion"),
    ],
)
def test_a_command_that_is_no_event_here_is_a_typed_error(
    path: Path, kind: str, version: int, data: str, why: str
) -> None:
    inbox = Inbox(path)
    put = inbox.put("a", MessageReceived(text="x"))
    with pytest.raises(NotStorable, match=why):
        put._replace(kind=kind, version=version, data=data).event()
    inbox.close()


def test_an_inbox_of_a_newer_format_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(inbox_path(path))) as connection:
        connection.execute("PRAGMA user_version = 9")
        connection.commit()
    before = inbox_path(path).read_bytes()
    with pytest.raises(LogTooNew):
        Inbox(path).waiting()
    assert inbox_path(path).read_bytes() == before
