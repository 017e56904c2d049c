"""`replay` and `verify`: matches, the first divergence, damage, and an accepted loss."""

import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from playhead.events.codec import decode, seal
from playhead.events.kinds.runs import StrategyChosen
from playhead.events.log.contract import Append, Head
from playhead.events.log.sqlite.log import SqliteLog, SqliteReader
from playhead.events.record import GENESIS, Record, Stored
from tests.cli.agents import HERE
from tests.cli.conftest import Playhead

RUN = ("run", "add", "--agent", f"{HERE}:adder")


def rewritten(source: Path, target: Path, change: Callable[[Record], Record]) -> None:
    """A log with the same runs, each record passed through `change`: whole, and sealed anew."""
    reader, log = SqliteReader(source), SqliteLog(target)
    for stream in reader.streams():
        rows: list[Stored] = []
        for row in reader.read(stream.id):
            sealed, _ = seal(change(decode(row, reader.body)), rows[-1].hash if rows else GENESIS)
            rows.append(sealed)
        done: Future[int | Exception] = Future()
        log.submit(Append(stream.id, Head(), tuple(rows)), done.set_result)
        assert isinstance(done.result(), int)
    log.close()
    reader.close()


def tampered(log: Path, statement: str) -> None:
    """Change the file behind the back of the log, its triggers removed."""
    with sqlite3.connect(log) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
            db.execute(f"DROP TRIGGER {name}")
        db.execute(statement)
    db.close()


def test_a_replay_of_what_was_recorded_matches(playhead: Playhead) -> None:
    playhead(*RUN)
    said = playhead("replay", "last")
    assert said.code == 0
    assert "matches: 12 records" in said.out


def test_a_divergence_is_shown_side_by_side_and_exits_with_1(
    playhead: Playhead, folder: Path
) -> None:
    def other(record: Record) -> Record:
        if isinstance(record.event, StrategyChosen):
            event = record.event.model_copy(update={"strategy": "direct"})
            return record._replace(event=event)
        return record

    playhead(*RUN)
    rewritten(folder / "playhead.db", folder / "other.db", other)
    said = playhead("replay", "last", "--log", "other.db")
    assert said.code == 1
    assert "diverges at record 2: strategy" in said.out
    (line,) = (line for line in said.out.splitlines() if line.startswith("strategy"))
    assert "direct" in line
    assert "react" in line
    report = json.loads(playhead("replay", "last", "--log", "other.db", "--json").out)
    assert (report["matches"], report["divergence"]["seq"]) == (False, 2)
    assert playhead("replay", "last", "--log", "other.db", "--to", "1").code == 0


def test_a_whole_log_is_verified(playhead: Playhead) -> None:
    playhead(*RUN)
    said = playhead("verify")
    assert said.code == 0
    assert "is whole: 12 records of 1 run" in said.out


def test_an_altered_record_is_named_and_cannot_be_accepted(
    playhead: Playhead, folder: Path
) -> None:
    playhead(*RUN)
    tampered(folder / "playhead.db", "UPDATE records SET at = at + 1 WHERE seq = 3")
    said = playhead("verify")
    assert said.code == 1
    assert "record 3 (position 3) was altered" in " ".join(said.out.split())
    refused = playhead("verify", "--accept-loss")
    assert refused.code == 2
    assert len(refused.err.splitlines()) == 1


def test_a_lost_end_stops_writing_until_it_is_accepted(playhead: Playhead, folder: Path) -> None:
    playhead(*RUN)
    tampered(folder / "playhead.db", "DELETE FROM records WHERE seq > 10")
    assert json.loads(playhead("verify", "--json").out)["problems"][0]["fault"] == "lost_tail"
    refused = playhead(*RUN)
    assert refused.code == 3
    assert "playhead verify --accept-loss" in refused.err
    assert playhead("verify", "--accept-loss").code == 0
    assert playhead(*RUN).code == 0


def test_a_file_that_is_no_log_is_told_in_one_line(playhead: Playhead, folder: Path) -> None:
    (folder / "playhead.db").write_text("hello")
    for command in (["runs"], ["verify"], [*RUN]):
        said = playhead(*command)
        assert said.code == 3
        (line,) = said.err.splitlines()
        assert "playhead.db" in line
