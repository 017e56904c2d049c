"""What other namespaces hold, and what came later, never changes an answer."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from playhead import Runtime
from playhead.events.log.memory import MemoryLog
from playhead.projections.stored.view import Views, views_path
from tests.memory.embedders import Counting

WORDS = ("invoice", "puppy", "car", "van", "the", "ocean", "fee", "Straße", "東京", "книга")
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
few = settings(max_examples=30, deadline=None)


def asked(runtime: Runtime, query: str, namespace: str, **more: Any) -> list[tuple[object, ...]]:
    """All that an answer says but for ids and places in the log."""
    return [
        (m.text, m.score, m.share, m.parts, len(m.occurrences), bool(m.superseded_by))
        for m in runtime.memory.recall(query, namespace, limit=20, **more)
    ]


@few
@given(st.lists(texts, min_size=1, max_size=8), st.lists(texts, max_size=8), texts)
def test_other_namespaces_content_never_changes_a_score_or_an_order(
    ours: list[str], theirs: list[str], query: str
) -> None:
    with Runtime(MemoryLog(), embedder=Counting()) as runtime:
        for n, text in enumerate(ours):
            runtime.memory.remember_all(theirs[n:], "globex")
            runtime.memory.remember(text, "acme")
            runtime.memory.remember(text, "alone")
        runtime.memory.remember_all(theirs * 3, "globex")
        among_others = asked(runtime, query, "acme")
    with Runtime(MemoryLog(), embedder=Counting()) as runtime:
        for text in ours:
            runtime.memory.remember(text, "acme")
        assert asked(runtime, query, "acme") == among_others


steps = st.lists(
    st.one_of(
        st.tuples(st.just("remember"), texts),
        st.tuples(st.just("supersede"), texts),
        st.tuples(st.just("forget"), st.just("")),
        st.tuples(st.just("forget all"), st.just("")),
        st.tuples(st.just("elsewhere"), texts),
    ),
    min_size=1,
    max_size=10,
)


def take(runtime: Runtime, step: tuple[str, str], ids: list[str]) -> None:
    """A step, on the oldest memory that is there where it needs one."""
    what, text = step
    match what:
        case "remember":
            ids.append(runtime.memory.remember(text, "acme"))
        case "supersede" if ids:
            ids.append(runtime.memory.remember(text, "acme", supersedes=ids[0]))
        case "forget" if ids:
            runtime.memory.forget(ids.pop(0))
        case "forget all" if ids:
            runtime.memory.forget_namespace("acme")
            ids.clear()
        case "elsewhere":
            runtime.memory.remember(text, "globex")
        case _:
            pass


@few
@given(steps, texts)
def test_as_of_says_what_a_log_cut_there_would_say(
    taken: list[tuple[str, str]], query: str
) -> None:
    log, ids, then = MemoryLog(), list[str](), list[tuple[int, list[tuple[object, ...]], int]]()
    with Runtime(log, embedder=Counting()) as runtime:
        for step in taken:
            take(runtime, step, ids)
            found = asked(runtime, query, "acme")
            then.append((position(runtime), found, runtime.memory.memories("acme").total))
        for as_of, found, total in then:
            assert asked(runtime, query, "acme", as_of=as_of) == found
            assert runtime.memory.memories("acme", as_of=as_of).total == total


def position(runtime: Runtime) -> int:
    return runtime.memory.index.reached


@few
@given(steps, texts)
def test_what_is_superseded_never_comes_before_its_successor(
    taken: list[tuple[str, str]], query: str
) -> None:
    with Runtime(MemoryLog(), embedder=Counting()) as runtime:
        ids = list[str]()
        for step in taken:
            take(runtime, step, ids)
            found = runtime.memory.recall(query, "acme", limit=20)
            place = {said.id: n for n, hit in enumerate(found) for said in hit.occurrences}
            for n, hit in enumerate(found):
                if hit.superseded_by:
                    assert place[hit.superseded_by] < n


def test_the_answers_are_the_same_without_the_views_after_reopening_and_in_another_process(
    tmp_path: Path,
) -> None:
    path = tmp_path / "m.db"
    with Runtime(path, embedder="offline") as runtime:
        old = runtime.memory.remember("Ada lives in Berlin", "acme", at=1, by="Ada")
        runtime.memory.remember("Ada lives in Paris", "acme", supersedes=old)
        runtime.memory.remember_all(["The ocean is near"] * 3, "acme")
        before = runtime.memory.recall("where does Ada live", "acme")
    with Runtime(path, embedder="offline") as runtime:
        assert runtime.memory.recall("where does Ada live", "acme") == before
    for left in tmp_path.glob(f"{views_path(path).name}*"):
        left.unlink()
    code = (
        "import sys; from playhead import Runtime\n"
        "with Runtime(sys.argv[1], embedder='offline') as runtime:\n"
        "    print(runtime.memory.recall('where does Ada live', 'acme'))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == str(before)


def test_asking_in_one_namespace_reads_nothing_of_anothers(tmp_path: Path) -> None:
    def work(neighbours: int) -> int:
        """Steps of SQLite's machine for one query."""
        with Runtime(tmp_path / f"{neighbours}.db", embedder="none") as runtime:
            runtime.memory.remember_all([f"invoice {n % 7} of the puppy" for n in range(100)], "us")
            runtime.memory.remember_all(["invoice of the puppy"] * neighbours, "them")
            runtime.memory.recall("puppy invoice", "us")
            views: Views = getattr(runtime.memory.index, "_views")  # noqa: B009 - it is private
            steps = 0

            def step() -> int:
                nonlocal steps
                steps += 1
                return 0

            views.connection.set_progress_handler(step, 1)
            runtime.memory.recall("puppy invoice", "us")
            views.connection.set_progress_handler(None, 0)
            return steps

    assert work(5000) == work(10)
