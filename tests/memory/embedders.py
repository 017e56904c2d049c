"""Embedders whose calls can be counted, refused or cut off."""

from collections.abc import Sequence

from playhead.tools.models.embedders import EmbedError

MEANINGS = ("car vehicle van", "dog puppy hound", "bill invoice fee", "sea ocean lake")


class Counting:
    """A dimension for each meaning; says how often it was asked, and may fail."""

    name = "counting"
    dimensions = len(MEANINGS) + 1

    def __init__(self, version: str = "1") -> None:
        self.version = version
        self.texts: list[str] = []
        self.fails: BaseException | None = None

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Which meanings are in a text; the last number is the same for all."""
        if self.fails is not None:
            raise self.fails
        self.texts += texts
        return [
            [*(float(any(w in text for w in words.split())) for words in MEANINGS), 0.1]
            for text in texts
        ]


DOWN = EmbedError("the endpoint is down")
