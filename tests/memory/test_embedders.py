"""Embedders: the offline one without a network, an endpoint over real HTTP, words that mean one."""

import json
import math
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead import Runtime
from playhead.events.errors import UsageError
from playhead.events.log.memory import MemoryLog
from playhead.projections.memory.search import Ranking
from playhead.tools.models.embedders import (
    KNOWN,
    EmbedError,
    EndpointEmbedder,
    OfflineEmbedder,
    chosen_embedder,
    unit_vectors,
)


class Endpoint(ThreadingHTTPServer):
    """Speaks /v1/embeddings: a text's vector is how often it says cat, and dog."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str | None, dict[str, Any]]] = []
        self.status = 200
        self.answer: object = None
        """Instead of embeddings."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, self.headers["Authorization"], body))
        vectors = [[text.count("cat"), text.count("dog")] for text in body["input"]]
        data = [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]
        answer = self.server.answer or {"data": data[::-1]}
        content = json.dumps(answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def endpoint() -> Generator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def secrets(name: str) -> str | None:
    return {"PLAYHEAD_EMBEDDER_KEY": "s3cret"}.get(name)


def test_an_endpoints_vectors_come_in_the_order_of_the_texts(endpoint: Endpoint) -> None:
    embedder = EndpointEmbedder(endpoint.url, "small", 2, secrets=secrets)
    assert embedder.embed(["cat", "dog dog"]) == [[1, 0], [0, 2]]
    ((path, key, body),) = endpoint.seen
    assert (path, key) == ("/v1/embeddings", "Bearer s3cret")
    assert (body["model"], body["input"]) == ("small", ["cat", "dog dog"])


def test_an_endpoint_named_in_words_finds_memories_and_its_key_is_in_no_record(
    endpoint: Endpoint,
) -> None:
    log = MemoryLog()
    with Runtime(log, embedder=f"{endpoint.url} small 2", secrets=secrets) as runtime:
        runtime.memory.remember_all(["a cat", "a dog"], "home")
        assert runtime.memory.recall("what of the dogs?", "home", limit=1)[0].text == "a dog"
    assert all(b"s3cret" not in row.data for row in log.read("memory/home"))


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (401, {"error": "who are you?"}, "answered 401: .*who are you"),
        (200, {"data": [{"index": 0}]}, "returned no embeddings"),
        (200, ["?"], "returned no embeddings"),
        (200, {"data": [{"index": 0, "embedding": [1, 2, 3]}]}, "1 x 3, not 1 x 2"),
        (200, {"data": []}, "returned 0, not 1 x 2"),
        (
            200,
            {"data": [{"index": 0, "embedding": ["x", "y"]}]},
            "no vectors: ValueError",
        ),
    ],
)
def test_what_is_no_embedding_is_an_error_that_says_so(
    endpoint: Endpoint, status: int, answer: object, said: str
) -> None:
    endpoint.status, endpoint.answer = status, answer
    with pytest.raises(EmbedError, match=said):
        unit_vectors(EndpointEmbedder(endpoint.url, "small", 2, secrets=secrets), ["cat"])


def test_an_endpoint_that_is_not_there_is_an_error_that_names_it() -> None:
    embedder = EndpointEmbedder("http://127.0.0.1:9/v1", "small", 2, secrets=secrets)
    with pytest.raises(EmbedError, match=r"127.0.0.1:9/v1/embeddings did not answer"):
        embedder.embed(["cat"])


def test_the_offline_embedder_knows_what_is_alike() -> None:
    found = OfflineEmbedder().embed(["a small dog", "a puppy", "an unpaid invoice"])
    dog, puppy, invoice = ([float(x) for x in vector] for vector in found)
    assert len(dog) == OfflineEmbedder.dimensions
    assert cosine(dog, puppy) > cosine(dog, invoice)


def test_the_offline_embedder_says_which_languages_it_knows() -> None:
    offline = OfflineEmbedder()
    assert offline.knows(["Where do our invoices go, and who pays for the flight?"]) >= KNOWN
    for unknown in (
        "Wohin gehen unsere Rechnungen, und wer bezahlt die Flugbuchungen?",
        "Куда уходят наши счета, и кто платит за перелёт?",
        "請求書はどこに送られますか",
        "",
    ):
        assert offline.knows([unknown]) < KNOWN


class Arbitrary:
    """Vectors that say nothing, and knows no word."""

    name, version, dimensions = "arbitrary", "1", 2

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return [[1.0 + hash_of(text) % 7, 1.0 + hash_of(text) % 5] for text in texts]

    def knows(self, texts: Sequence[str]) -> float:
        return 0.0


def hash_of(text: str) -> int:
    return sum(map(ord, text))


WORDS = st.lists(st.sampled_from(["eins", "zwei", "drei", "vier", "fünf"]), min_size=1, max_size=4)


@given(texts=st.lists(WORDS.map(" ".join), min_size=1, max_size=12, unique=True), query=WORDS)
def test_an_embedder_that_does_not_know_the_words_comes_after_all_that_they_find(
    texts: list[str], query: list[str]
) -> None:
    with Runtime(MemoryLog(), embedder=Arbitrary()) as runtime:
        runtime.memory.remember_all(texts, "acme")
        asked = " ".join(query)
        words = runtime.memory.recall(asked, "acme", limit=20, ranking=Ranking(meaning=0))
        both = runtime.memory.recall(asked, "acme", limit=20)
    assert [m.id for m in both][: len(words)] == [m.id for m in words]
    assert len(both) >= len(words)


def cosine(one: list[float], other: list[float]) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / math.hypot(*one) / math.hypot(*other)


@pytest.mark.parametrize("words", ["best", "http://x small", "http://x small many", "x small 2"])
def test_words_that_mean_no_embedder_are_refused(words: str) -> None:
    with pytest.raises(UsageError, match="use offline, none, or an endpoint"):
        chosen_embedder(words, secrets)


def test_words_choose_the_embedder() -> None:
    assert chosen_embedder("none", secrets) is None
    assert isinstance(chosen_embedder("offline", secrets), OfflineEmbedder)
    named = chosen_embedder("https://e.example/v1 large 1536", secrets)
    assert isinstance(named, EndpointEmbedder)
    assert (named.name, named.dimensions) == ("large", 1536)


PROGRAM = """
import logging
from playhead.tools.models.embedders import OfflineEmbedder

assert len(OfflineEmbedder().embed(["a text"])) == 1
root = logging.getLogger()
assert (root.handlers, root.level) == ([], logging.WARNING), (root.handlers, root.level)
logging.basicConfig(level=logging.ERROR, format="ours %(message)s")
root.error("heard")
root.warning("not heard")
"""


def test_the_offline_embedder_leaves_the_programs_logging_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "ours heard\n")
