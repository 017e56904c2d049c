"""The context of a step: filled, and compressed into a summary."""

from typing import Literal

from playhead.events.event import Data, Event


class Covered(Data):
    """Records of one run that a compressed part of the context stands for."""

    run: str
    first: int
    last: int


class ContextFilled(Event):
    """The step's next request would pass the threshold: its older turns are compressed first."""

    kind: Literal["context_filled"] = "context_filled"
    step: str
    tokens: int
    """At most so many would have been sent."""
    threshold: int


class ContextCompressed(Event):
    """Older messages of a step are replaced; the goal and the last turns stand as they were."""

    kind: Literal["context_compressed"] = "context_compressed"
    step: str
    upto: int
    """The messages before this one are the older ones."""
    summary: str | None = None
    """What stands in their place; None where clearing their big results was enough."""
    clears: int | None = None
    """Bytes over which the tool results that stay were cleared; None for none."""
    covers: tuple[Covered, ...]
    """The records that the summary, or the cleared results, stand for."""
    error: str | None = None
    """Why there is no better summary, where the model gave none."""
