"""Names as the model API takes them: legal ones as they are, others mapped, always in the same way.

The mapping looks at nothing but the name, so that a tool keeps its name whatever else a server
lists, and in whichever order. It is reversible because the original is recorded beside it
(`ToolSpec.original`).
"""

import re
from hashlib import sha256

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""Tool names that the Messages API accepts."""

ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]+")

LONGEST = 64

DIGITS = 6
"""Hex digits of a hash that keep apart what differs only in illegal characters."""


def api_name(wanted: str) -> str:
    """A name that the model API accepts; `wanted` itself if it is one."""
    if NAME.fullmatch(wanted):
        return wanted
    readable = ILLEGAL.sub("_", wanted).strip("_")[: LONGEST - DIGITS - 1] or "tool"
    digest = sha256(wanted.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{readable}_{digest[:DIGITS]}"
