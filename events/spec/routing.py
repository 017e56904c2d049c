"""Which model handles which task, as data: the table that RunStarted records."""

from typing import Literal

from pydantic import Field

from playhead.events.event import Data, Json


class Target(Data):
    """A model at an endpoint."""

    model: str
    endpoint: str = ""
    """An endpoint name that the Runtime knows; empty for its own."""
    max_tokens: int | None = None
    """Maximum reply length in tokens; None for the agent's."""
    extra: dict[str, Json] = Field(default_factory=dict)
    """Extra request fields for this model only (thinking, output_config...)."""


class Route(Data):
    """The models for one type of task."""

    ladder: tuple[Target, ...]
    """The first is asked first; each answer that fails validation moves on to the next."""
    fallback: tuple[Target, ...] = ()
    """Asked in turn when the previous one is overloaded, does not answer, or refuses."""
    batch: bool = False
    """Hand a step's calls to the Message Batches API, at half price; the run waits for them."""


class Budget(Data):
    """What happens when a run's cost comes near `Limits.max_cost`."""

    warn_at: float = 0.8
    """The share of the cap at which BudgetNeared is recorded; above 1 for never."""
    at_cap: Literal["stop", "cheaper"] = "stop"
    """Stop the run, or use the `cheaper` model as long as the budget allows."""
    cheaper: Target | None = None
