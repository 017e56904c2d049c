"""A step's context: how it fills up and is compressed into a summary."""

from typing import Literal

from playhead.events.event import Data, Event


class Covered(Data):
    """Records of one run that a compressed part of the context replaces."""

    run: str
    first: int
    last: int


class ContextFilled(Event):
    """The step's next request would exceed the threshold: its older turns are compressed first."""

    kind: Literal["context_filled"] = "context_filled"
    step: str
    tokens: int
    """Upper bound of the tokens that would have been sent."""
    threshold: int


class ContextCompressed(Event):
    """Older messages of a step were replaced; the goal and the last turns are unchanged."""

    kind: Literal["context_compressed"] = "context_compressed"
    step: str
    upto: int
    """The messages before this index are the older ones."""
    summary: str | None = None
    """The replacement; None if clearing the large results was enough."""
    clears: int | None = None
    """Remaining tool results larger than this many bytes were cleared; None if none were."""
    covers: tuple[Covered, ...]
    """The records that the summary, or the cleared results, replace."""
    error: str | None = None
    """Why the summary is only a substitute, if the model gave none."""
