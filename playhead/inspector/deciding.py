"""Approvals given from the inspector: through the runtime at hand, or through the log's inbox."""

import time
from pathlib import Path
from typing import Protocol

from playhead.events.errors import UsageError
from playhead.events.event import Event
from playhead.events.kinds.approvals import ApprovalDecided
from playhead.events.log.inbox import Inbox
from playhead.service.redaction import Redactor

PATIENCE = 5.0
"""Seconds to wait for the owner of the log."""


class Tell(Protocol):
    """Has an event appended to a run. Raises UsageError when it does not apply."""

    def __call__(self, run: str, event: Event, /) -> None:
        """Append it."""
        ...


def verdict(call: int, binding: str, *, approved: bool, reason: str) -> ApprovalDecided:
    """What a person said; `binding` is of what was shown to them."""
    return ApprovalDecided(call=call, binding=binding, approved=approved, reason=reason or None)


def through_inbox(path: Path) -> Tell:
    """Leave the event for whoever owns the log, and wait a moment for the answer."""

    def tell(run: str, event: Event, /) -> None:
        inbox = Inbox(path)
        try:
            command = inbox.put(run, Redactor().event(event))
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until:
                found = inbox.find(command.id)
                if found is None:
                    return
                if found.answer is not None:
                    inbox.remove(command.id)
                    raise UsageError(found.answer)
                time.sleep(0.05)
        finally:
            inbox.close()
        msg = f"left for the process that takes the run up (playhead resume {run})"
        raise UsageError(msg)

    return tell
