"""How figures are told: a table of words for people, on 80 columns, or one JSON document."""

from collections.abc import Sequence
from typing import NamedTuple


class Table(NamedTuple):
    """One section of the report; the first column names the row."""

    name: str
    """For JSON."""
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    aim: str = ""

    @property
    def text(self) -> str:
        """The table as text."""
        told = [[_told(cell) for cell in row] for row in (self.columns, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*told, strict=True)]
        lines = [self.title, *(_line(row, widths) for row in told)]
        return "\n".join([*lines, f"  ({self.aim})", ""] if self.aim else [*lines, ""])

    @property
    def plain(self) -> dict[str, object]:
        """The table for JSON."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {"title": self.title, "aim": self.aim, "rows": rows}


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = [
        cell.ljust(w) if n == 0 else cell.rjust(w)
        for n, (cell, w) in enumerate(zip(row, widths, strict=True))
    ]
    return "  " + "  ".join([first, *others]).rstrip()


def _told(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.2f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
