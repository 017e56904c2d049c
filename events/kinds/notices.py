"""Who was told that a run waits for a person. Stored in the stream `notices/RUN`."""

from typing import Literal, TypeAlias

from playhead.events.event import Event

Level: TypeAlias = Literal["asked", "reminder", "escalation"]


class NoticeSent(Event):
    """The program's hook was told about a wait, and raised nothing."""

    kind: Literal["notice_sent"] = "notice_sent"
    run: str
    wait: int
    """The seq of the record that began the wait."""
    number: int
    """Which notice about this wait, from 0: as the rule lists them."""
    level: Level
    to: str | None = None
    """The assignee."""
