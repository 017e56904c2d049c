"""Two runs side by side: what they share, then what each did instead."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from playhead.inspector.run_data import Reading
from playhead.projections.history.record_rows import Row


class ComparedRow(NamedTuple):
    """One line of the comparison."""

    left: Row | None
    right: Row | None
    same: bool


class Shared(NamedTuple):
    """Lines that both have, left out."""

    lines: int


AROUND = 3
"""Shared lines that are shown before and after a difference."""


def compare(left: Reading, right: Reading) -> list[ComparedRow | Shared]:
    """The runs' records, those that say the same beside each other."""
    a, b = left.rows, right.rows
    matcher = SequenceMatcher(None, _keys(a), _keys(b), autojunk=False)
    lines: list[ComparedRow | Shared] = []
    for word, a0, a1, b0, b1 in matcher.get_opcodes():
        if word == "equal":
            lines += _folded(
                [ComparedRow(x, y, True) for x, y in zip(a[a0:a1], b[b0:b1], strict=True)]
            )
            continue
        longest = max(a1 - a0, b1 - b0)
        for n in range(longest):
            x = a[a0 + n] if a0 + n < a1 else None
            y = b[b0 + n] if b0 + n < b1 else None
            lines.append(ComparedRow(x, y, False))
    return lines


def _folded(pairs: list[ComparedRow]) -> list[ComparedRow | Shared]:
    if len(pairs) <= 2 * AROUND + 1:
        return list(pairs)
    return [*pairs[:AROUND], Shared(len(pairs) - 2 * AROUND), *pairs[-AROUND:]]


def _keys(rows: Sequence[Row]) -> list[tuple[str, str]]:
    return [(row.kind, row.text) for row in rows]
