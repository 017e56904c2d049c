"""Recall: how good, and how fast at 100,000 memories, in one namespace and in ten thousand."""

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median, quantiles

import numpy as np

from playhead import Runtime
from playhead.events.log.sqlite.log import SqliteReader
from playhead.memory.index import MemoryIndex
from playhead.projections.memory.search import Ranking
from playhead.projections.stored.view import views_path
from playhead.tools.models.embedders import Embedder, OfflineEmbedder
from tests.bench.figures import Table
from tests.bench.recall.quality import PLAIN, quality
from tests.memory.labelled import sentences

PARTS = {"hybrid": Ranking(), "words": Ranking(meaning=0), "meaning": Ranking(words=0)}


def recall(memories: int, queries: int) -> Iterator[Table]:
    """Quality, then speed."""
    yield from quality()
    for namespaces in (1, memories // 100):
        yield speed(memories, queries, namespaces)


def speed(memories: int, queries: int, namespaces: int) -> Table:
    """Storing, searching and making the index anew, in a log on disk."""
    texts, asked = sentences(memories, 12, 1), sentences(queries, 6, 2)
    embedder = OfflineEmbedder()
    embedder.embed(["warm"])
    each = memories // namespaces
    with tempfile.TemporaryDirectory() as folder:
        plain, inserted = fts5(Path(folder) / "fts5.db", texts)
        path = Path(folder) / "m.db"
        with Runtime(path, embedder=embedder) as runtime:
            stored = seconds(partial(fill, runtime, texts, each))
            first = seconds(lambda: runtime.memory.recall("x", "0"))
            rows = compared(runtime, texts[:each], asked, embedder, plain)
        opened = seconds(lambda: first_search(path, embedder))
        for left in path.parent.glob(f"{views_path(path).name}*"):
            left.unlink()
        rebuilt = seconds(lambda: first_search(path, embedder))
    rows += [
        ["FTS5: inserts a second", memories / inserted, None, None],
        ["remembered, embedded, indexed a second", memories / (stored + first), None,
         inserted / (stored + first)],
        ["indexed a second, from the log", memories / rebuilt, None, inserted / rebuilt],
        ["first search of a process, ms", 1000 * opened, None, None],
    ]  # fmt: skip
    return Table(
        f"recall_speed_{namespaces}",
        f"Recall over {memories:,} memories of 256 dimensions in {namespaces:,} namespaces: ms a"
        " query",
        ["", "median", "p95", "p95: ratio"],
        rows,
        "ratios: words to FTS5 over the whole table, the others to the product over the namespace",
    )


def fill(runtime: Runtime, texts: list[str], each: int) -> None:
    """So many in each namespace."""
    for number, begin in enumerate(range(0, len(texts), each)):
        runtime.memory.remember_all(texts[begin : begin + each], str(number))


def fts5(path: Path, texts: list[str]) -> tuple[sqlite3.Connection, float]:
    """SQLite's own full-text table over all texts, and the seconds that it took."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(PLAIN)

    def insert() -> None:
        for begin in range(0, len(texts), 1000):
            connection.execute("BEGIN")
            rows = [(text,) for text in texts[begin : begin + 1000]]
            connection.executemany("INSERT INTO words (text) VALUES (?)", rows)
            connection.execute("COMMIT")

    return connection, seconds(insert)


def compared(
    runtime: Runtime,
    texts: list[str],
    asked: list[str],
    embedder: Embedder,
    plain: sqlite3.Connection,
) -> list[list[object]]:
    """A bare product, a bare full-text search, and whole searches of one namespace, interleaved."""
    matrix = np.asarray(embedder.embed(texts), np.float32)
    vectors = np.asarray(embedder.embed(asked), np.float32)
    times: dict[str, list[float]] = {}
    for query, vector in zip(asked, vectors, strict=True):
        times.setdefault("FTS5", []).append(seconds(partial(by_fts5, plain, query)))
        times.setdefault("numpy: one product", []).append(
            seconds(partial(np.matmul, matrix, vector))
        )
        for name, ranking in PARTS.items():
            search = partial(runtime.memory.recall, query, "0", ranking=ranking)
            times.setdefault(name, []).append(seconds(search))
    high = {name: quantiles(each, n=20)[-1] for name, each in times.items()}
    base = {"words": high["FTS5"], "FTS5": high["FTS5"]}
    return [
        [name, 1000 * median(each), 1000 * high[name],
         high[name] / base.get(name, high["numpy: one product"])]
        for name, each in times.items()
    ]  # fmt: skip


def by_fts5(connection: sqlite3.Connection, query: str) -> list[tuple[int]]:
    """The hundred best."""
    words = " OR ".join(f'"{word}"' for word in query.replace('"', " ").split())
    found = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank LIMIT 100"
    return connection.execute(found, [words]).fetchall()


def first_search(path: Path, embedder: Embedder) -> None:
    """By one that knows nothing yet."""
    with closing(SqliteReader(path)) as reader, MemoryIndex(reader, embedder) as memories:
        memories.recall("x", "0")


def seconds(do: Callable[[], object]) -> float:
    """How long it took."""
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun
