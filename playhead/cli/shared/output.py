"""Terminal output: plain text in 80 columns, colour only on a terminal, or one JSON document.

Results go to standard output; progress, hints and errors to standard error.
"""

import io
import os
import sys
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, TextIO

from pydantic_core import to_json
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from playhead.cli.shared import exit_codes
from playhead.cli.shared.listing import Listing
from playhead.events.usage import Usage


class Terminal(Console):
    """A console on which nothing in the text is markup, and whose reader may leave early.

    All that it renders is made harmless here, whatever renderable it comes from.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, stderr=stderr)
        self._width = None  # COLUMNS is looked at for each print, not once

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments of a renderable: no escape sequence in their text, no link behind it."""
        for text, style, control in super().render(renderable, options):
            if style is not None and style.link is not None:
                style = style.update_link(None)
            yield Segment(text if control else plain(text), style, control)

    def print(self, *objects: Any, **options: Any) -> None:
        """As Console has it; a listing keeps its width in a pipe."""
        if any(isinstance(each, Listing) for each in objects):
            options.setdefault("crop", False)
        super().print(*objects, **options)

    def out(self, *objects: Any, **_: Any) -> None:
        """Text as it is: an export keeps its bytes, but a terminal gets no escape sequence."""
        text = " ".join(map(str, objects)) + "\n"
        try:
            self.file.write(plain(text) if self.is_terminal else text)
        except BrokenPipeError:
            self.on_broken_pipe()

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
    "waits for you": "bold yellow",
}

_CONTROLS = [code for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"]
_DIRECTIONS = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_HIDDEN = {code: f"<{code:02X}>" for code in (*_CONTROLS, *_DIRECTIONS)}
_ESCAPED = {code: f"\\u{code:04x}" for code in (*_CONTROLS, *_DIRECTIONS)}


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
    out.out(to_json(document, indent=2).decode().translate(_ESCAPED))


class PlainStream(io.TextIOBase):
    """A terminal for whatever is printed past our consoles: tracebacks, warnings, prints of tools.

    Our consoles write to what lies behind it, where their own colours pass.
    """

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream  # where a rich Console writes

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """As the stream behind it."""
        return self.rich_proxied_file.encoding

    def write(self, text: str) -> int:
        """Write it, harmless."""
        self.rich_proxied_file.write(plain(text))
        return len(text)

    def flush(self) -> None:
        """Pass it on."""
        self.rich_proxied_file.flush()

    def isatty(self) -> bool:
        """As the stream behind it."""
        return self.rich_proxied_file.isatty()

    def fileno(self) -> int:
        """As the stream behind it."""
        return self.rich_proxied_file.fileno()


@contextmanager
def plain_streams() -> Generator[None]:
    """Until the end of the block no escape sequence reaches a terminal but our consoles' own."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        PlainStream(stream) if stream is not None and stream.isatty() else stream
        for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def columns(*names: str) -> Table:
    """A table with a header and without lines; only its last column wraps."""
    return Listing(*names)


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
    """How many tokens went in and came out, and what else the API bills."""
    said = f"{usage.total:,} tokens ({usage.output_tokens:,} out)"
    if usage.web_search_requests:
        searches = usage.web_search_requests
        said += f", {searches:,} web search{'' if searches == 1 else 'es'}"
    if usage.code_executions:
        said += f", {count(usage.code_executions, 'code execution')}"
    return said


def count(number: int, noun: str) -> str:
    """1 step, 2 steps."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
