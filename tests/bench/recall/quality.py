"""How much of what answers a question is recalled: whole searches beside what others do."""

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from playhead import NewMemory, Runtime
from playhead.events.log.memory import MemoryLog
from playhead.projections.memory.search import Ranking
from playhead.tools.models.embedders import Embedder, OfflineEmbedder
from tests.bench.figures import Table
from tests.bench.recall.minilm import MiniLM, installed
from tests.bench.recall.sets import TUNED, Questions, sets

AT = (5, 10, 20)
K = 60
DEPTH = 100

PLAIN = "CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = 'porter unicode61')"

Search = Callable[[str], list[int]]
"""From a question to the numbers of memories, best first."""


def quality() -> Iterator[Table]:
    """A table for each set that is installed."""
    embedders: list[Embedder] = [OfflineEmbedder()]
    if installed():
        embedders.append(MiniLM())
    for name, spaces in sets():
        asked = sum(len(space.questions) for space in spaces)
        if not asked:
            continue
        memories = sum(len(space.memories) for space in spaces)
        yield Table(
            f"recall_{name.replace(' ', '_')}",
            f"recall@5/10/20: {name}, {asked} questions, {memories} memories"
            f" ({'tuned on' if name in TUNED else 'only tested on'})",
            ["", *map(str, AT)],
            list(_rows(spaces, embedders)),
            "condition: never below words alone",
        )


def _rows(spaces: list[Questions], embedders: list[Embedder]) -> Iterator[list[object]]:
    yield ["plain BM25 (FTS5, porter)", *_shares(spaces, [_plain_words(s) for s in spaces])]
    with Runtime(MemoryLog(), embedder="none") as runtime:
        words = _filled(runtime, spaces, Ranking())
        yield ["words", *_shares(spaces, words)]
    for embedder in embedders:
        with Runtime(MemoryLog(), embedder=embedder) as runtime:
            ours = _filled(runtime, spaces, Ranking())
            yield [embedder.name, *_shares(spaces, ours)]
            meaning = _filled(runtime, spaces, Ranking(words=0), store=False)
            yield [f"{embedder.name}, meaning alone", *_shares(spaces, meaning)]
        fused = [_fused(space, embedder) for space in spaces]
        yield [f"{embedder.name}, BM25 + RRF", *_shares(spaces, fused)]


def _filled(
    runtime: Runtime, spaces: list[Questions], ranking: Ranking, *, store: bool = True
) -> list[Search]:
    """A namespace for each, all in one log."""

    def search(namespace: str, query: str) -> list[int]:
        hits = runtime.memory.recall(query, namespace, limit=max(AT), ranking=ranking)
        return [int(hit.metadata["n"]) for hit in hits]

    for number, space in enumerate(spaces if store else ()):
        new = [NewMemory(text, {"n": str(n)}) for n, text in enumerate(space.memories)]
        runtime.memory.remember_all(new, str(number))
    return [partial(search, str(number)) for number in range(len(spaces))]


def _plain_words(space: Questions) -> Search:
    """SQLite's FTS5 and its BM25, as they come."""
    connection = sqlite3.connect(":memory:")
    connection.execute(PLAIN)
    connection.executemany(
        "INSERT INTO words (rowid, text) VALUES (?, ?)", enumerate(space.memories)
    )

    def search(query: str) -> list[int]:
        wanted = [f'"{word}"' for word in query.replace('"', " ").split()]
        rows = connection.execute(
            "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?",
            [" OR ".join(wanted), DEPTH],
        )
        return [row for (row,) in rows]

    return search


def _fused(space: Questions, embedder: Embedder) -> Search:
    """Reciprocal ranks of both, one to one."""
    words, matrix = _plain_words(space), _unit(embedder, space.memories)

    def search(query: str) -> list[int]:
        cosines = matrix @ _unit(embedder, [query])[0]
        scores: dict[int, float] = {}
        for ranked in (words(query), np.argsort(-cosines, kind="stable")[:DEPTH].tolist()):
            for rank, number in enumerate(ranked, 1):
                scores[number] = scores.get(number, 0.0) + 1 / (K + rank)
        return sorted(scores, key=lambda number: -scores[number])

    return search


def _unit(embedder: Embedder, texts: list[str]) -> NDArray[np.float32]:
    rows = np.asarray(embedder.embed(texts), np.float32)
    unit: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return unit


def _shares(spaces: list[Questions], searches: list[Search]) -> list[float]:
    """The mean share of a question's answers among the first 5, 10 and 20."""
    found = [
        [len(question.answers.intersection(ranked[:k])) / len(question.answers) for k in AT]
        for space, search in zip(spaces, searches, strict=True)
        for question in space.questions
        for ranked in [search(question.text)]
    ]
    means: list[float] = np.mean(found, axis=0).tolist()
    return means
