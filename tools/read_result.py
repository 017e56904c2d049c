"""`read_result`: reads more of a result that was too large for the model."""

from typing import Annotated

from pydantic import Field
from pydantic_core import to_json

from playhead.events.errors import ToolError
from playhead.tools.context import ToolContext
from playhead.tools.tool import tool

PART = 20_000
"""Characters per answer."""


@tool(effect="read")
def read_result(
    key: str,
    context: ToolContext,
    offset: Annotated[int, Field(ge=0)] = 0,
    limit: Annotated[int, Field(ge=100, le=PART)] = PART,
) -> str:
    """Read more of the result of an earlier call that was cut because it was too large.

    Use it when a result ends with a line "[cut: ...]"; that line gives the key and the offset. If a
    narrower call of the tool itself is enough, make that call instead.

    Args:
        key: The key of the result, from the last line of the cut result.
        context: Not shown to the model.
        offset: How many characters to skip at the beginning.
        limit: The maximum number of characters to read.

    Returns:
        The next characters of the result, then a line that says where to continue.
    """
    if context.results is None:
        msg = "earlier results cannot be read here"
        raise ToolError(msg, hint="Make the call again and ask for less at once.")
    found = context.results(context.run, key)
    text = found if isinstance(found, str) else to_json(found).decode()
    if offset >= len(text):
        msg = f"the result has {len(text)} characters"
        raise ToolError(msg, hint="Use a smaller offset.")
    end = min(offset + limit, len(text))
    more = f"continue at offset={end}" if end < len(text) else "this is the end"
    return f"{text[offset:end]}\n[characters {offset} to {end} of {len(text)}; {more}]"
