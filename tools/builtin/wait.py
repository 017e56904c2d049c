"""`wait`: lets a model wait for some time; the run holds nothing meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from playhead.events.errors import ToolError
from playhead.tools.context import CallDeferred, ToolContext
from playhead.tools.tool import AnyTool, tool

MOST = timedelta(days=366)
"""The longest wait where the run has no `max_seconds`."""


def wait_tool(now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> AnyTool:
    """The tool `wait`, reading the clock `now` (in UTC)."""

    def wait(
        context: ToolContext,
        seconds: Annotated[float | None, Field(gt=0)] = None,
        until: datetime | None = None,
    ) -> str:
        """Wait for some time, or until a point in time, before you continue.

        Use it when something outside needs time: a delivery, a deadline, a page that changes
        tomorrow. Give either `seconds` or `until`.

        Args:
            context: Not shown to the model.
            seconds: How long to wait.
            until: When to continue, in ISO 8601 with the offset from UTC:
                "2026-03-02T09:00:00+01:00".

        Returns:
            A sentence, once the time has come.
        """
        moment = now()
        end = _end(moment, seconds, until)
        _check(moment, end, context.run_ends)
        after = (end - moment).total_seconds()
        if after <= 0:
            return "That time has passed already."
        told = f"It is {end.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC: the time has come."
        raise _waiting(after, told)

    return tool(wait, effect="read", timeout=10)


def _end(moment: datetime, seconds: float | None, until: datetime | None) -> datetime:
    if (seconds is None) == (until is None):
        msg = "give either seconds or until"
        raise ToolError(msg, hint="For example seconds=3600.")
    if until is not None and until.tzinfo is None:
        msg = "until has no offset from UTC"
        raise ToolError(msg, hint='Write it as "2026-03-02T09:00:00+01:00", or with Z for UTC.')
    if until is not None:
        return until
    return moment + min(timedelta(seconds=min(seconds or 0.0, 1e11)), 2 * MOST)


def _check(moment: datetime, end: datetime, run_ends: int | None) -> None:
    """Refuse to wait for longer than the run may last."""
    latest, why = moment + MOST, f"a wait takes at most {MOST.days} days"
    if run_ends is not None:
        limit = datetime.fromtimestamp(run_ends / 1_000_000, UTC)
        if limit < latest:
            left = max(0.0, (limit - moment).total_seconds())
            latest, why = limit, f"this run may last for another {left:.0f} s (max_seconds)"
    if end > latest:
        msg = f"it cannot wait until {end.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC: {why}"
        raise ToolError(msg, hint="Wait for less, or finish now and say when to come back.")


def _waiting(seconds: float, told: str) -> CallDeferred:
    deferred = CallDeferred(expires=seconds, if_expired=told)
    deferred.about = "time"
    return deferred


wait = wait_tool()
