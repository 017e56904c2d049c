"""The current time, on a clock of ours."""

from datetime import UTC, datetime, tzinfo

import pytest

from playhead.events.errors import ToolError
from playhead.tools.builtin.clock import clock_tool, current_time
from tests.tools.calls import call_inline, result_of


def frozen(zone: tzinfo) -> datetime:
    return datetime(2024, 2, 29, 23, 30, 15, 999, tzinfo=UTC).astimezone(zone)


def test_the_time_is_told_in_the_zone_that_was_asked_for() -> None:
    outcome = call_inline(clock_tool(frozen), {"timezone": "Asia/Ho_Chi_Minh"})
    assert result_of(outcome) == {
        "time": "2024-03-01T06:30:15+07:00",
        "weekday": "Friday",
        "timezone": "Asia/Ho_Chi_Minh",
    }


def test_utc_is_the_default() -> None:
    assert clock_tool(frozen)().time == "2024-02-29T23:30:15+00:00"


def test_the_real_clock_is_now() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    assert before <= datetime.fromisoformat(current_time().time) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Pariss", "Did you mean Europe/Paris?"),
        ("../../etc/passwd", "Give an IANA name"),
        ("/etc/passwd", "Give an IANA name"),
        ("", "Give an IANA name"),
        ("\0", "Give an IANA name"),
        ("Europe", "Did you mean Europe/"),
    ],
)
def test_an_unknown_zone_is_answered_with_the_nearest(zone: str, hint: str) -> None:
    with pytest.raises(ToolError) as caught:
        current_time(zone)
    assert (caught.value.hint or "").startswith(hint.removesuffix("Europe/") or hint)
