"""Model outages that outlast all retries: periods in which no request is answered."""

from random import Random
from typing import TypeAlias

from playhead.events.errors import ModelError

Outages: TypeAlias = tuple[tuple[float, float], ...]
"""(begin, end) in seconds since the simulated world began."""

ERRORS = (("overloaded", 529), ("rate_limit", 429), ("server_error", 500), ("connection", None))


def draw_outages(random: Random) -> Outages:
    """One or two, from half a minute to more than an hour."""
    begin, found = 0.0, list[tuple[float, float]]()
    for _ in range(random.choice((1, 1, 2))):
        begin += random.expovariate(0.2)
        end = begin + random.choice((30.0, 300.0, 1000.0, 5000.0)) * random.random()
        found.append((begin, end))
        begin = end
    return tuple(found)


def outage(outages: Outages, now: float, random: Random) -> ModelError | None:
    """The error of a request made during an outage; None for any other."""
    if not any(begin <= now < end for begin, end in outages):
        return None
    error, status = random.choice(ERRORS)
    after = random.choice((None, None, 1.0, 400.0)) if error == "rate_limit" else None
    return ModelError(
        error, "simulated outage", status=status, retryable=True, retry_after=after
    )  # fmt: skip
