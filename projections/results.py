"""How the outcome of a tool call reads to the model: one tool_result block, never empty."""

from pydantic_core import to_json

from playhead.events.event import Block, Event, Json
from playhead.events.tool_calls import (
    ToolFailed,
    ToolOutcomeUnknown,
    ToolRefused,
    ToolSucceeded,
)

NO_RESULT = "(the tool returned nothing)"

UNKNOWN = (
    "Unknown outcome: the call was cut off ({reason}) after it had started. It may or may not have "
    "taken effect. Do not assume either; find out by reading before you try it again."
)


def result_text(result: Json) -> str:
    """A tool's result as the model reads it: text as it is, anything else as compact JSON."""
    if isinstance(result, str):
        return result or NO_RESULT
    return to_json(result).decode()


def result_block(use: str, outcome: Event) -> Block:
    """The tool_result block for what became of a call."""
    match outcome:
        case ToolSucceeded(content=content) if content:
            return _block(use, list(content), failed=False)
        case ToolSucceeded(result=result):
            return _block(use, result_text(result), failed=False)
        case ToolFailed(message=message, hint=hint) | ToolRefused(message=message, hint=hint):
            return _block(use, message if hint is None else f"{message}\nHint: {hint}", failed=True)
        case ToolOutcomeUnknown(reason=reason):
            return _block(use, UNKNOWN.format(reason=reason), failed=True)
        case _:
            return _block(use, f"(no result: {outcome.kind})", failed=True)


def _block(use: str, content: Json, *, failed: bool) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": use, "content": content}
    if failed:
        block["is_error"] = True
    return block
