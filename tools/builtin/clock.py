"""The current time as a tool: a model does not know it."""

from collections.abc import Callable
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel

from playhead.events.errors import ToolError
from playhead.tools.tool import Tool, tool
from playhead.tools.validation.did_you_mean import nearest


class CurrentTime(BaseModel):
    """A point in time, as shown by a clock in a time zone."""

    time: str
    """ISO 8601 with the offset from UTC, to the second."""
    weekday: str
    timezone: str


def clock_tool(now: Callable[[tzinfo], datetime] = datetime.now) -> Tool[..., CurrentTime]:
    """The tool `current_time`, reading the clock `now`."""

    def current_time(timezone: str = "UTC") -> CurrentTime:
        """Tell the current date and time.

        Use it before you say anything that depends on today's date or the time of day; you do not
        know them otherwise.

        Args:
            timezone: An IANA time zone such as "UTC", "Europe/Paris" or "Asia/Ho_Chi_Minh".

        Returns:
            The time in ISO 8601 with its offset from UTC, the weekday and the time zone.
        """
        moment = now(_zone(timezone)).replace(microsecond=0)
        return CurrentTime(
            time=moment.isoformat(), weekday=f"{moment:%A}", timezone=timezone.strip()
        )

    return tool(current_time, effect="read", timeout=10)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name.strip())
    except (ValueError, OSError, KeyError) as error:
        close = nearest(name, sorted(available_timezones()))
        hint = f"Did you mean {close}?" if close else 'Give an IANA name such as "Europe/Paris".'
        msg = f"there is no time zone {name[:60]!r}"
        raise ToolError(msg, hint=hint) from error


current_time = clock_tool()
