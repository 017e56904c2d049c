"""What every log promises, as tests: a backend inherits `LogContract` and has a `log` fixture.

    from playhead.testing.log_contract import LogContract

    class TestMyLog(LogContract):
        @pytest.fixture
        def log(self, tmp_path: Path) -> Iterator[Log]:
            with MyLog(tmp_path / "a.log") as log:
                yield log

Each test gets its own empty log. It runs on plain pytest.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from random import Random
from typing import Any

import pytest

from playhead.events.codec import decode
from playhead.events.errors import HeadMoved, LogClosed, LogError
from playhead.events.kinds.runs import MessageReceived
from playhead.events.kinds.tool_calls import ToolSucceeded
from playhead.events.log.contract import ANY, Append, Head, Log
from playhead.testing.appends import append_of, fork, said, say, write

__all__ = ["LogContract"]


def texts(log: Log, run: str, after: int = 0, to: int | None = None) -> list[str]:
    """The texts recorded in a run."""
    records = [decode(row, log.body) for row in log.read(run, after, to)]
    return [r.event.text for r in records if isinstance(r.event, MessageReceived)]


def _without_first(append: Append) -> Append:
    return append._replace(rows=append.rows[1:])


def _with_other_data(append: Append) -> Append:
    first = append.rows[0]._replace(data=b'{"text":"forged"}')
    return append._replace(rows=(first, *append.rows[1:]))


def _with_another_run(append: Append) -> Append:
    return append._replace(rows=tuple(row._replace(run="b") for row in append.rows))


def _without_rows(append: Append) -> Append:
    return append._replace(rows=())


def _with_a_wrong_body(append: Append) -> Append:
    return append._replace(bodies={"ab" * 32: b"something else"})


class LogContract:
    """The promises of `playhead.logs.Log`, one test each."""

    @pytest.fixture
    def log(self) -> Any:
        """An empty log, closed after the test: to be overridden by the backend's test class."""
        raise NotImplementedError

    def test_an_empty_log_has_no_streams_no_records_and_every_run_at_its_beginning(
        self, log: Log
    ) -> None:
        assert log.head("a") == Head()
        assert log.stream("a") is None
        assert list(log.streams()) == []
        assert list(log.read("a")) == []
        assert list(log.follow()) == []

    def test_what_was_appended_is_read_back_unchanged_with_its_positions(self, log: Log) -> None:
        append = append_of("a", *said("one", "two", "three"))
        assert write(log, append) == 3
        rows = [row._replace(position=0) for row in log.read("a")]
        assert rows == list(append.rows)
        assert [row.position for row in log.read("a")] == [1, 2, 3]
        assert log.head("a") == Head(3, append.rows[-1].hash)
        assert {(type(row.held), type(row.imported)) for row in rows} == {(bool, bool)}

    def test_every_field_of_the_envelope_comes_back(self, log: Log) -> None:
        event = MessageReceived(text="x")
        append = append_of("a", event, command="c1")
        row = append.rows[0]._replace(held=True, cause=7, traceparent="00-1-2-01")
        row = row._replace(imported=True, key_id="k")
        row = row._replace(hash=row.computed_hash(b""))
        write(log, append._replace(rows=(row,)))
        assert list(log.read("a")) == [row._replace(position=1)]

    def test_read_gives_the_records_after_one_seq_up_to_another(self, log: Log) -> None:
        say(log, "a", "1", "2", "3", "4", "5")
        assert texts(log, "a", 2) == ["3", "4", "5"]
        assert texts(log, "a", 1, 3) == ["2", "3"]
        assert texts(log, "a", 5) == []
        assert texts(log, "a", 3, 3) == []

    def test_positions_are_dense_over_all_runs_and_follow_reads_on_from_any(self, log: Log) -> None:
        say(log, "a", "1")
        say(log, "b", "2", "3")
        say(log, "a", "4")
        assert [(r.position, r.run) for r in log.follow()] == [
            (1, "a"), (2, "b"), (3, "b"), (4, "a"),
        ]  # fmt: skip
        assert [r.position for r in log.follow(2)] == [3, 4]
        assert [r.position for r in log.follow(1, limit=2)] == [2, 3]
        assert list(log.follow(4)) == []

    def test_a_read_longer_than_any_chunk_gives_every_record_once_in_order(self, log: Log) -> None:
        write(log, append_of("a", *said(*map(str, range(1203)))))
        assert texts(log, "a") == list(map(str, range(1203)))
        assert [row.position for row in log.follow(3)] == list(range(4, 1204))

    def test_an_append_on_another_head_is_refused_and_writes_nothing(self, log: Log) -> None:
        say(log, "a", "1", "2")
        with pytest.raises(HeadMoved) as refused:
            write(log, append_of("a", *said("late")))
        assert (refused.value.run, refused.value.expected, refused.value.actual) == ("a", 0, 2)
        assert texts(log, "a") == ["1", "2"]

    def test_an_append_that_is_submitted_again_gets_its_position_and_is_written_once(
        self, log: Log
    ) -> None:
        append = append_of("a", *said("1", "2"))
        assert write(log, append) == 2
        say(log, "b", "3")
        assert write(log, append) == 2
        assert texts(log, "a") == ["1", "2"]

    def test_an_append_after_the_right_seq_but_another_history_is_refused(self, log: Log) -> None:
        say(log, "a", "1")
        with pytest.raises(HeadMoved):
            write(log, append_of("a", *said("2"), after=Head(1, b"another")))

    def test_of_two_appends_on_one_head_the_first_wins(self, log: Log) -> None:
        reported: SimpleQueue[int | Exception] = SimpleQueue()
        log.submit(append_of("a", *said("first")), reported.put)
        log.submit(append_of("a", *said("second")), reported.put)
        assert reported.get() == 1
        assert isinstance(reported.get(), HeadMoved)
        assert texts(log, "a") == ["first"]

    @pytest.mark.parametrize(
        "spoil",
        [
            _without_first,
            _with_other_data,
            _with_another_run,
            _without_rows,
            _with_a_wrong_body,
        ],
    )
    def test_rows_that_do_not_fit_are_refused_whole_and_only_for_their_run(
        self, log: Log, spoil: Callable[[Append], Append]
    ) -> None:
        reported: SimpleQueue[int | Exception] = SimpleQueue()
        log.submit(append_of("before", *said("fine")), reported.put)
        log.submit(spoil(append_of("a", *said("1", "2"))), reported.put)
        log.submit(append_of("after", *said("fine")), reported.put)
        outcomes = [reported.get() for _ in range(3)]
        assert isinstance(outcomes[1], ValueError)
        assert (outcomes[0], outcomes[2]) == (1, 2)
        assert log.stream("a") is None

    def test_a_row_that_points_at_a_body_nobody_has_is_refused(self, log: Log) -> None:
        append = append_of("a", ToolSucceeded(result="x" * 9000, duration_ms=1.0))
        with pytest.raises(ValueError):
            write(log, append._replace(bodies={}))
        assert log.stream("a") is None

    def test_a_big_body_is_read_back_by_its_hash_and_may_be_left_out_later(self, log: Log) -> None:
        event = ToolSucceeded(result="x" * 9000, duration_ms=1.0)
        append = append_of("a", event)
        (digest,) = append.bodies
        write(log, append)
        assert log.body(digest) == append.bodies[digest]
        write(log, append_of("b", event))
        write(log, append_of("c", event)._replace(bodies={}))
        for run in "abc":
            (row,) = log.read(run)
            assert decode(row, log.body).event == event

    @pytest.mark.parametrize("digest", ["ab" * 32, "no hash at all", ""])
    def test_a_body_that_is_not_there_is_a_key_error(self, log: Log, digest: str) -> None:
        with pytest.raises(KeyError):
            log.body(digest)

    def test_a_command_is_appended_once_in_the_whole_log(self, log: Log) -> None:
        write(log, append_of("a", *said("1"), command="c1"))
        assert log.has_command("c1")
        assert not log.has_command("c2")
        with pytest.raises(ValueError):
            write(log, append_of("b", *said("1"), command="c1"))
        assert log.stream("b") is None

    def test_two_submissions_of_one_command_at_once_append_it_once(self, log: Log) -> None:
        reported: SimpleQueue[int | Exception] = SimpleQueue()
        for run in "ab":
            log.submit(append_of(run, *said("1"), command="c1"), reported.put)
        outcomes = [reported.get(), reported.get()]
        assert [type(o) for o in outcomes] == [int, ValueError]

    def test_a_stream_keeps_its_kind_and_where_it_ends(self, log: Log) -> None:
        write(log, append_of("memory/x", *said("1"), kind="memory"))
        say(log, "a", "1", "2")
        found = log.stream("memory/x")
        assert found is not None
        assert (found.kind, found.parent, found.head) == ("memory", None, log.head("memory/x"))
        assert [(s.id, s.kind, s.head.seq) for s in log.streams()] == [
            ("memory/x", "memory", 1), ("a", "run", 2),
        ]  # fmt: skip
        with pytest.raises(ValueError):
            write(log, append_of("a", *said("3"), after=log.head("a"), kind="session"))
        assert texts(log, "a") == ["1", "2"]

    def test_a_lease_that_was_taken_over_cannot_write_any_more(self, log: Log) -> None:
        write(log, append_of("a", *said("1"), epoch=2))
        write(log, append_of("a", *said("2"), after=log.head("a"), epoch=3))
        with pytest.raises(LogError):
            write(log, append_of("a", *said("stale"), after=log.head("a"), epoch=2))
        assert texts(log, "a") == ["1", "2"]
        assert [row.hash for row in log.read("a")] == [
            row.hash for row in append_of("a", *said("1", "2")).rows
        ]  # the writer is not part of it

    def test_a_fork_reads_its_parents_records_through_the_pointer(self, log: Log) -> None:
        say(log, "a", "1", "2", "3", "4")
        fork(log, "b", "a", 2, "b3")
        fork(log, "c", "b", 3, "c4")
        say(log, "a", "5")
        say(log, "b", "b4")
        fork(log, "d", "c", 1, "d2")
        assert texts(log, "b") == ["1", "2", "b3", "b4"]
        assert texts(log, "c") == ["1", "2", "b3", "c4"]
        assert texts(log, "d") == ["1", "d2"]
        assert texts(log, "c", 1, 3) == ["2", "b3"]
        assert texts(log, "c", 3) == ["c4"]
        assert texts(log, "c", 0, 1) == ["1"]
        assert [row.seq for row in log.read("c")] == [1, 2, 3, 4]
        found = log.stream("c")
        assert found is not None
        assert (found.parent, found.parent_seq, found.head.seq) == ("b", 3, 4)

    def test_a_fork_must_go_on_from_its_parents_hash_at_that_seq(self, log: Log) -> None:
        say(log, "a", "1", "2")
        (first, second) = log.read("a")
        wrong = [Head(), Head(1, second.hash), Head(2, second.hash)]
        for head in wrong:
            with pytest.raises(HeadMoved):
                write(log, append_of("b", *said("x"), after=head, parent="a", parent_seq=1))
        write(log, append_of("b", *said("x"), after=Head(1, first.hash), parent="a", parent_seq=1))

    @pytest.mark.parametrize(("parent", "seq"), [("nobody", 1), ("a", 3), ("a", 0)])
    def test_a_fork_of_what_is_not_there_is_refused(self, log: Log, parent: str, seq: int) -> None:
        say(log, "a", "1", "2")
        with pytest.raises(ValueError):
            write(log, append_of("b", *said("x"), after=Head(seq), parent=parent, parent_seq=seq))
        assert log.stream("b") is None

    def test_a_child_names_its_parent_but_has_records_of_its_own_only(self, log: Log) -> None:
        say(log, "a", "1")
        write(log, append_of("child", *said("x"), parent="a"))
        assert texts(log, "child") == ["x"]
        found = log.stream("child")
        assert found is not None
        assert (found.parent, found.parent_seq, found.head.seq) == ("a", None, 1)

    def test_appends_of_one_run_are_written_in_the_order_of_submission(self, log: Log) -> None:
        reported: SimpleQueue[int | Exception] = SimpleQueue()
        head = Head()
        for number in range(200):
            append = append_of("a", *said(str(number)), after=head)
            head = Head(append.rows[-1].seq, append.rows[-1].hash)
            log.submit(append, reported.put)
        assert [reported.get() for _ in range(200)] == list(range(1, 201))
        assert texts(log, "a") == list(map(str, range(200)))

    def test_what_done_reports_can_already_be_read(self, log: Log) -> None:
        seen: SimpleQueue[list[str]] = SimpleQueue()
        log.submit(append_of("a", *said("1")), lambda _: seen.put(texts(log, "a")))
        assert seen.get() == ["1"]

    def test_an_append_from_inside_done_is_written_without_growing_the_stack(
        self, log: Log
    ) -> None:
        finished = threading.Event()

        def go_on(outcome: int | Exception) -> None:
            assert isinstance(outcome, int)
            if outcome == 2000:
                finished.set()
            else:
                log.submit(append_of("a", *said("x"), after=log.head("a")), go_on)

        log.submit(append_of("a", *said("x")), go_on)
        finished.wait()
        assert log.head("a").seq == 2000

    def test_after_close_an_append_is_told_that_the_log_is_closed(self, log: Log) -> None:
        say(log, "a", "1")
        append = append_of("a", *said("2"), after=log.head("a"))
        log.close()
        log.close()
        with pytest.raises(LogClosed):
            write(log, append)

    @pytest.mark.parametrize("seed", range(20))
    def test_any_order_of_appends_keeps_every_run_dense_and_the_log_in_commit_order(
        self, log: Log, seed: int
    ) -> None:
        random = Random(seed)
        written: dict[str, list[bytes]] = {run: [] for run in "abc"}
        for _ in range(random.randrange(20)):
            run = random.choice("abc")
            append = append_of(run, *said(*"x" * random.randint(1, 4)), after=log.head(run))
            write(log, append)
            written[run] += [row.hash for row in append.rows]
        everything = list(log.follow())
        assert [row.position for row in everything] == list(range(1, len(everything) + 1))
        assert len(everything) == sum(map(len, written.values()))
        for run, hashes in written.items():
            after = random.randint(0, len(hashes))
            assert [row.hash for row in log.read(run, after)] == hashes[after:]
            assert [row.hash for row in everything if row.run == run] == hashes

    # Streams with several writers: the log itself appends at their end

    def test_an_append_on_any_head_goes_to_the_end_of_its_stream_and_is_sealed_there(
        self, log: Log
    ) -> None:
        say(log, "a", "1")
        assert write(log, append_of("a", *said("2", "3"), after=ANY)) == 3
        assert write(log, append_of("new", *said("4"), after=ANY)) == 4
        for run, count in (("a", 3), ("new", 1)):
            previous = b""
            for seq, row in enumerate(log.read(run), 1):
                assert (row.seq, row.hash) == (seq, row.computed_hash(previous))
                previous = row.hash
            assert log.head(run) == Head(count, previous)
        say(log, "a", "5")
        assert texts(log, "a") == ["1", "2", "3", "5"]

    def test_an_append_on_any_head_is_still_checked(self, log: Log) -> None:
        write(log, append_of("a", *said("1"), epoch=2, command="c1"))
        for spoilt in (
            append_of("a", *said("stale"), after=ANY, epoch=1),
            append_of("a", *said("again"), after=ANY, epoch=2, command="c1"),
            append_of("a", *said("x"), after=ANY, epoch=2, kind="memory"),
            _without_rows(append_of("a", *said("x"), after=ANY, epoch=2)),
            _with_another_run(append_of("a", *said("x"), after=ANY, epoch=2)),
        ):
            with pytest.raises((LogError, ValueError)):
                write(log, spoilt)
        assert texts(log, "a") == ["1"]

    def test_of_32_writers_at_once_on_one_stream_nothing_is_lost(self, log: Log) -> None:
        reported: SimpleQueue[int | Exception] = SimpleQueue()
        together = threading.Barrier(32)

        def writer(number: int) -> None:
            together.wait()
            for count in range(10):
                append = append_of("shared", *said(f"{number}.{count}", "-"), after=ANY)
                reported.put(write(log, append))

        threads = [
            threading.Thread(target=writer, args=(number,), daemon=True) for number in range(32)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        positions = [reported.get() for _ in range(320)]
        assert sorted(map(str, positions)) == sorted(str(n) for n in range(2, 641, 2))
        found = texts(log, "shared")
        assert sorted(found[::2]) == sorted(f"{n}.{c}" for n in range(32) for c in range(10))
        assert set(found[1::2]) == {"-"}, "an append was torn apart"
        assert [row.seq for row in log.read("shared")] == list(range(1, 641))

    @pytest.mark.parametrize(
        ("beginning", "found"),
        [
            ("", ["b", "ab", "a", "a%", "á", "memory/x"]),
            ("a", ["ab", "a", "a%"]),
            ("ab", ["ab"]),
            ("a_", []),
            ("a%", ["a%"]),
            ("á", ["á"]),
            ("memory/", ["memory/x"]),
            ("c", []),
        ],
    )
    def test_streams_are_found_by_the_beginning_of_their_ids_oldest_first(
        self, log: Log, beginning: str, found: list[str]
    ) -> None:
        for run in ("b", "ab", "a", "a%", "á", "memory/x"):
            say(log, run, "1")
        assert [stream.id for stream in log.streams(beginning)] == found
