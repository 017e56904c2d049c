"""What happens to the log itself; these lie in the runtime stream."""

from typing import Literal

from playhead.events.event import Event


class LossAccepted(Event):
    """Somebody accepted that the log ends before its anchor, and lets it be written again."""

    kind: Literal["loss_accepted"] = "loss_accepted"
    anchored: int
    """The position that the anchor had reached."""
    found: int
    """The position at which the log ended."""
    running: str
    """The anchor's running hash (hex): the history that was lost can be recognised by it."""
