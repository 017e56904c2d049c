"""The valid name nearest to an invalid one, for "did you mean"."""

import difflib
from collections.abc import Iterable


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that `word` most likely meant, or None. Case, `-` and `_` are ignored."""
    normalized: dict[str, str] = {}
    for choice in choices:
        normalized.setdefault(_normalized(choice), choice)
    found = difflib.get_close_matches(_normalized(word[:100]), normalized, n=1, cutoff=0.6)
    return normalized[found[0]] if found else None


def _normalized(word: str) -> str:
    return word.casefold().replace("-", "").replace("_", "").replace(" ", "")
