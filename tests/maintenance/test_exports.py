"""An export is the run, byte for byte; a redacted one says so, and holds none of the words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.events.codec import decode, seal
from playhead.events.errors import LogDamaged, LogTooNew, UnknownRun, UsageError
from playhead.events.event import Block, Event
from playhead.events.kinds.model_calls import ModelAnswered
from playhead.events.kinds.runs import MessageReceived, RunStarted
from playhead.events.kinds.tool_calls import ToolRequested, ToolSucceeded
from playhead.events.log.contract import Head
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.maintenance.export import export
from playhead.events.maintenance.import_run import import_run
from playhead.events.maintenance.redacted_export import REDACTED, export_redacted, redact
from playhead.events.maintenance.verify import verify
from playhead.events.record import Record, Stored
from playhead.events.spec.agent import AgentSpec, ModelSettings, Past
from playhead.events.usage import Usage
from playhead.testing.appends import append_of, fork, said, say, write
from tests.events.generated import events, jsons, of_model

AGENT = AgentSpec(name="a", instructions="my secret plan", model=ModelSettings(model="m"))


def started(past: Past | None = None) -> RunStarted:
    return RunStarted(goal="the secret goal", agent=AGENT, session="s", past=past, code="0")


@pytest.fixture
def log() -> MemoryLog:
    """`new` goes on from `old`; `fork` leaves `new` after 2; `child` belongs to it; `other` not."""
    log = MemoryLog()
    write(log, append_of("old", started(), *said("secret one")))
    seq, digest = log.head("old")
    past = Past(run="old", seq=seq, hash=digest.hex())
    write(log, append_of("new", started(past), ToolSucceeded(result="x" * 9000, duration_ms=1.5)))
    say(log, "other", "secret")
    say(log, "new", "more", "\ud7ff é")
    fork(log, "fork", "new", 2, "another way")
    write(log, append_of("child", *said("a child"), parent="fork"))
    return log


def rows(log: MemoryLog, run: str) -> list[Stored]:
    return [row._replace(position=0) for row in log.read(run)]


def test_an_import_has_the_records_and_hashes_of_the_export(log: MemoryLog, tmp_path: Path) -> None:
    lines = list(export(log, "fork"))
    with SqliteLog(tmp_path / "a.db") as other:
        done = import_run(other, lines, trusted=True)
        assert (done.run, done.runs, done.redacted) == (
            "fork", ("old", "new", "fork", "child"), False,
        )  # fmt: skip
        for run in done.runs:
            assert [row._replace(position=0) for row in other.read(run)] == rows(log, run)
            assert [decode(row, other.body).event for row in other.read(run)] == [
                decode(row, log.body).event for row in log.read(run)
            ]
        assert list(export(other, "fork")) == lines
        assert import_run(other, lines, trusted=True).records == 0


def test_where_a_record_came_from_and_its_key_survive_the_way_out_and_in() -> None:
    append = append_of("a", *said("brought"))
    (row,) = append.rows
    row = row._replace(imported=True, key_id="k")
    row = row._replace(hash=row.computed_hash(b""))
    log, other = MemoryLog(), MemoryLog()
    write(log, append._replace(rows=(row,)))
    import_run(other, export(log, "a"), trusted=True)
    assert rows(other, "a") == [row]


@given(st.lists(events, min_size=1, max_size=5))
def test_every_event_survives_the_way_out_and_in(given: list[Event]) -> None:
    log, other = MemoryLog(), MemoryLog()
    write(log, append_of("a", *map(alone, given)))
    import_run(other, export(log, "a"), trusted=True)
    assert rows(other, "a") == rows(log, "a")


def alone(event: Event) -> Event:
    """The event without pointers to runs that are not there."""
    return event.model_copy(update={"past": None}) if isinstance(event, RunStarted) else event


def cut(lines: list[bytes]) -> list[bytes]:
    return lines[:-1]


def shortened(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-2], lines[-1]]


def edited(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b"more", b"less") for line in lines]


def nothing(_: list[bytes]) -> list[bytes]:
    return []


def no_export(_: list[bytes]) -> list[bytes]:
    return [b"hello\n"]


@pytest.mark.parametrize("damage", [cut, shortened, edited, nothing, no_export])
def test_an_export_that_was_changed_is_refused_and_nothing_is_written(
    log: MemoryLog, damage: Callable[[list[bytes]], list[bytes]]
) -> None:
    other = MemoryLog()
    with pytest.raises(LogDamaged):
        import_run(other, damage(list(export(log, "new"))), trusted=True)
    assert list(other.streams()) == []


def test_another_run_of_the_same_name_is_left_alone(log: MemoryLog) -> None:
    other = MemoryLog()
    say(other, "old", "something else")
    with pytest.raises(UsageError, match="another run old"):
        import_run(other, export(log, "old"), trusted=True)
    with pytest.raises(UnknownRun):
        list(export(log, "nobody"))
    with pytest.raises(LogTooNew):
        import_run(other, [b'{"playhead_export":99,"run":"a"}\n'], trusted=True)


@given(st.lists(events, min_size=1, max_size=4))
def test_a_redacted_run_verifies_and_says_what_it_is(given: list[Event]) -> None:
    log, other = MemoryLog(), MemoryLog()
    write(log, append_of("a", started(), *map(alone, given)))
    lines = list(export_redacted(log, "a"))
    assert import_run(other, lines, trusted=True).redacted
    assert [p.fault for p in verify(other, None).problems] == ["no_anchor"]
    copy = [decode(row, other.body) for row in other.read("a")]
    assert isinstance(copy[0].event, RunStarted)
    assert copy[0].event.redacted
    assert [r.event.kind for r in copy] == [row.kind for row in log.read("a")]
    assert b"secret" not in b"".join(lines)


def test_a_redacted_export_carries_forks_and_pasts_with_hashes_of_its_own(log: MemoryLog) -> None:
    other = MemoryLog()
    lines = list(export_redacted(log, "fork"))
    import_run(other, lines, trusted=True)
    assert [p.fault for p in verify(other, None).problems] == ["no_anchor"]
    started = decode(next(other.read("new")), other.body).event
    assert isinstance(started, RunStarted)
    assert started.past is not None
    assert Head(started.past.seq, bytes.fromhex(started.past.hash)) == other.head("old")
    text = b"".join(lines).decode()
    for word in ("secret", "another way", "a child", "xxxx"):
        assert word not in text


@given(jsons)
def test_no_value_that_a_tool_gave_is_kept(value: Any) -> None:
    kept = redact(ToolSucceeded(result=value, duration_ms=1.0)).result
    assert set(leaves(kept)) <= {REDACTED, None}
    assert len(leaves(kept)) == len(leaves(value))
    requested = redact(ToolRequested(step="1", tool="t", arguments={"name": value, "id": "secret"}))
    assert (requested.tool, requested.arguments["id"]) == ("t", REDACTED)
    assert set(leaves(requested.arguments)) <= {REDACTED, None}


def test_blocks_keep_their_shape_and_lose_their_words() -> None:
    block: Block = {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "t",
        "input": {"name": "Ada", "n": 7},
    }
    reply = ModelAnswered(
        content=(block, {"type": "text", "text": "Ada"}), stop_reason="tool_use", usage=Usage(),
        model="m", duration_ms=1.0,
    )  # fmt: skip
    kept = redact(reply)
    assert kept.content[0] == block | {"input": {"name": REDACTED, "n": REDACTED}}
    assert kept.content[1] == {"type": "text", "text": REDACTED}
    assert (kept.model, kept.usage, kept.duration_ms) == ("m", Usage(), 1.0)


def leaves(value: Any) -> list[Any]:
    if not isinstance(value, dict | list):
        return [value]
    inside: list[Any] = [*value.values()] if isinstance(value, dict) else [*value]
    return [leaf for inner in inside for leaf in leaves(inner)]


@given(of_model(MessageReceived))
def test_no_string_of_a_message_is_kept(event: MessageReceived) -> None:
    row, _ = seal(Record("a", 1, 1, "user", "outside", None, redact(event)), b"")
    assert redact(event).text == REDACTED
    assert row.kind == "message_received"
