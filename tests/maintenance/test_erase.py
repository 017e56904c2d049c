"""Erasure: a person's streams are gone from every file, and the rest is whole."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from playhead import Agent, MemoryRules, Runtime
from playhead.events.codec import decode
from playhead.events.errors import LogOwned, UsageError
from playhead.events.kinds.approvals import Decider
from playhead.events.kinds.logs import StreamsErased
from playhead.events.kinds.model_calls import ModelAnswered
from playhead.events.kinds.runs import MessageReceived
from playhead.events.log.inbox import Inbox
from playhead.events.log.sqlite.log import SqliteLog, SqliteReader
from playhead.events.maintenance.archive import archive
from playhead.events.maintenance.backup import back_up
from playhead.events.maintenance.erase import Whose, noted
from playhead.events.maintenance.erase import erase as erase_streams
from playhead.events.maintenance.export import export
from playhead.events.maintenance.import_run import import_run
from playhead.events.maintenance.restore import restore
from playhead.events.record import Stored
from playhead.logs import LogReader, days, erase, retain
from playhead.projections.memory.hits import MemoryHit
from playhead.testing import ScriptedModel
from playhead.testing.appends import say
from tests.events.killed_at import kills
from tests.maintenance.test_archive import LATER, checked, streams

MARKER = "Xanthippe"
ME = Decider(user="ada", process=1)


def agent(name: str, namespace: str = "") -> Agent[str]:
    answers = ["x" * 3000 + f" {namespace}"] * 9
    return Agent(name=name, model=ScriptedModel(answers), memory=MemoryRules(namespace=namespace))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Runs and memories of MARKER's namespace and session, and of others."""
    path = tmp_path / "folder" / "a.db"
    path.parent.mkdir()
    clerk, other = agent("clerk", MARKER), agent("other", "acme")
    with Runtime(path, [clerk, other]) as runtime:
        runtime.memory.remember(f"{MARKER} likes hemlock " + "y" * 3000, MARKER)
        runtime.memory.remember("Invoices go to Nora", "acme")
        runtime.run(clerk, f"I am {MARKER} " + "z" * 5000, session=f"s-{MARKER}")
        runtime.run(clerk, "Again.", session=f"s-{MARKER}", idempotency_key=f"of {MARKER}")
        runtime.run(other, "Where do invoices go?")
        runtime.memory.recall("invoices", "acme")
        runtime.find_runs()
    return path


def rows(path: Path) -> list[Stored]:
    reader = SqliteReader(path)
    found = list(reader.follow())
    reader.close()
    return found


def erased(path: Path) -> list[StreamsErased]:
    reader = SqliteReader(path)
    events = [decode(row, reader.body).event for row in reader.read("runtime")]
    reader.close()
    return [event for event in events if isinstance(event, StreamsErased)]


