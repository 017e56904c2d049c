"""Redaction: strings are changed before an event is created, so model, log and spans agree.

Keys of known formats are masked by default. A program specifies other secrets by pattern, by field
name, or by a function.
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
"""Fields of content blocks whose bytes belong to the API, which rejects changed ones."""


class Redactor:
    r"""Masks what an event must not contain. Called with a text, it returns the text to keep.

    Redactor(patterns=[r"customer-\d+"], fields=["password"])    # and keys of known formats
    Redactor(formats=())                                          # nothing is masked
    """

    def __init__(
        self,
        patterns: Iterable[str | re.Pattern[str]] = (),
        *,
        fields: Iterable[str] = (),
        change: Callable[[str], str] | None = None,
        formats: Sequence[KeyFormat] = KEY_FORMATS,
    ) -> None:
        """Compile the patterns.

        Args:
            patterns: each match is replaced by `[redacted]`.
            fields: names of fields whose whole value is replaced, in arguments, results and
                anywhere else in an event, ignoring case.
            change: any other change of a text.
            formats: the key formats to recognise.

        Raises re.error for an invalid pattern.
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
        """The event without secrets: the same object if there are none.

        Raises NotStorable if that fails, because the event must not be kept unredacted.
        """
        if not self._always and not self._worth_looking(event):
            return event
        try:
            return self._changed(event)
        except BaseException as error:  # `change` may raise or return anything
            raise NotStorable(event.kind, f"redact failed: {_raised(error)}") from error

    def _changed(self, event: Event) -> Event:
        fields = event.model_dump(mode="python", exclude={"kind"}, exclude_none=True)
        changed = {name: self._walk(name, value) for name, value in fields.items()}
        return event if changed == fields else type(event).model_validate(changed)

    def _worth_looking(self, event: Event) -> bool:
        """A cheap search that rules out most events."""
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
            return {"type": "text", "text": HIDDEN}  # its signature would no longer match
        return changed

    def _hide_all(self, value: Any) -> Any:
        """Mask each text and number in a value; its shape stays, so that it still validates."""
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
    """The exception and its location, without its message, which may quote a secret."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"


def redactor_of(redact: Callable[[str], str] | None) -> Redactor:
    """The redactor of a runtime: by default, keys of known formats are masked."""
    if isinstance(redact, Redactor):
        return redact
    return Redactor(change=redact)
