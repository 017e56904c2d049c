"""Terminal output: plain text in 80 columns, colour only on a terminal, or one JSON document.

Results go to standard output; progress, hints and errors to standard error.
"""

import os
import sys
import time
from collections.abc import Iterable
from typing import Any

from pydantic_core import to_json
from rich.console import Console
from rich.table import Table
from rich.text import Text

from playhead.cli.shared import exit_codes
from playhead.events.usage import Usage


class Terminal(Console):
    """A console on which nothing in the text is markup, and whose reader may leave early."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, stderr=stderr)

    def on_broken_pipe(self) -> None:
        """The reader closed the pipe, as in `playhead show last | head`: exit normally."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(exit_codes.OK)


out = Terminal()
err = Terminal(stderr=True)

STYLES = {
    "Goal": "bold",
    "Answer": "bold green",
    "Action": "cyan",
    "Failed": "red",
    "Refused": "yellow",
    "Unknown": "red",
    "Limit": "red",
    "Stop": "yellow",
    "Paused": "yellow",
    "finished": "green",
    "failed": "red",
    "cancelled": "yellow",
    "paused": "yellow",
}

_CONTROLS = [code for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"]
_DIRECTIONS = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_HIDDEN = {code: f"<{code:02X}>" for code in (*_CONTROLS, *_DIRECTIONS)}


def plain(text: str) -> str:
    """Text from a model or a tool, made harmless for a terminal: no escape sequence passes."""
    return text.translate(_HIDDEN)


def styled(text: str, word: str | None = None) -> Text:
    """Text for a console; `word` is the heading or the status that gives the colour."""
    return Text(plain(text), style=STYLES.get(word or text, ""))


def one_line(text: str) -> str:
    """The text on one line, for a column of a table."""
    return " ".join(text.split())


def say_json(document: Any) -> None:
    """One JSON document, on standard output."""
    out.out(to_json(document, indent=2).decode())


def columns(*names: str) -> Table:
    """A table with a header and without lines; only its last column wraps."""
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for name in names[:-1]:
        table.add_column(name, no_wrap=True)
    table.add_column(names[-1], overflow="fold")
    return table


def facts(pairs: Iterable[tuple[str, str]]) -> Table:
    """Names and what they are, a line for each; long values wrap beside their name."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, plain(value))
    return table


def local_time(at: int) -> str:
    """Microseconds since the epoch as local time, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at / 1_000_000))


def tokens(usage: Usage) -> str:
    """How many tokens went in and came out."""
    return f"{usage.total:,} tokens ({usage.output_tokens:,} out)"


def count(number: int, noun: str) -> str:
    """1 step, 2 steps."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
