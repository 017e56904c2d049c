"""Values as pages show them: model and tool output is always escaped, hidden characters marked."""

import json
import re
import time
import unicodedata
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from markupsafe import Markup, escape

from playhead.events.event import Event
from playhead.projections.history.timeline import questions_text
from playhead.projections.metrics.formatting import cost_text, duration_text
from playhead.projections.state.waits import wait_text

HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that show nothing or turn others around, so that a text seems another than it is."""


LONG_TOKEN = re.compile(r"\S{16,}")
JOINT = re.compile(r"(?<=[,:;{}\[\]()/=&_.@-])(?=\w|\")")


def shown(text: object) -> Markup:
    """Text for a page: markup escaped, each hidden character as a mark with its name."""
    return _marked(str(text), escape)


def soft(text: object) -> Markup:
    """The same, for text that may wrap: a long name or JSON breaks at its joints, not in words."""
    return _marked(str(text), _jointed)


def titled(text: object) -> str:
    """Text for where no markup can be: each hidden character as its place only."""
    return HIDDEN.sub("\ufffd", str(text))


def _marked(said: str, escaped: Callable[[str], Markup]) -> Markup:
    parts: list[Markup] = []
    end = 0
    for found in HIDDEN.finditer(said):
        parts += [escaped(said[end : found.start()]), _mark(found.group())]
        end = found.end()
    return Markup("").join([*parts, escaped(said[end:])])


def _jointed(text: str) -> Markup:
    parts: list[Markup] = []
    end = 0
    for found in LONG_TOKEN.finditer(text):
        pieces = Markup("<wbr>").join(JOINT.split(found.group()))
        parts += [escape(text[end : found.start()]), pieces]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def _mark(character: str) -> Markup:
    name = unicodedata.name(character, "CONTROL CHARACTER")
    code = f"U+{ord(character):04X}"
    return Markup('<span class="hidden" title="{} {}">{}</span>').format(code, name, code)


def pretty(value: Any) -> Markup:
    """A JSON value over several lines; a string as it is."""
    return soft(
        value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    )


def local_time(at: int) -> str:
    """Microseconds since the epoch as local time, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at / 1_000_000))


def clock(at: int) -> str:
    """The time of day, to the millisecond."""
    whole, part = divmod(at, 1_000_000)
    return time.strftime("%H:%M:%S", time.localtime(whole)) + f".{part // 1000:03}"


def took(microseconds: float) -> str:
    """A length of time."""
    return tight(duration_text(microseconds / 1_000_000))


def money(picodollars: int | None) -> str:
    """A cost; unknown where a price is not known."""
    return "unknown" if picodollars is None else cost_text(picodollars)


LONG = 900
"""Characters of a text that are shown before the rest is folded away."""


def head_of(text: str) -> str:
    """The beginning of a text, up to the end of a word; all of one that is not long."""
    if len(text) <= LONG:
        return text
    cut = text[:LONG]
    return cut[: max(cut.rfind(" "), cut.rfind("\n"), LONG // 2)]


def clock_time(microseconds: float) -> str:
    """A time on a scale that begins at 0."""
    return duration_text(microseconds / 1_000_000) if microseconds else "0"


def tight(text: str) -> str:
    """Text in which a number and its unit stay on one line."""
    return re.sub(r"(\d) (?=%|s\b|ms\b|min\b|h\b)", "\\1\u00a0", text)


def fields(event: Event) -> Iterable[tuple[str, Any]]:
    """An event's fields that say something, as JSON values."""
    values = event.model_dump(mode="json", exclude={"kind"}, exclude_none=True)
    return [(name, value) for name, value in values.items() if value not in ("", [], {})]


FILTERS = {
    "fields": fields,
    "shown": shown,
    "soft": soft,
    "titled": titled,
    "pretty": pretty,
    "local_time": local_time,
    "clock": clock,
    "questions": questions_text,
    "wait_text": partial(wait_text, local=local_time),
    "took": took,
    "money": money,
    "head_of": head_of,
    "tight": tight,
    "clock_time": clock_time,
}
