"""What the pages say, without a browser."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from playhead import RunNotFinished, Runtime
from playhead.events.codec import decode
from playhead.events.kinds.facts import FactLearned
from playhead.events.kinds.memory import MemoryForgotten
from playhead.events.kinds.runs import MessageReceived, RunStarted
from playhead.events.log.contract import Reader
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.spec.agent import AgentSpec, ModelSettings
from playhead.inspector.filters import shown, soft
from playhead.inspector.log_data import Library
from playhead.inspector.pages import CHUNK, Pages
from playhead.inspector.run_data import Reading
from playhead.projections.history.diff import difference
from playhead.testing import call
from playhead.testing.appends import append_of, write
from tests.inspector.runs import EVIL, HIDDEN, agent, hostile, long_run


@contextmanager
def pages(log: Reader) -> Generator[TestClient]:
    library = Library(log)
    with TestClient(Pages(library).app()) as client:
        yield client
    library.close()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


PATHS = (
    "", "/waterfall", "/records", "/records/5", "/plan", "/memory", "/cost", "/fork", "/rows",
    "/at/1", "/at/5",
)  # fmt: skip


def test_what_a_model_says_is_text_on_every_page(log: MemoryLog) -> None:
    run = hostile(log)
    with pages(log) as client:
        for path in (
            "/",
            "/compare",
            "/metrics",
            "/waiting",
            "/memory",
            *(f"/runs/{run}{p}" for p in PATHS),
        ):
            answer = client.get(path)
            assert answer.status_code == 200
            assert "<img src=x" not in answer.text
            assert "<script>document" not in answer.text
            assert HIDDEN[4] not in answer.text
        assert "&lt;script&gt;" in client.get(f"/runs/{run}").text
        assert "U+202E" in client.get(f"/runs/{run}").text


def test_a_failed_run_opens_with_what_explains_it(log: MemoryLog) -> None:
    someone = agent([call("fail", why=f"no <b>order</b> {EVIL}")] * 9)
    with Runtime(log, [someone]) as runtime, pytest.raises(RunNotFinished) as failed:
        runtime.run(someone, "g")
    with pages(log) as client:
        page = client.get(f"/runs/{failed.value.run}").text
    assert "fail failed 4 times with the same error" in page
    assert page.index("failed 4 times") < page.index('class="story"')
    assert f"playhead why {failed.value.run}" in page
    assert "<b>order</b>" not in page


def test_what_an_address_says_is_text_too(log: MemoryLog) -> None:
    with pages(log) as client:
        for address in ("/?run={}", "/?status={}", "/metrics?agent={}", "/compare?left={}"):
            page = client.get(address.format('"><script>alert(1)</script>')).text
            assert "<script>alert" not in page


@given(st.text())
def test_every_text_is_shown_whole_and_without_markup(text: str) -> None:
    page = str(shown(text))
    marks = re.sub(
        r'<span class="hidden" title="U\+[0-9A-F]+ [^"<>]*">U\+([0-9A-F]+)</span>', "", page
    )
    assert "<" not in marks
    assert ">" not in marks
    assert '"' not in marks


@given(st.text(max_size=200))
def test_a_text_that_may_wrap_is_shown_whole_too(text: str) -> None:
    assert str(soft(text)).replace("<wbr>", "") == str(shown(text)).replace("<wbr>", "")


def test_a_long_name_breaks_at_its_joints() -> None:
    assert soft("cache_creation_input_tokens") == "cache_<wbr>creation_<wbr>input_<wbr>tokens"


@pytest.mark.parametrize(
    "character", ["\u202e", "\u200b", "\x1b", "\u2066", "\U000e0041", "\ufeff"]
)
def test_a_character_that_hides_is_named(character: str) -> None:
    assert f"U+{ord(character):04X}" in shown(f"a{character}b")


def test_an_empty_log_explains_itself(log: MemoryLog) -> None:
    with pages(log) as client:
        assert "No runs here yet" in client.get("/").text
        assert "Nothing to measure yet" in client.get("/metrics").text
        assert "Nothing waits for you" in client.get("/waiting").text
        assert "Choose two runs" in client.get("/compare").text


def test_what_is_not_there_is_said_plainly(log: MemoryLog) -> None:
    hostile(log)
    with pages(log) as client:
        answer = client.get("/runs/nobody")
        assert (answer.status_code, "there is no run" in answer.text) == (404, True)
        assert client.get("/nowhere").status_code == 404


def test_a_long_run_is_sent_in_pieces(log: MemoryLog) -> None:
    run = long_run(log, 3 * CHUNK)
    with pages(log) as client:
        page = client.get(f"/runs/{run}/records?at={CHUNK + 1}").text
        assert page.count('class="row') == CHUNK
        assert f'id="r{CHUNK + 1}"' in page
        rows = client.get(f"/runs/{run}/rows?from={2 * CHUNK + 1}").text
        assert f'id="r{2 * CHUNK + 1}"' in rows


def test_the_context_at_a_record_shows_what_the_record_brought(log: MemoryLog) -> None:
    someone = agent([call("add", a=1, b=2), "It is 3."])
    with Runtime(log, [someone]) as runtime:
        run = runtime.run(someone, "What is 1 + 2?").run_id
    reading = Reading(log, run)
    reading.catch_up()
    kinds = {record.event.kind: record.seq for record in reading.records}
    after = reading.at(kinds["tool_succeeded"])
    assert [said.message["role"] for said in after.context] == ["user", "assistant", "user"]
    assert [said.new for said in after.context] == [False, False, True]
    assert "3" in str(after.context[-1].message)
    before = reading.at(1)
    assert (before.context, before.status) == ([], "running")
    assert reading.at(len(reading.records)).status == "finished"


def test_time_travel_backwards_and_forwards_gives_the_same(log: MemoryLog) -> None:
    run = hostile(log)
    reading = Reading(log, run)
    reading.catch_up()
    seqs = range(1, len(reading.records) + 1)
    assert [reading.at(seq) for seq in seqs] == [reading.at(seq) for seq in reversed(seqs)][::-1]


def test_causes_lead_back_to_the_beginning_and_effects_forwards(log: MemoryLog) -> None:
    run = hostile(log)
    reading = Reading(log, run)
    reading.catch_up()
    last = reading.at(len(reading.records))
    assert last.causes[-1].seq == 1
    for row in reading.rows:
        for effect in reading.at(row.seq).effects:
            assert effect.cause == row.seq


def test_a_bar_lasts_from_an_intent_to_its_outcome(log: MemoryLog) -> None:
    run = hostile(log)
    reading = Reading(log, run)
    reading.catch_up()
    whole, step = reading.rows[0], next(r for r in reading.rows if r.bar == "step")
    assert (whole.begin, whole.end) == reading.span
    calls = [row for row in reading.rows if row.bar in ("model", "tool")]
    assert len(calls) == 3
    for row in calls:
        assert step.begin <= row.begin <= (row.end or 0) <= (step.end or 0) <= (whole.end or 0)
    assert [row.trouble for row in calls] == [False, True, False]


def test_reading_piece_by_piece_gives_the_same_rows(log: MemoryLog) -> None:
    run = hostile(log)
    whole = Reading(log, run)
    whole.catch_up()

    class Short:
        """A log that ends, for now, after so many records."""

        end = 0

        def read(self, name: str, after: int = 0) -> Any:
            return log.read(name, after, max(after, self.end))

        body = staticmethod(log.body)

    short = Short()
    pieces = Reading(short, run)  # type: ignore[arg-type]
    for end in range(len(whole.records) + 1):
        short.end = end
        pieces.catch_up()
    assert pieces.rows == whole.rows


def test_memory_is_shown_with_its_sources() -> None:
    started = RunStarted(
        goal="g", agent=AgentSpec(name="a", instructions="", model=ModelSettings(model="m")),
        code="1",
    )  # fmt: skip
    fact = FactLearned(
        schema_name="s", entity="Ada", field="born", value=1815, sources=(2,), quote=EVIL,
        confidence=0.9,
    )  # fmt: skip
    log = MemoryLog()
    said = MessageReceived(text="Ada was born in 1815.")
    write(log, append_of("r", started, said, fact, MemoryForgotten(id="m1", namespace="n")))
    with pages(log) as client:
        page = client.get("/runs/r/memory").text
    assert "1815" in page
    assert 'href="/runs/r/records?at=2">2</a>' in page
    assert "Memory forgotten" in page
    assert "<img src=x" not in page


def test_runs_side_by_side_differ_as_the_diff_command_says(log: MemoryLog) -> None:
    runs: list[str] = []
    for answer in ("One.", "Another."):
        someone = agent([call("add", a=1, b=2), answer])
        with Runtime(log, [someone]) as runtime:
            runs.append(runtime.run(someone, "Add.").run_id)
    with pages(log) as client:
        page = client.get(f"/compare?left={runs[0]}&right={runs[1]}").text
    left, right = ([decode(row, log.body) for row in log.read(run)] for run in runs)
    assert page.count("pair differs") == sum(not p.same for p in difference(left, right).pairs) == 1


def test_the_page_of_a_log_that_another_process_writes_only_reads(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    hostile(str(path))
    before = path.read_bytes()
    reader = SqliteReader(path)
    with pages(reader) as client:
        assert client.get("/").status_code == 200
    reader.close()
    assert path.read_bytes() == before


def test_prometheus_can_scrape(log: MemoryLog) -> None:
    hostile(log)
    with pages(log) as client:
        assert 'playhead_runs{agent="clerk",status="finished"} 1' in client.get("/metrics.txt").text
