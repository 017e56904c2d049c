"""Redaction: strings are changed before an event is made, so model, log and spans see the same.

Keys of a known form are hidden unless a program says otherwise. What else is secret a program says
by pattern, by the name of a field, or by a function.
"""

import re
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from playhead.events.errors import NotStorable
from playhead.events.event import Event
from playhead.events.key_formats import KEY_FORMATS, KeyFormat, hide_keys, markers_of

HIDDEN = "[redacted]"

SIGNED = frozenset({"signature", "encrypted_content", "data"})
"""Fields of content blocks that are bytes of the API's own: a changed one is refused."""


class Redactor:
    r"""Says what an event may not hold. Called with a text, it gives the text to be kept.

    Redactor(patterns=[r"customer-\d+"], fields=["password"])    # and keys of a known form
    Redactor(formats=())                                          # nothing is hidden
    """

    def __init__(
        self,
        patterns: Iterable[str | re.Pattern[str]] = (),
        *,
        fields: Iterable[str] = (),
        change: Callable[[str], str] | None = None,
        formats: Sequence[KeyFormat] = KEY_FORMATS,
    ) -> None:
        """Prepare.

        Args:
            patterns: what they find is replaced by `[redacted]`.
            fields: names of fields whose whole value is replaced, in arguments, results and
                anywhere else in an event; upper and lower case are the same.
            change: any other change of a text.
            formats: the forms of keys that are known.

        Raises re.error for a pattern that is none.
        """
        self._patterns = [re.compile(pattern) for pattern in patterns]
        self._fields = frozenset(name.casefold() for name in fields)
        self._change = change
        self._formats = tuple(formats)
        self._markers = markers_of(self._formats)
        self._always = bool(self._patterns or self._fields or self._change)

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        text = hide_keys(text, self._formats)
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text)
        return text if self._change is None else self._change(text)

    def event(self, event: Event) -> Event:
        """The event without secrets: the same object where there is none.

        Raises NotStorable when that cannot be made, since the event may not be kept as it is.
        """
        if not self._always and not self._worth_looking(event):
            return event
        try:
            return self._changed(event)
        except BaseException as error:  # whatever `change` raises, or gives back
            raise NotStorable(event.kind, f"redact failed: {_raised(error)}") from error

    def _changed(self, event: Event) -> Event:
        fields = event.model_dump(mode="python", exclude={"kind"}, exclude_none=True)
        changed = {name: self._walk(name, value) for name, value in fields.items()}
        return event if changed == fields else type(event).model_validate(changed)

    def _worth_looking(self, event: Event) -> bool:
        """Says no of most events, at the cost of a few searches."""
        try:
            data = event.__pydantic_serializer__.to_json(event)
        except ValueError:  # the log will refuse it
            return True
        for marker in self._markers:  # noqa: SIM110 - a generator costs more than the search
            if marker in data:
                return True
        return False

    def _walk(self, name: str, value: Any) -> Any:
        if name.casefold() in self._fields and value not in (None, "", [], {}):
            return HIDDEN if isinstance(value, str | int | float) else self._hide_all(value)
        match value:
            case str():
                return self(value)
            case dict():
                return self._walk_fields(cast("dict[str, Any]", value))
            case list() | tuple():
                return [self._walk("", inner) for inner in cast("list[Any]", value)]
            case _:
                return value

    def _walk_fields(self, fields: dict[str, Any]) -> dict[str, Any]:
        kept = SIGNED if "type" in fields else frozenset[str]()
        changed = {
            self(name): inner if name in kept else self._walk(name, inner)
            for name, inner in fields.items()
        }
        if fields.get("type") == "thinking" and changed != fields:
            return {"type": "text", "text": HIDDEN}  # its signature would not fit any more
        return changed

    def _hide_all(self, value: Any) -> Any:
        """Each text and number in a value hidden; its shape stays, so that it still fits."""
        match value:
            case dict():
                fields = cast("dict[str, Any]", value)
                return {key: self._hide_all(inner) for key, inner in fields.items()}
            case list() | tuple():
                return [self._hide_all(inner) for inner in cast("list[Any]", value)]
            case bool() | None:
                return value
            case _:
                return HIDDEN


def _raised(error: BaseException) -> str:
    """The exception and its place, without its words: they may quote what must not be kept."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"


def redactor_of(redact: Callable[[str], str] | None) -> Redactor:
    """What a runtime was given as a redactor: nothing given hides keys of a known form."""
    if isinstance(redact, Redactor):
        return redact
    return Redactor(change=redact)