def holding(folder: Path, words: str = MARKER) -> list[str]:
    """The files of a folder whose bytes or names hold the words."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    return [p.name for p in files if words.encode() in p.read_bytes() or words in p.name]


def recalled(path: Path) -> list[MemoryHit]:
    with Runtime(path) as runtime:
        return runtime.memory.recall("who receives invoices", "acme")


def test_a_marker_is_in_no_file_of_the_folder_after_erasure(path: Path) -> None:
    backup = path.with_name("kept.db")
    back_up(path, backup)
    restore(backup, path, replace=True)  # leaves a.db.replaced
    run = next(name for name in streams(path) if name.startswith("key-"))
    Inbox(path).put(run, MessageReceived(text=f"for {MARKER}"))
    Inbox(path).put("another", MessageReceived(text="stays"))
    assert {"a.db", "kept.db", "a.db.replaced"} <= set(holding(path.parent))
    done = erase(path, namespace=MARKER, reason="asked", also=[backup])
    assert holding(path.parent) == []
    assert len(done.streams) == 3
    for file in (path, backup, path.with_name("a.db.replaced")):
        report = checked(file)
        assert report.ok, report.problems
        assert report.erased == 3
    inbox = Inbox(path)
    assert [each.run for each in inbox.waiting()] == ["another"]
    inbox.close()


@pytest.mark.parametrize("whose", ["run", "session"])
def test_what_belongs_together_goes_together(path: Path, whose: str) -> None:
    run = next(name for name in streams(path) if name.startswith("key-"))
    given = {"run": run, "session": f"s-{MARKER}"}
    done = erase(path, **{whose: given[whose]}, reason="asked")  # type: ignore[arg-type]
    assert len(done.streams) == 2
    assert run in done.streams
    assert checked(path).ok


def test_other_runs_keep_their_hashes_their_positions_and_replay(path: Path) -> None:
    before = rows(path)
    known = recalled(path)
    before = rows(path)
    done = erase(path, namespace=MARKER, reason="asked")
    after = [row for row in rows(path) if row.kind != "streams_erased"]
    assert after == [row for row in before if row.run not in done.streams]
    with LogReader(path) as log:
        assert len(log.runs()) == 1
        assert all(log.replay(run).matches for run in log.runs())
    assert [m.text for m in recalled(path)] == [m.text for m in known]


def test_the_record_has_figures_and_hashes_and_no_names(path: Path) -> None:
    key = next(name for name in streams(path) if name.startswith("key-"))
    with LogReader(path) as log:
        told = [record.event for record in log.records(key)]
    (usage,) = [event.usage for event in told if isinstance(event, ModelAnswered)]
    records = streams(path)[key].head.seq
    erase(path, namespace=MARKER, reason="asked")
    (event,) = erased(path)
    assert MARKER not in event.model_dump_json()
    (found,) = [each for each in event.streams if each.key is not None]
    assert (found.key, found.records, found.model_calls) == (key, records, 1)
    assert (found.input_tokens, found.output_tokens) == (usage.input_total, usage.output_tokens)
    assert {each.stream for each in event.streams} == {"run", "memory"}


def test_an_idempotency_key_starts_no_second_run_after_erasure(path: Path) -> None:
    erase(path, namespace=MARKER, reason="asked")
    clerk = agent("clerk", MARKER)
    with Runtime(path, [clerk]) as runtime, pytest.raises(UsageError, match="erased"):
        runtime.start(clerk, "Again.", session=f"s-{MARKER}", idempotency_key=f"of {MARKER}")


def test_a_restore_does_not_bring_it_back(path: Path, tmp_path: Path) -> None:
    backup = tmp_path / "elsewhere.db"
    back_up(path, backup)
    before = rows(path)
    erase(path, namespace=MARKER, reason="asked")
    restore(backup, path, replace=True)
    assert holding(path.parent) == []
    assert checked(path).erased == 3
    assert checked(path).ok
    kept = [row for row in rows(path) if row.kind != "streams_erased"]
    assert 0 < len(kept) < len(before)
    assert [row for row in before if row in kept] == kept


def test_a_namespace_that_begins_anew_is_not_erased_by_a_restore(
    path: Path, tmp_path: Path
) -> None:
    erase(path, namespace=MARKER, reason="asked")
    with Runtime(path) as runtime:
        runtime.memory.remember("a new beginning", MARKER)
    backup = tmp_path / "later.db"
    back_up(path, backup)
    restore(backup, path, replace=True)
    with Runtime(path) as runtime:
        assert [m.text for m in runtime.memory.recall("beginning", MARKER)] == ["a new beginning"]


def test_an_import_does_not_bring_it_back(path: Path) -> None:
    reader = SqliteReader(path)
    run = next(name for name in streams(path) if name.startswith("key-"))
    lines = list(export(reader, run))
    reader.close()
    erase(path, run=run, reason="asked")
    with SqliteLog(path) as log, pytest.raises(UsageError, match="was erased"):
        import_run(log, lines, erased=noted(path))
    with SqliteLog(path.with_name("other.db")) as log:
        assert import_run(log, lines, erased=noted(path.with_name("other.db"))).run == run


def test_a_dry_run_writes_nothing_and_tells_where_else_the_words_stand(path: Path) -> None:
    other = agent("other", "acme")
    with Runtime(path, [other]) as runtime:
        mention = runtime.start(other, f"What did {MARKER.upper()} say?")
        mention.wait(60)
    path.with_name("notes.txt").write_text(f"call {MARKER}")
    before = {p.name: p.read_bytes() for p in path.parent.iterdir() if "-" not in p.name}
    done = erase(path, namespace=MARKER, reason="asked", words=[MARKER], dry_run=True)
    assert {p.name: p.read_bytes() for p in path.parent.iterdir() if "-" not in p.name} == before
    places = {each.place for each in done.mentions}
    assert mention.id in places
    assert str(path.with_name("notes.txt")) in places
    assert not places & set(done.streams)
    assert len(done.streams) == 3


def test_retention_erases_what_ended_too_long_ago_and_nothing_else(path: Path) -> None:
    kept = set(streams(path))
    (none,) = retain(path, agents={"clerk": days(1)})
    assert none.streams == ()
    assert set(streams(path)) == kept
    (done,) = retain(path, agents={"clerk": -days(1)})
    assert len(done.streams) == 2
    assert {row.run for row in rows(path)} == kept - set(done.streams) | {"runtime"}
    (runs,) = retain(path, namespaces={"acme": -days(1)})
    assert len(runs.streams) == 1
    assert [m.text for m in recalled(path)] == ["Invoices go to Nora"]


def test_an_erased_log_can_be_archived_and_erased_again(path: Path) -> None:
    erase(path, session=f"s-{MARKER}", reason="asked")
    archive(path, path.with_name("old.db"), LATER * 2)
    erase(path, namespace=MARKER, reason="asked", also=[path.with_name("old.db")])
    assert holding(path.parent) == []
    assert checked(path).ok
    assert checked(path.with_name("old.db")).ok
    with SqliteLog(path) as log:
        say(log, "new", "1")
    assert checked(path).ok


def test_a_log_with_an_owner_is_not_erased_from(path: Path) -> None:
    with Runtime(path), pytest.raises(LogOwned):
        erase(path, namespace=MARKER, reason="asked")
    assert "a.db" in holding(path.parent)


def test_exactly_one_thing_is_erased(path: Path) -> None:
    with pytest.raises(UsageError, match="exactly one"):
        erase(path, reason="asked")
    with pytest.raises(UsageError, match="exactly one"):
        erase(path, run="a", session="b", reason="asked")
    assert erase(path, run="nobody", reason="asked").streams == ()
    assert erased(path) == []


ERASE = f"""
from pathlib import Path
from playhead.events.kinds.approvals import Decider
from playhead.events.maintenance.erase import Whose, erase

