"""A table that stays readable in a narrow terminal: no value is ever cut.

Where the columns do not fit beside each other, each row becomes a few lines of its own.
"""

import os
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

LAST = 24
"""Characters that the last column, which wraps, needs at least."""

GAP = 2


class Listing(Table):
    """A header and rows without lines; only the last column wraps."""

    def __init__(self, *names: str) -> None:
        super().__init__(box=None, header_style="dim", pad_edge=False, padding=(0, GAP, 0, 0))
        for name in names[:-1]:
            self.add_column(name, no_wrap=True)
        self.add_column(names[-1], overflow="fold")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Side by side where it fits or where no terminal is asked; else row by row."""
        *others, last = [self._width(console, options, column) for column in self.columns]
        needed = sum(others) + GAP * len(others)
        if needed + min(last, LAST) <= options.max_width:
            yield from super().__rich_console__(console, options)
        elif not console.is_terminal and "COLUMNS" not in os.environ:  # a pipe has no width
            yield from super().__rich_console__(console, options.update(width=needed + last))
        else:
            yield Text(str(self.columns[0].header), "dim", overflow="fold")
            for row in range(self.row_count):
                yield from self._row(console, options, row)

    def _width(self, console: Console, options: ConsoleOptions, column: Column) -> int:
        endless = options.update(max_width=10_000)
        cells = [column.header, *column.cells]
        return max(Measurement.get(console, endless, cell).maximum for cell in cells)

    def _row(self, console: Console, options: ConsoleOptions, row: int) -> Iterator[Padding | Text]:
        """What the row is about and the value beside it, the others by name, the long one last."""
        cells = [_text(list(column.cells)[row]) for column in self.columns]
        first, *middle, last = cells
        names = self.columns[1:-1]
        if middle and first.cell_len + GAP + middle[0].cell_len <= options.max_width:
            first = Text.assemble(first, " " * GAP, middle.pop(0))
            names = names[1:]
        yield first
        line = Text()
        for column, cell in zip(names, middle, strict=True):
            part = _named(column, cell)
            if line.cell_len and line.cell_len + part.cell_len + 2 * GAP > options.max_width:
                yield Padding(line, (0, 0, 0, GAP))
                line = Text()
            if cell.plain:
                line = Text.assemble(line, " " * GAP if line.cell_len else "", part)
        if line.cell_len:
            yield Padding(line, (0, 0, 0, GAP))
        if last.plain:
            yield Padding(_named(self.columns[-1], last), (0, 0, 0, GAP))


def _text(cell: object) -> Text:
    return cell if isinstance(cell, Text) else Text(str(cell), overflow="fold")


def _named(column: Column, cell: Text) -> Text:
    name = str(column.header)
    return Text.assemble((f"{name} ", "dim") if name else "", cell, overflow="fold")
