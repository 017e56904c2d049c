"""The closed list of kinds: which are intents, which outcomes end them, which end a run."""

from collections.abc import Mapping
from typing import Literal

from playhead.events.event import Event
from playhead.events.kinds import (
    approvals,
    child_runs,
    context,
    facts,
    forks,
    logs,
    memory,
    model_calls,
    plans,
    runs,
    steps,
    tool_calls,
)

PAGES = (
    runs, forks, steps, plans, child_runs, model_calls, tool_calls, approvals,
    context, facts, memory, logs,
)  # fmt: skip


def _events_in(page: object) -> list[type[Event]]:
    found = vars(page).values()
    return [c for c in found if isinstance(c, type) and issubclass(c, Event) and c is not Event]


KINDS: Mapping[str, type[Event]] = {
    cls.model_fields["kind"].default: cls for page in PAGES for cls in _events_in(page)
}


INTENTS: Mapping[str, frozenset[str]] = {
    "model_requested": frozenset({"model_answered", "model_failed"}),
    "tool_started": frozenset({"tool_succeeded", "tool_failed", "tool_outcome_unknown"}),
    "rule_asked": frozenset({"rule_answered"}),
    "child_started": frozenset({"child_finished"}),
    "recall_requested": frozenset({"memory_recalled"}),
    "embed_requested": frozenset({"embedded"}),
}
"""Intent -> the outcomes that may end it."""


OUTCOMES: frozenset[str] = frozenset(kind for ends in INTENTS.values() for kind in ends)


ENDINGS: Mapping[str, Literal["finished", "failed", "cancelled"]] = {
    "run_finished": "finished",
    "run_failed": "failed",
    "run_cancelled": "cancelled",
}
