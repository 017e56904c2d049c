"""Which model is asked for what, as data: the table that RunStarted records."""

from typing import Literal

from pydantic import Field

from playhead.events.event import Data, Json


class Target(Data):
    """A model at an endpoint."""

    model: str
    endpoint: str = ""
    """A name that the Runtime knows; empty for its own."""
    max_tokens: int | None = None
    """The longest reply; None for the agent's."""
    extra: dict[str, Json] = Field(default_factory=dict)
    """Further fields of the request for this model alone (thinking, output_config...)."""


class Route(Data):
    """Who is asked for one type of task."""

    ladder: tuple[Target, ...]
    """The first is asked first; each answer that fails its validation goes one up."""
    fallback: tuple[Target, ...] = ()
    """Asked in turn when the one before is overloaded, does not answer, or refuses."""


class Budget(Data):
    """What happens as a run's cost comes near `Limits.max_cost`."""

    warn_at: float = 0.8
    """The share of the cap at which BudgetNeared is recorded; above 1 for never."""
    at_cap: Literal["stop", "cheaper"] = "stop"
    """Stop the run, or ask the model `cheaper` for as long as that fits."""
    cheaper: Target | None = None
