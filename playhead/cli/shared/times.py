"""Times as people write them on a command line: an age, or a date."""

import re
import time
from collections.abc import Mapping
from datetime import datetime

from playhead.events.errors import UsageError

UNITS: Mapping[str, int] = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_time(text: str, option: str) -> int:
    """Microseconds since the epoch. Raises UsageError, naming the option."""
    age = re.fullmatch(r"(\d{1,9})([smhdw])", text.strip())
    if age:
        return time.time_ns() // 1000 - int(age[1]) * UNITS[age[2]] * 1_000_000
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1_000_000)
    except (ValueError, OverflowError) as error:
        msg = f"{option} {text}: write an age such as 90m, 12h or 3d, or a date such as 2030-01-31"
        raise UsageError(msg) from error
