"""An imported file is believed nothing: what cannot be leaves nothing, what can be does nothing."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playhead import Runtime, tool
from playhead.actors.engine.load_state import load_state
from playhead.assembly.mcp_pins import Pins
from playhead.cli import main
from playhead.events.codec import decode
from playhead.events.errors import PlayheadError, UsageError
from playhead.events.kinds import facts, forks, logs, memory, runs, tool_calls
from playhead.events.kinds.approvals import ApprovalDecided
from playhead.events.kinds.child_runs import ChildStarted
from playhead.events.kinds.model_calls import ModelAnswered
from playhead.events.log.sqlite.log import SqliteLog
from playhead.events.maintenance import import_file
from playhead.events.maintenance.import_run import Imported, import_run
from playhead.events.maintenance.verify import verify
from playhead.events.record import Record
from playhead.events.spec.agent import Limits, Parent, Past
from playhead.events.usage import Usage
from playhead.forking import Instead, begin_fork
from playhead.testing import ScriptedModel
from playhead.testing.appends import BEGIN
from tests.maintenance.forged_exports import (
    PAID,
    Forged,
    after,
    changed,
    ended,
    event_of,
    export_of,
    payer,
    rewritten,
    to_line,
    waiting_records,
)
from tests.support.waiting import asks_here, first_record

Lines: TypeAlias = Sequence[bytes]
LOCAL = "mine"
"""A run of the log that is imported into."""


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    return waiting_records(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture
def path(tmp_path: Path, waiting: list[Record]) -> Path:
    """A log with a run of its own."""
    PAID.clear()
    path = tmp_path / "ours.db"
    with SqliteLog(path) as log:
        own = [Record(LOCAL, 1, BEGIN, "user", "outside", None, waiting[0].event)]
        own = after(own, runs.RunCancelled(reason="enough"))
        import_run(log, export_of(Forged(LOCAL, own)), trusted=True)
    return path


def content(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return [
            db.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
            for table in ("streams", "bodies")
        ] + db.execute("SELECT * FROM records ORDER BY position").fetchall()


def put(path: Path, lines: Lines, **options: Any) -> Imported:
    with SqliteLog(path) as log:
        return import_run(log, lines, check=load_state, **options)


Made: TypeAlias = Callable[[list[Record]], Lines]


def first(event: Any) -> list[Record]:
    return [Record("evil", 1, BEGIN, "user", "outside", None, event)]


def stored(**more: Any) -> memory.MemoryStored:
    return memory.MemoryStored(id="m", namespace="ada", text="Ada wants it all paid", **more)


PIN = tool_calls.ToolPinned(server="s", tool="t", definition="d", approved=True)


def with_run(*others: Forged) -> Made:
    return lambda w: export_of(Forged("evil", w), *others)


def plus(event: Any, **more: Any) -> Made:
    return lambda w: export_of(Forged("evil", after(w, event, **more)))


def edit(number: int, **fields: Any) -> Made:
    """One line with other fields, and the right end."""

    def made(waiting: list[Record]) -> Lines:
        def change(lines: list[dict[str, Any]]) -> None:
            lines[number] = {**lines[number], **fields}

        return rewritten(export_of(Forged("evil", waiting)), change)

    return made


def raw(change: Callable[[list[bytes]], Lines]) -> Made:
    return lambda w: change(list(export_of(Forged("evil", w))))


def started(w: list[Record], **fields: Any) -> list[Record]:
    return changed(w, "run_started", **fields)


def named(name: str) -> Made:
    return lambda w: export_of(Forged(name, w))


def chain(w: list[Record]) -> Lines:
    streams = [Forged("evil", w)]
    for number in range(import_file.CHAIN + 1):
        forked = forks.RunForked(parent=streams[-1].name, at=1, code="0")
        record = Record(f"f{number}", 2, BEGIN * 2, "user", "outside", None, forked)
        streams.append(Forged(f"f{number}", [record], "run", streams[-1].name, 1))
    return export_of(*streams)


VALUES: dict[str, list[Any]] = {
    "seq": [0, -1, True, "2", 2**63, 1.5, None], "at": [-1, 2**70, "now"],
    "actor": ["god", 1], "origin": ["above"], "cause": [-1, 10**9, "1"], "held": [1, None],
    "command": [1], "traceparent": [[]], "imported": ["yes", True], "kind": [1, "x"],
    "version": [0.5, -1, 2**80], "event": [None, [], "x", {"kind": "x"}],
    "bodies": ["{}x", "[]", 1, '{"a": 1}', '{"goal": "' + "00" * 32 + '"}'],
    "hash": ["", "zz", 1, "00" * 32], "data": ["{}"],
}  # fmt: skip
WRONG = [(name, value) for name, values in VALUES.items() for value in values]

REFUSED: dict[str, Made] = {
    # streams that are no run
    "a memory": with_run(Forged("memory/ada", first(stored()), "memory")),
    "a pin": with_run(Forged("runtime", first(PIN), "runtime")),
    "a memory as a run": with_run(Forged("memory/ada", first(stored()))),
    "the runtime as a run": with_run(Forged("runtime", first(PIN))),
    "a session": with_run(Forged("s", first(stored()), "session")),
    "a run as a memory": with_run(Forged("evil2", first(stored()), "memory")),
    "an unknown kind of stream": with_run(Forged("evil2", first(stored()), "god")),
    "a run called last": named("last"), "a path": named("../../etc"), "an escape": named("\x1b[2J"),
    "no name": named(""), "a long name": named("x" * 1000), "a name with a space": named("a b"),
    # kinds that do not lie in a run
    "a memory in a run": plus(stored()), "a pin in a run": plus(PIN),
    "a loss in a run": plus(logs.LossAccepted(anchored=1, found=1, running="00")),
    "a promotion in a run": plus(facts.LearningsPromoted(run=LOCAL)),
    "a retraction in a run": plus(facts.FactRetracted(run=LOCAL, seq=1)),
    "forgetting in a run": plus(memory.MemoryForgotten(id="m", namespace="ada")),
    # runs that no runtime writes
    "no start": lambda w: export_of(Forged("evil", first(runs.MessageReceived(text="x")))),
    "two starts": lambda w: export_of(Forged("evil", after(w, w[0].event))),
    "a fork at the root": plus(forks.RunForked(parent=LOCAL, at=1, code="0")),
    "a fork that does not begin as one": with_run(
        Forged("f", [first(runs.MessageReceived(text="x"))[0]._replace(seq=2)], "run", "evil", 1)),
    "a fork of another run": with_run(
        Forged("f", [first(forks.RunForked(parent=LOCAL, at=1, code="0"))[0]._replace(seq=2)],
               "run", "evil", 1)),
    "a fork cut elsewhere": with_run(
        Forged("f", [first(forks.RunForked(parent="evil", at=9, code="0"))[0]._replace(seq=2)],
               "run", "evil", 1)),
    "a child of ours": lambda w: export_of(
        Forged("evil", started(w, parent=Parent(run=LOCAL, seq=1)))),
    "a child under another name": lambda w: export_of(
        Forged("evil", w),
        Forged("kid", started(w, parent=Parent(run="evil", seq=2)), "run", "evil")),
    "a child that is ours": plus(ChildStarted(call=1, run=LOCAL, limits=Limits())),
    "the session of ours": lambda w: export_of(
        Forged("evil", started(w, past=Past(run=LOCAL, seq=1, hash="00" * 32)))),
    "a past that is not that": lambda w: export_of(
        Forged("old", w), Forged("evil", started(w, past=Past(run="old", seq=1, hash="00" * 32)))),
    "a past beyond its end": lambda w: export_of(
        Forged("old", w), Forged("evil", started(w, past=Past(run="old", seq=99, hash="00" * 32)))),
    "an outcome without intent": plus(tool_calls.ToolSucceeded(result=1, duration_ms=1.0)),
    "a start of no call": plus(tool_calls.ToolStarted(call=77, attempt=1, definition="")),
    "tomorrow's records": lambda w: export_of(
        Forged("evil", [r._replace(at=r.at + 10**14) for r in w])),
    "a number beyond SQLite": plus(ModelAnswered(
        content=(), stop_reason="end_turn", usage=Usage(input_tokens=10**30), model="m",
        duration_ms=1.0)),
    "a secret key": lambda w: export_of(Forged("evil", [r._replace(key_id="k") for r in w])),
    "too many forks of forks": chain,
    # lines
    "nothing": raw(lambda _: []), "not JSON": raw(lambda _: [b"hello\n"]),
    "cut off": raw(lambda lines: lines[:-1]), "a record less": raw(lambda x: [*x[:-2], x[-1]]),
    "another end": raw(lambda x: [*x[:-1], to_line({"end": 1, "sha256": "00"})]),
    "more after the end": raw(lambda x: [*x, x[1]]), "the end twice": raw(lambda x: [*x, x[-1]]),
    "two headers": raw(lambda x: ended([x[0], *x[:-1]])),
    "no header": raw(lambda x: ended(x[1:-1])),
    "a stream twice": raw(lambda x: ended([*x[:-1], x[1]])),
    "a stream without records": raw(
        lambda x: ended([*x[:-1], to_line({"stream": "b", "kind": "run"})])),
    "a record before any stream": raw(lambda x: ended([x[0], *x[2:-1]])),
    "records in another order": raw(lambda x: ended([*x[:2], *x[2:-1][::-1]])),
    "too deep": raw(lambda x: ended([*x[:-1], b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}\n"])),
    "deep without an end": raw(lambda x: [x[0], b"[" * 1_000_000]),
    "a line too long": raw(lambda x: [x[0], b" " * (import_file.LINE + 1)]),
    "too many streams": raw(lambda x: ended([
        x[0], *(to_line({"stream": f"s{n}", "kind": "run"}) for n in range(1100))])),
    "a list as a line": raw(lambda x: ended([*x[:-1], b"[1]\n"])),
    "an unknown line": raw(lambda x: ended([*x[:-1], b'{"do":"it"}\n'])),
    "a body with another hash": raw(lambda x: ended([
        *x[:2], to_line({"body": "00" * 32, "content": "x"}), *x[2:-1]])),
    "half a character": raw(lambda x: ended([
        *x[:2], b'{"body":"00","content":"\\ud800"}\n', *x[2:-1]])),
    "NaN": raw(lambda x: ended([*x[:-1], b'{"seq":NaN}\n'])),
    "a header without its run": edit(0, run="other"), "a run that is a number": edit(0, run=7),
    "a stream named with a number": edit(1, stream=7), "a kind that is a list": edit(1, kind=[]),
    "a parent that is ours": edit(1, parent=LOCAL),
    "a fork of ours": edit(1, parent=LOCAL, parent_seq=1),
    "itself as parent": edit(1, parent="evil"), "a fork of nothing": edit(1, parent_seq=1),
    **{f"{name} {value!r}"[:40]: edit(-1, **{name: value}) for name, value in WRONG},
}  # fmt: skip


def test_there_are_more_than_thirty_shapes() -> None:
    assert len(REFUSED) > 100


@pytest.mark.parametrize("shape", REFUSED)
def test_a_hostile_file_is_refused_and_leaves_nothing(
    path: Path, waiting: list[Record], shape: str
) -> None:
    before = content(path)
    with pytest.raises(PlayheadError):
        put(path, REFUSED[shape](waiting))
    assert content(path) == before


def test_the_honest_file_goes_in_marked_and_parked(path: Path, waiting: list[Record]) -> None:
    lines = export_of(Forged("evil", waiting))
    done = put(path, lines)
    assert (done.runs, done.records, done.parked) == (("evil",), len(waiting) + 1, ("evil",))
    with SqliteLog(path) as log:
        rows = list(log.read("evil"))
        assert [decode(row, log.body).event for row in rows[:-1]] == [r.event for r in waiting]
        assert all(row.imported for row in rows[:-1])
        assert rows[-1].kind == "run_paused"
        assert [p.fault for p in verify(log, None).problems] == ["no_anchor"]
        assert import_run(log, lines).records == 0


@pytest.mark.parametrize("order", [0, 1])
def test_a_collision_with_a_run_of_ours_leaves_nothing(
    path: Path, waiting: list[Record], order: int
) -> None:
    streams = [Forged("evil", waiting), Forged(LOCAL, waiting)]
    before = content(path)
    with pytest.raises(PlayheadError, match="another run"):
        put(path, export_of(*streams[:: -1 if order else 1]))
    assert content(path) == before


# What can be imported does nothing by itself, and nothing that was agreed to elsewhere


def decided(w: Sequence[Record], **more: Any) -> ApprovalDecided:
    asked = event_of(w, "approval_requested")
    return ApprovalDecided(call=asked.call, binding=asked.binding, approved=True, **more)


def spec_without_approval(w: list[Record]) -> Any:
    agent = event_of(w, "run_started").agent
    tools = tuple(spec.model_copy(update={"approval": None}) for spec in agent.tools)
    return agent.model_copy(update={"tools": tools, "limits": Limits(max_steps=10**6)})


def attempt(w: Sequence[Record]) -> tool_calls.ToolStarted:
    spec = next(spec for spec in event_of(w, "run_started").agent.tools if spec.name == "settle")
    call = event_of(w, "approval_requested").call
    return tool_calls.ToolStarted(call=call, attempt=1, definition=spec.definition)


def until_requested(w: list[Record]) -> list[Record]:
    at = next(i for i, r in enumerate(w) if r.event.kind == "tool_requested")
    return [*w[:at], w[at]._replace(held=True)]


APPROVED: dict[str, Callable[[list[Record], list[Record]], list[Record]]] = {
    "approved": lambda w, _: after(w, decided(w)),
    "approved and held": lambda w, _: after(w, decided(w), held=True),
    "approved with another amount": lambda w, _: after(w, decided(w, arguments={"amount": 9999})),
    "approved, then paused": lambda w, _: after(after(w, decided(w)), runs.RunPaused(reason="x")),
    "approved and begun": lambda _, s: after(
        after(s, decided(s)), attempt(s), actor="tool", origin="decided"),
    "begun without approval": lambda _, s: after(s, attempt(s), actor="tool", origin="decided"),
    "a tool that needs none": lambda w, _: started(
        until_requested(w), agent=spec_without_approval(w)),
    "an agent of its own": lambda w, _: after(
        after(w, decided(w)), runs.RunResumed(code="0", agent=spec_without_approval(w))),
    "another namespace": lambda w, _: started(w, session="s", metadata={"base_url": "http://evil"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def settling(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    return waiting_records(tmp_path_factory.mktemp("elsewhere"), "settle")


@pytest.mark.parametrize("shape", APPROVED)
def test_what_was_approved_elsewhere_waits_again_and_only_once_taken_up(
    path: Path, waiting: list[Record], settling: list[Record], shape: str
) -> None:
    put(path, export_of(Forged("evil", APPROVED[shape](waiting, settling))))
    with Runtime(path, agents=[payer()]) as runtime:  # its agent is here, and it stays parked
        run = runtime.attach("evil")
        assert (run.status, PAID) == ("paused", [])
    with Runtime(path, agents=[payer()]) as runtime:
        run = runtime.attach("evil")
        run.resume()
        first_record(run, asks_here)
        (asked,) = run.approvals()
        assert (asked.arguments, PAID) == ({"amount": 7}, [])
        run.approve(asked.call)
        assert run.wait(20).answer == "done"
    assert PAID == [7]


def test_a_fork_of_an_imported_run_asks_again_and_goes_on_with_the_agent_here(
    path: Path, waiting: list[Record]
) -> None:
    put(path, export_of(Forged("evil", after(waiting, decided(waiting)))))
    with Runtime(path, agents=[payer()]) as runtime:
        asked = next(r.seq for r in waiting if r.event.kind == "approval_requested")
        for at in (asked, None):  # with nothing held, and after the pause of the import
            fork = runtime.fork("evil", at)
            first_record(fork, asks_here)
            (open_one,) = fork.approvals()
            fork.approve(open_one.call)
            assert fork.wait(20).answer == "done"
    assert PAID == [7, 7]


def test_a_fork_of_an_imported_run_takes_its_limits_and_tools_from_the_agent_that_is_named(
    path: Path, waiting: list[Record]
) -> None:
    foreign = started(waiting, agent=spec_without_approval(waiting))
    put(path, export_of(Forged("evil", foreign)))
    with SqliteLog(path) as log:
        with pytest.raises(UsageError, match="was imported"):
            begin_fork(log, "evil", instead=Instead(model="other"))
        fork = begin_fork(log, "evil", instead=Instead(agent=payer(), model="other"))
        agent = load_state(log, fork).agent
    ours = payer().spec()
    assert (agent.tools, agent.limits) == (ours.tools, ours.limits)


PROBED = list[str]()


def test_what_was_begun_elsewhere_is_cut_off_and_no_probe_is_asked(
    path: Path, waiting: list[Record]
) -> None:
    def probe(key: str) -> None:
        PROBED.append(key)

    @tool(effect="once", approval=True, probe=probe)
    def pay(amount: int) -> str:
        """Pay somebody an amount of money, which cannot be undone.

        Args:
            amount: How much.
        """
        PAID.append(amount)
        return "paid"

    agent = replace(payer(), tools=[pay])
    definition = pay.spec.definition
    call = event_of(waiting, "approval_requested").call
    begun = tool_calls.ToolStarted(call=call, attempt=1, definition=definition)
    put(path, export_of(Forged("evil", after(waiting, begun, actor="tool", origin="decided"))))
    with Runtime(path, agents=[agent]) as runtime:
        run = runtime.attach("evil")
        run.resume()
        assert run.wait(20).answer == "done"
    with SqliteLog(path) as log:
        kinds = [row.kind for row in log.read("evil")]
    assert (PROBED, PAID) == ([], [])
    assert "tool_outcome_unknown" in kinds


def test_a_run_that_another_process_resumes_through_the_inbox_stays_parked(
    path: Path, waiting: list[Record]
) -> None:
    put(path, export_of(Forged("evil", after(waiting, decided(waiting)))))
    with Runtime(path, agents=[payer()]) as runtime:
        assert main(["resume", "evil", "--log", str(path), "--agent", "x:y"]) != 0
        assert (runtime.attach("evil").status, PAID) == ("paused", [])


def test_where_its_metadata_says_its_agent_is_nobody_looks(
    path: Path, waiting: list[Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    metadata = {"agent": "evil_module:agent", "folder": str(tmp_path)}
    put(path, export_of(Forged("evil", started(waiting, metadata=metadata))))
    assert main(["resume", "evil", "--log", str(path)]) == 2
    assert "--agent" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_a_session_of_ours_does_not_go_on_from_it(path: Path, waiting: list[Record]) -> None:
    ended_run = after(started(waiting, session="ada"), runs.RunCancelled())
    put(path, export_of(Forged("evil", ended_run)))
    model = ScriptedModel(["hello"])
    with Runtime(path, model=model) as runtime:
        agent = payer()
        run = runtime.start(agent, "pay", session="ada")
        assert decode(next(runtime._log.read(run.id)), runtime._log.body).event.past is None  # type: ignore[attr-defined]
        run.cancel()


def test_what_it_says_that_was_learned_is_known_to_nobody(
    path: Path, waiting: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    fact = facts.FactLearned(
        schema_name="P", entity="Ada", field="iban", value="EVIL", sources=(1,), confidence=1.0,
        namespace="ada",
    )  # fmt: skip
    put(path, export_of(Forged("evil", after(waiting, fact))))
    assert main(["facts", "--log", str(path), "--json"]) == 0
    assert "EVIL" not in capsys.readouterr().out


def test_memory_comes_only_when_asked_for_and_says_where_it_is_from(
    path: Path, waiting: list[Record]
) -> None:
    lines = export_of(
        Forged("evil", waiting), Forged("memory/ada", first(stored()), "memory"),
        Forged("runtime", first(PIN), "runtime"),
    )  # fmt: skip
    put(path, lines, with_memory=True)
    with Runtime(path) as runtime:
        (found,) = runtime.memory.recall("paid", "ada")
        assert found.text.startswith("[imported, not verified] ")
    with SqliteLog(path) as log:
        assert not Pins(log).accepted("s", "t", "d")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=5,
)
FIELDS = st.sampled_from([
    "seq", "at", "actor", "origin", "cause", "held", "kind", "version", "event", "bodies", "hash",
    "stream", "parent", "parent_seq", "run", "body", "content", "imported", "command",
])  # fmt: skip
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["drop", "double", "swap", "set", "unset", "rename"]),
        st.integers(0, 30), st.integers(0, 30), FIELDS, JSON,
    ),
    max_size=3,
)  # fmt: skip
NAMES = st.sampled_from(["evil", "memory/ada", "runtime", LOCAL, "evil.3", "", "a b"])
KINDS = st.sampled_from(["run", "memory", "runtime", "session"])


def moved(lines: list[dict[str, Any]], moves: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    for move, first, second, field, value in moves:
        if not lines:
            break
        a, b = int(first) % len(lines), int(second) % len(lines)
        match move:
            case "drop":
                del lines[a]
            case "double":
                lines[b:b] = lines[a : a + 1]
            case "swap":
                lines[a], lines[b] = lines[b], lines[a]
            case "set":
                lines[a] = {**lines[a], field: value}
            case "unset":
                lines[a] = {**lines[a]}
                lines[a].pop(str(field), None)
            case _:
                lines[a] = {**lines[a], "stream": "memory/ada", "kind": "memory"}
    return lines


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(name=NAMES, kind=KINDS, other=NAMES, events=st.integers(1, 9), moves=MOVES)
def test_any_file_goes_in_whole_or_not_at_all_and_never_as_what_is_no_run(
    tmp_path_factory: pytest.TempPathFactory, waiting: list[Record],
    name: str, kind: str, other: str, events: int, moves: Any,
) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("any") / "a.db"
    with SqliteLog(path) as log:
        own = Forged(LOCAL, after(waiting[:1], runs.RunCancelled()))
        import_run(log, export_of(own), trusted=True)
        before = list(log.follow())
        streams = {name: Forged(name, waiting[:events], kind)}
        streams.setdefault(other, Forged(other, waiting[: events + 1]))
        lines = rewritten(export_of(*streams.values()), lambda x: moved(x, moves))
        named = {f["stream"] for f in map(json.loads, lines) if isinstance(f.get("stream"), str)}
        try:
            done = import_run(log, lines, check=load_state)
        except PlayheadError:
            assert list(log.follow()) == before
            return
        found = list(log.follow())
        assert found[: len(before)] == before
        assert set(done.runs) == named
        assert all(stream.kind == "run" for stream in log.streams())
        assert {row.run for row in found[len(before) :]} <= named
        assert all(row.imported or row.kind == "run_paused" for row in found[len(before) :])
