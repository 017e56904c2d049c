"""Redaction: strings are changed before an event is made, so model, log and spans see the same."""

from collections.abc import Callable
from typing import Any, cast

from playhead.events.event import Event


def redacting(change: Callable[[str], str]) -> Callable[[Event], Event]:
    """A hook for the engine: the event with every string value passed through `change`."""

    def redact(event: Event) -> Event:
        fields = event.model_dump(mode="python", exclude={"kind"}, exclude_none=True)
        changed = {name: _walk(value, change) for name, value in fields.items()}
        return type(event).model_validate(changed)

    return redact


def _walk(value: Any, change: Callable[[str], str]) -> Any:
    match value:
        case str():
            return change(value)
        case dict():
            fields = cast("dict[str, Any]", value)
            return {name: _walk(inner, change) for name, inner in fields.items()}
        case list() | tuple():
            return [_walk(inner, change) for inner in cast("list[Any]", value)]
        case _:
            return value
