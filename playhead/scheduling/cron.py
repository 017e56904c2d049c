"""The times of a cron expression, in a time zone. Needs the extra `schedules` (cronsim).

Changes to and from summer time are treated as Debian's cron does: a job at a time that is skipped
runs right after it, one at a time that comes twice runs once.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from zoneinfo import ZoneInfo, available_timezones

from playhead.events.errors import UsageError
from playhead.tools.validation.did_you_mean import nearest


def times_after(cron: str, timezone: str, after: int) -> Iterator[int]:
    """The times after a moment (microseconds since the epoch), in order.

    Raises UsageError for an expression or a time zone that does not exist, and where the extra is
    not installed.
    """
    try:
        cronsim = import_module("cronsim")
    except ImportError as error:
        msg = "schedules need the extra of that name: pip install 'playhead[schedules]'"
        raise UsageError(msg) from error
    start = datetime.fromtimestamp(after / 1_000_000, UTC).astimezone(_zone(timezone))
    try:
        times: Iterator[datetime] = cronsim.CronSim(cron, start)
    except cronsim.CronSimError as error:
        msg = f"schedule {cron!r}: {error}: five fields: minute hour day month weekday"
        raise UsageError(msg) from error
    return (round(time.timestamp()) * 1_000_000 for time in times)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        close = nearest(name, sorted(available_timezones()))
        hint = f": did you mean {close}?" if close else ': give an IANA name, "Europe/Paris"'
        msg = f"there is no time zone {name!r}{hint}"
        raise UsageError(msg) from error
