"""Vectors are recorded outcomes: made once, read from the log, made anew by another embedder."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from playhead import Redactor, Runtime
from playhead.actors.append import append_event
from playhead.events.codec import decode
from playhead.events.errors import UsageError
from playhead.events.kinds.memory import Embedded, EmbedRequested, MemoryStored
from playhead.events.log.contract import Reader
from playhead.events.log.memory import MemoryLog
from playhead.memory.store import NewMemory
from playhead.projections.memory.search import Ranking
from playhead.projections.stored.view import views_path
from playhead.tools.models.embedders import OfflineEmbedder
from tests.memory.embedders import DOWN, Counting
from tests.memory.labelled import sentences

BY_MEANING = Ranking(words=0)


def texts(runtime: Runtime, query: str, namespace: str = "acme") -> list[str]:
    return [m.text for m in runtime.memory.recall(query, namespace, limit=1, ranking=BY_MEANING)]


def outcomes(log: Reader, namespace: str = "acme") -> list[Embedded]:
    events = [decode(row, log.body).event for row in log.read(f"memory/{namespace}")]
    return [event for event in events if isinstance(event, Embedded)]


def test_a_memory_is_found_by_its_meaning_where_no_word_is_shared() -> None:
    with Runtime(MemoryLog(), embedder=Counting()) as runtime:
        runtime.memory.remember_all(["a puppy at home", "the ocean is near"], "acme")
        (found,) = runtime.memory.recall("hound", "acme", limit=1)
        assert found.text == "a puppy at home"
        assert found.parts.keys() == {"meaning"}
        assert found.parts["meaning"].rank == 1


def test_a_memory_says_which_record_it_comes_from() -> None:
    log = MemoryLog()
    with Runtime(log, embedder=Counting()) as runtime:
        runtime.memory.remember("a puppy at home", "acme")
        (found,) = runtime.memory.recall("puppy", "acme")
        assert (found.run, found.seq) == ("memory/acme", 1)
        assert found.parts["words"].rank == found.parts["meaning"].rank == 1


def test_vectors_come_from_the_log_after_reopening_and_after_a_rebuild(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with Runtime(path, embedder=Counting()) as runtime:
        runtime.memory.remember_all(["a puppy", "the sea", "an invoice for the van"], "acme")
        before = runtime.memory.recall("which vehicle has a fee?", "acme")
    for rebuilt in (False, True):
        if rebuilt:
            for left in tmp_path.glob(f"{views_path(path).name}*"):
                left.unlink()
        embedder = Counting()
        with Runtime(path, embedder=embedder) as runtime:
            assert runtime.memory.recall("which vehicle has a fee?", "acme") == before
        assert embedder.texts == ["which vehicle has a fee?"]


def test_another_version_of_the_embedder_makes_them_anew_once() -> None:
    log = MemoryLog()
    with Runtime(log, embedder=Counting()) as runtime:
        runtime.memory.remember_all(["a puppy", "the sea"], "acme")
    for texts_asked in (["hound", "a puppy", "the sea"], ["hound"]):
        embedder = Counting("2")
        with Runtime(log, embedder=embedder) as runtime:
            assert texts(runtime, "hound") == ["a puppy"]
        assert embedder.texts == texts_asked
    assert len(outcomes(log)) == 2


@pytest.mark.parametrize("failure", [DOWN, ConnectionError("the endpoint is down")])
def test_an_embedder_that_fails_costs_no_memory_and_is_asked_again(failure: Exception) -> None:
    log, embedder = MemoryLog(), Counting()
    with Runtime(log, embedder=embedder) as runtime:
        embedder.fails = failure
        runtime.memory.remember("a puppy", "acme")
        assert [m.text for m in runtime.memory.recall("puppy", "acme")] == ["a puppy"], (
            "by its words"
        )
        assert texts(runtime, "hound") == []
        assert len(outcomes(log)) == 1, "an embedder that is down is not asked for memories"
        embedder.fails = None
        assert texts(runtime, "hound") == ["a puppy"]
    assert "the endpoint is down" in (outcomes(log)[0].error or "")
    assert outcomes(log)[-1].error is None


def test_an_embedding_that_was_cut_off_is_ended_as_interrupted_and_made_again() -> None:
    log, embedder = MemoryLog(), Counting()
    embedder.fails = KeyboardInterrupt()
    with Runtime(log, embedder=embedder) as runtime, pytest.raises(KeyboardInterrupt):
        runtime.memory.remember("a puppy", "acme")
    assert outcomes(log) == []
    with Runtime(log, embedder=Counting()) as runtime:
        assert texts(runtime, "hound") == ["a puppy"]
    assert [each.error for each in outcomes(log)] == ["interrupted", None]


def test_what_another_hand_stored_gets_its_vector_at_the_next_recall() -> None:
    log = MemoryLog()
    with Runtime(log, embedder=Counting()) as runtime:
        runtime.memory.remember("an invoice", "acme")
        assert texts(runtime, "hound") == ["an invoice"], "nothing is nearer"
        stored = MemoryStored(id="m", namespace="acme", text="a puppy")
        append_event(log, stored, 1, namespace="acme")
        assert texts(runtime, "hound") == ["a puppy"]
        runtime.memory.recall("hound", "acme")
    assert len(outcomes(log)) == 2


def test_what_comes_after_the_newest_was_forgotten_is_found() -> None:
    with Runtime(MemoryLog(), embedder=Counting()) as runtime:
        newest = runtime.memory.remember("a puppy", "acme")
        assert texts(runtime, "hound") == ["a puppy"]
        runtime.memory.forget(newest)
        runtime.memory.remember("a dog", "acme")
        assert texts(runtime, "hound") == ["a dog"]


def test_vectors_that_are_none_are_refused() -> None:
    class Broken(Counting):
        def embed(self, texts: object) -> list[list[float]]:
            return [[float("nan")] * self.dimensions]

    log = MemoryLog()
    with Runtime(log, embedder=Broken()) as runtime:
        runtime.memory.remember("a puppy", "acme")
        assert [m.text for m in runtime.memory.recall("puppy", "acme")] == ["a puppy"]
    assert "finite numbers" in (outcomes(log)[0].error or "")


def test_a_batch_is_stored_before_its_vectors_and_one_bad_memory_stops_all_of_it() -> None:
    log = MemoryLog()
    with Runtime(log, embedder=Counting()) as runtime:
        assert len(runtime.memory.remember_all([NewMemory("x", {"a": "b"}, 1), "y"], "acme")) == 2
        with pytest.raises(UsageError, match="needs a text"):
            runtime.memory.remember_all(["z", " "], "acme")
    kinds = [row.kind for row in log.read("memory/acme")]
    assert kinds == ["memory_stored", "memory_stored", "embed_requested", "embedded"]
    asked = decode(list(log.read("memory/acme"))[2], log.body).event
    assert isinstance(asked, EmbedRequested)
    assert (asked.embedder, asked.version, asked.dimensions) == ("counting", "1", 5)


def test_what_a_redactor_hides_reaches_neither_the_log_nor_the_embedder() -> None:
    log, embedder = MemoryLog(), Counting()
    with Runtime(log, embedder=embedder, redact=Redactor([r"pin \d+"])) as runtime:
        runtime.memory.remember("the puppy has pin 4711", "acme", metadata={"note": "pin 1"})
        (found,) = runtime.memory.recall("whose is pin 4711?", "acme")
    assert (found.text, found.metadata) == ("the puppy has [redacted]", {"note": "[redacted]"})
    assert embedder.texts == ["the puppy has [redacted]", "whose is [redacted]?"]


def test_the_search_by_meaning_is_exact() -> None:
    texts, queries = sentences(400, 12, 1), sentences(30, 6, 2)
    embedder = OfflineEmbedder()
    vectors, asked = unit(embedder, texts), unit(embedder, queries)
    with Runtime(MemoryLog(), embedder=embedder) as runtime:
        runtime.memory.remember_all(texts, "acme")
        for query, vector in zip(queries, asked, strict=True):
            found = runtime.memory.recall(query, "acme", ranking=BY_MEANING)
            best = sorted(vectors @ vector)[:-6:-1]
            assert [m.parts["meaning"].score for m in found] == pytest.approx(best, abs=1e-3)


def unit(embedder: OfflineEmbedder, texts: list[str]) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = np.asarray(embedder.embed(texts), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


WORDS = st.sampled_from(["car", "puppy", "fee", "lake", "puppy lake", "van fee", "stone"])
DOINGS = st.lists(
    st.one_of(
        st.tuples(st.just("store"), st.sampled_from("ab"), WORDS),
        st.tuples(st.just("forget"), st.integers(0, 9), st.just("")),
        st.tuples(st.just("ask"), st.sampled_from("ab"), WORDS),
    ),
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(DOINGS)
def test_whatever_is_stored_and_forgotten_a_long_life_finds_what_a_new_one_does(
    doings: list[tuple[str, str | int, str]],
) -> None:
    log, ids = MemoryLog(), list[str]()
    with Runtime(log, embedder=Counting()) as old:
        for what, which, text in doings:
            if what == "store":
                ids.append(old.memory.remember(text, str(which)))
            elif what == "ask":
                old.memory.recall(text, str(which))
            elif ids:
                old.memory.forget(ids.pop(int(which) % len(ids)))
        with Runtime(log, embedder=Counting()) as new:
            for namespace in "ab":
                for text in ("dog", "ocean bill", "vehicle"):
                    found = new.memory.recall(text, namespace, limit=50)
                    assert old.memory.recall(text, namespace, limit=50) == found
                    assert {m.namespace for m in found} <= {namespace}
                    assert {m.id for m in found} <= set(ids)
