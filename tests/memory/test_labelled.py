"""Recall on the labelled set: hybrid is no worse than either part, and it stays the same."""

from pathlib import Path

import pytest

from playhead import Runtime
from playhead.projections.memory.search import Ranking
from playhead.projections.stored.view import views_path
from tests.memory.labelled import filled, labelled, recall_at

SET = labelled()
HYBRID, WORDS, MEANING = Ranking(), Ranking(meaning=0), Ranking(words=0)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labelled") / "m.db"
    with Runtime(path, embedder="offline") as runtime:
        filled(runtime, SET)
    return path


def answers(path: Path, ranking: Ranking = HYBRID) -> list[list[str]]:
    with Runtime(path, embedder="offline") as runtime:
        return [
            [
                m.metadata["name"]
                for m in runtime.memory.recall(q.text, q.namespace, ranking=ranking)
            ]
            for q in SET.queries
        ]


def test_the_set_is_large_and_every_answer_is_a_memory_of_its_namespace() -> None:
    assert sum(map(len, SET.memories.values())) >= 200
    assert len(SET.queries) >= 100
    for query in SET.queries:
        assert query.answers <= SET.memories[query.namespace].keys(), query.text


def test_hybrid_recalls_at_least_as_much_as_each_part_alone(log: Path) -> None:
    hybrid, words, meaning = (
        recall_at(answers(log, ranking), SET.queries) for ranking in (HYBRID, WORDS, MEANING)
    )
    assert hybrid >= max(words, meaning)
    assert hybrid >= 0.85


def test_the_answers_stay_the_same_after_reopening_and_after_a_rebuild(log: Path) -> None:
    before = answers(log)
    assert answers(log) == before
    for left in log.parent.glob(f"{views_path(log).name}*"):
        left.unlink()
    assert answers(log) == before


def test_no_query_is_answered_from_another_namespace(log: Path) -> None:
    with Runtime(log, embedder="offline") as runtime:
        for query in SET.queries:
            for namespace, memories in SET.memories.items():
                found = runtime.memory.recall(query.text, namespace, limit=50)
                assert {m.metadata["name"] for m in found} <= memories.keys()
