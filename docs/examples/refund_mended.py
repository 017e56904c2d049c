"""The agent of refund.py with one thing mended: what `find_order` says of itself."""

from dataclasses import replace
from typing import Any

import refund as before

from playhead import tool


@tool(effect="read")
def find_order(key: str) -> dict[str, Any]:
    """Find an order, and return its number, customer and total.

    Args:
        key: the order's number, such as 1043.
    """
    return before.find_order(key)


support = replace(before.support, tools=[find_order, before.refund])
