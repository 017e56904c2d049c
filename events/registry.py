"""The closed list of kinds: which are intents, which outcomes end them, which end a run."""

from collections.abc import Mapping
from typing import Literal

from playhead.events.event import Event, Intent, Outcome
from playhead.events.kinds import (
    approvals,
    child_runs,
    context,
    evaluations,
    facts,
    forks,
    guardrails,
    logs,
    memory,
    model_calls,
    notices,
    plans,
    runs,
    schedules,
    steps,
    tool_calls,
    waits,
)

PAGES = (
    runs, forks, steps, plans, child_runs, model_calls, tool_calls, waits, approvals,
    guardrails, context, facts, memory, logs, schedules, notices,
    evaluations,
)  # fmt: skip


def _events_in(page: object) -> list[type[Event]]:
    """The module's kinds, without the classes that several kinds share."""
    found = [c for c in vars(page).values() if isinstance(c, type) and issubclass(c, Event)]
    return [c for c in found if isinstance(c.model_fields["kind"].default, str)]


KINDS: Mapping[str, type[Event]] = {
    cls.model_fields["kind"].default: cls for page in PAGES for cls in _events_in(page)
}


def kind_of(cls: type[Event]) -> str:
    """The kind's name in the log."""
    kind: str = cls.model_fields["kind"].default
    return kind


INTENTS: Mapping[str, frozenset[str]] = {
    kind: frozenset(map(kind_of, cls.OUTCOMES))
    for kind, cls in KINDS.items()
    if issubclass(cls, Intent)
}
"""Intent -> the outcomes that may end it, by kind name."""


OUTCOMES: frozenset[str] = frozenset(k for k, cls in KINDS.items() if issubclass(cls, Outcome))


ENDINGS: Mapping[str, Literal["finished", "failed", "cancelled"]] = {
    "run_finished": "finished",
    "run_failed": "failed",
    "run_cancelled": "cancelled",
}
