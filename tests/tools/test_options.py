"""Options of `@tool` that are none, or by which no call could be made."""

from typing import Any

import pytest

from playhead.events.errors import UsageError
from playhead.events.spec.tool import Rate
from playhead.tools.options import Subprocess
from playhead.tools.tool import tool


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"timout": 5}, "unknown option timout=: did you mean timeout="),
        ({"xyz": 5}, "unknown option xyz="),
        ({"rate": Rate(calls=0)}, r"Rate\(calls\)=0 must be at least 1"),
        ({"rate": Rate(calls=1, seconds=0)}, r"Rate\(seconds\)=0"),
        ({"subprocess": Subprocess(memory_mb=0)}, r"Subprocess\(memory_mb\)=0"),
    ],
)
def test_an_option_that_there_is_not_or_that_no_call_could_meet_is_refused_when_defined(
    options: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        tool(plain, effect="read", **options)


def plain(x: int) -> str:
    """Do."""
    return str(x)
