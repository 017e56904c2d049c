"""Which model handles which task, as the author defines it, and the default routing table."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from playhead.events.errors import UsageError
from playhead.events.spec.routing import Route, Target

DEFAULT_MODEL = "claude-sonnet-4-6"
"""For reasoning, and for every type of task that the table does not list."""

DEFAULT_ROUTING: Mapping[str, str] = {
    "summarization": "claude-haiku-4-5-20251001",
    "data_extraction": "claude-haiku-4-5-20251001",
    "reasoning": DEFAULT_MODEL,
    "complex_planning": "claude-opus-4-6",
}

Goal: TypeAlias = str | Target
Routes: TypeAlias = Mapping[str, Goal | Sequence[Goal] | Route]
"""Type of task -> a model, or a ladder of models (a stronger one after each rejected answer)."""


def targets(given: Sequence[Goal]) -> tuple[Target, ...]:
    """Models given by name, as targets at the Runtime's own endpoint."""
    return tuple(Target(model=each) if isinstance(each, str) else each for each in given)


def routes(given: Routes, fallback: Sequence[Goal]) -> dict[str, Route]:
    """The table as data. Raises UsageError for a type of task without a model."""
    return {task: _route(task, value, targets(fallback)) for task, value in given.items()}


def _route(task: str, given: Goal | Sequence[Goal] | Route, fallback: tuple[Target, ...]) -> Route:
    if isinstance(given, Route):
        route = given
    else:
        ladder = [given] if isinstance(given, str | Target) else given
        route = Route(ladder=targets(ladder), fallback=fallback)
    if not route.ladder:
        msg = f"routing[{task!r}] has no model: add one, or leave the task out"
        raise UsageError(msg)
    return route