def act(victim):
    log = Path(victim)
    erase(log, Whose(namespace="{MARKER}"), by=Decider(user="a", process=1), reason="asked",
        also=[log.with_name("kept.db")])
"""


def test_erasure_killed_at_any_step_leaves_the_old_log_or_the_new_one(
    path: Path, tmp_path: Path
) -> None:
    back_up(path, path.with_name("kept.db"))
    before = set(streams(path))

    def victims() -> Iterator[Path]:
        for n in range(1000):
            yield shutil.copytree(path.parent, tmp_path / f"at-{n}") / "a.db"

    gone: list[bool] = []
    for victim in kills(ERASE, victims(), path):
        for file in (victim, victim.with_name("kept.db")):
            report = checked(file)
            assert report.ok, report.problems
            left = before - set(streams(file))
            assert (report.erased, len(left)) in ((0, 0), (3, 3))
        gone.append(checked(victim).erased == 3)
        if gone[-1]:
            assert checked(victim.with_name("kept.db")).erased == 3
        backup = victim.with_name("kept.db")
        erase_streams(victim, Whose(namespace=MARKER), by=ME, reason="again", also=[backup])
        assert holding(victim.parent) == []
        assert checked(victim).ok
        with SqliteLog(victim) as log:
            say(log, "new", "1")
        assert checked(victim).ok
    assert gone == sorted(gone)
    assert min(gone.count(True), gone.count(False)) > 2
