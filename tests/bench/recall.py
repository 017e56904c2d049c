"""Recall: how good on the labelled set, and how fast at 100,000 memories of 256 dimensions."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from playhead import Runtime
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.log import SqliteReader
from playhead.memory.index import MemoryIndex
from playhead.projections.memory.search import Ranking
from playhead.projections.stored.view import views_path
from playhead.tools.models.embedders import OfflineEmbedder
from tests.bench.figures import Table
from tests.memory.labelled import filled, labelled, recall_at, sentences

PARTS = {"hybrid": Ranking(), "words": Ranking(meaning=0), "meaning": Ranking(words=0)}
NAMESPACE = "everything"


def recall(memories: int, queries: int) -> Iterator[Table]:
    """Quality, then speed."""
    yield quality()
    yield speed(memories, queries)


def quality() -> Table:
    """recall@5."""
    given, rows = labelled(), list[list[object]]()
    with Runtime(MemoryLog(), embedder="offline") as runtime:
        filled(runtime, given)
        for name, ranking in PARTS.items():
            row: list[object] = [name]
            for by_name in ({True}, {False}, {True, False}):
                asked = [query for query in given.queries if query.by_name in by_name]
                found = [
                    [
                        m.metadata["name"]
                        for m in runtime.memory.recall(q.text, q.namespace, ranking=ranking)
                    ]
                    for q in asked
                ]
                row.append(recall_at(found, asked))
            rows.append(row)
    return Table(
        "recall_quality",
        f"recall@5: {len(given.queries)} queries, {len(given.memories)} namespaces of 36 memories",
        ["", "by name", "paraphrased", "all"],
        rows,
        "aim: hybrid at least as good as each part alone",
    )


def speed(memories: int, queries: int) -> Table:
    """Storing, searching and making the index anew, in a log on disk."""
    texts, asked = sentences(memories, 12, 1), sentences(queries, 6, 2)
    embedder = OfflineEmbedder()
    embedder.embed(["warm"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.db"
        with Runtime(path, embedder=embedder) as runtime:
            stored = seconds(lambda: runtime.memory.remember_all(texts, NAMESPACE))
            first = seconds(lambda: runtime.memory.recall("x", NAMESPACE))
            rows = compared(runtime, texts, asked, embedder)
        opened = seconds(lambda: first_search(path, embedder))
        for left in path.parent.glob(f"{views_path(path).name}*"):
            left.unlink()
        rebuilt = seconds(lambda: first_search(path, embedder))
    rows += [
        ["remembered and embedded, a second", memories / stored, None],
        ["the same, and indexed", memories / (stored + first), None],
        ["first search of a process, ms", 1000 * opened, None],
        ["first search with the index made anew, ms", 1000 * rebuilt, None],
    ]
    return Table(
        "recall_speed",
        f"Recall over {memories:,} memories of 256 dimensions in one namespace: median ms a query",
        ["", "", "ratio"],
        rows,
        "aim: by meaning at most 1.5 x the product; over 1,000 remembered a second",
    )


def compared(
    runtime: Runtime, texts: list[str], asked: list[str], embedder: OfflineEmbedder
) -> list[list[object]]:
    """A bare product over the same vectors, and whole searches, interleaved."""
    matrix = np.asarray(embedder.embed(texts), np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    vectors = np.asarray(embedder.embed(asked), np.float32)
    times: dict[str, list[float]] = {"numpy: one product": []}
    for query, vector in zip(asked, vectors, strict=True):
        times["numpy: one product"].append(seconds(partial(np.matmul, matrix, vector)))
        for name, ranking in PARTS.items():
            search = partial(runtime.memory.recall, query, NAMESPACE, ranking=ranking)
            times.setdefault(name, []).append(seconds(search))
    base = median(times["numpy: one product"])
    return [[name, 1000 * median(each), median(each) / base] for name, each in times.items()]


def first_search(path: Path, embedder: OfflineEmbedder) -> None:
    """By one that knows nothing yet."""
    with closing(SqliteReader(path)) as reader, MemoryIndex(reader, embedder) as memories:
        memories.recall("x", NAMESPACE)


def seconds(do: Callable[[], object]) -> float:
    """How long it took."""
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun
