"""Words of every language: folded, in pairs where nothing stands between them, by their stems."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead import Runtime
from playhead.events.log.memory import MemoryLog
from playhead.projections.memory.search import Ranking
from playhead.projections.memory.terms import fold, terms, wording
from tests.memory.labelled import filled, labelled, recall_at

SET = labelled(Path(__file__).with_name("scripts.txt"))


@pytest.mark.parametrize("script", sorted(SET.memories))
def test_every_question_is_answered_by_words_alone_in_each_script(script: str) -> None:
    with Runtime(MemoryLog(), embedder="none") as runtime:
        filled(runtime, SET)
        asked = [query for query in SET.queries if query.namespace == script]
        found = [
            [m.metadata["name"] for m in runtime.memory.recall(q.text, script, limit=1)]
            for q in asked
        ]
        assert recall_at(found, asked) == 1


@pytest.mark.parametrize("script", sorted(SET.memories))
def test_the_default_embedder_recalls_no_less_than_words_alone_in_each_script(script: str) -> None:
    asked = [query for query in SET.queries if query.namespace == script]
    with Runtime(MemoryLog(), embedder="offline") as runtime:
        filled(runtime, SET)

        def recalled(limit: int, ranking: Ranking) -> float:
            hits = [
                runtime.memory.recall(query.text, script, limit=limit, ranking=ranking)
                for query in asked
            ]
            return recall_at([[hit.metadata["name"] for hit in each] for each in hits], asked)

        for limit in (1, 5, 10, 20):
            assert recalled(limit, Ranking()) >= recalled(limit, Ranking(meaning=0))


def test_the_set_has_at_least_eight_scripts() -> None:
    assert len(SET.memories) >= 8
    first = [text[0] for memories in SET.memories.values() for text in memories.values()]
    names = {unicodedata.name(letter).split()[0] for letter in first}
    wanted = "LATIN CYRILLIC GREEK ARABIC HEBREW DEVANAGARI CJK HANGUL THAI"
    assert names >= set(wanted.split())


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("Strasse", "Straße"),
        ("\uff21\uff22\uff23", "abc"),
        ("cafe", "Café"),
        ("ｶﾒﾗ", "カメラ"),
        ("istanbul", "İstanbul"),
    ],
)
def test_folding_finds_what_is_written_otherwise(query: str, text: str) -> None:
    with Runtime(MemoryLog(), embedder="none") as runtime:
        runtime.memory.remember(text, "acme")
        assert [m.text for m in runtime.memory.recall(query, "acme")] == [text]


@given(st.text())
def test_any_text_has_terms_and_folding_again_changes_nothing(text: str) -> None:
    assert all(term and term == term.strip() for term in terms(text))
    assert terms(text) == terms(unicodedata.normalize("NFD", text))
    assert fold(fold(text)) == fold(text)
    assert wording(text) == wording(f"  {text} ")
