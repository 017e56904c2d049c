"""How the outcome of a tool call is shown to the model: one tool_result block, never empty.

A large result is shortened for the model; the log keeps all of it, and `read_result` reads more.
An empty result is described as such, with a hint: a model takes silence for success.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic_core import to_json

from playhead.events.event import Block, Event, Json
from playhead.events.kinds.child_runs import ChildFinished
from playhead.events.kinds.tool_calls import (
    ToolFailed,
    ToolOutcomeUnknown,
    ToolRefused,
    ToolSucceeded,
)
from playhead.events.spec.agent import ToolSpec

RESULT_CHARS = 50_000
"""Characters of a result that the model sees, unless its tool sets another number."""

READ_RESULT = "read_result"
"""The tool that reads more of a shortened result."""

NO_RESULT = "(the tool returned nothing)"

NO_MESSAGE = "(it failed, and did not say why)"

EMPTY = "(the result is empty)"

TRY_ELSE = "Try other arguments, or go on without it."

UNKNOWN = (
    "Unknown outcome: the call was cut off ({reason}) after it had started. It may or may not have "
    "taken effect. Do not assume either; find out by reading before you try it again."
)


class RenderedResult(NamedTuple):
    """How to show a call's result."""

    key: str = ""
    """Its key for `read_result`."""
    spec: ToolSpec | None = None
    reads_on: bool = False
    """Whether the agent has `read_result`."""


SHOWN = RenderedResult()
"""For a call of an unknown tool."""


def result_text(result: Json) -> str:
    """A tool's result as the model reads it: text unchanged, anything else as compact JSON."""
    if isinstance(result, str):
        return result if result.strip() else NO_RESULT
    return to_json(result).decode()


def content_text(content: Sequence[Block]) -> str:
    """Content blocks for people: the text, and a description of all other content."""
    return "\n".join(str(block.get("text") or _sign(block)) for block in content)


def _sign(block: Block) -> str:
    source = block.get("source")
    media = source.get("media_type") if isinstance(source, dict) else None
    named = block.get("tool_name") or (source if isinstance(source, str) else None)
    words = (block.get("type"), media, block.get("title"), named)
    return f"[{' '.join(str(word) for word in words if word)}]"


def result_block(use: str, outcome: Event, shown: RenderedResult = SHOWN) -> Block:
    """The tool_result block for a call's outcome."""
    match outcome:
        case ToolSucceeded(content=content) if content:
            return _block(use, list(content), failed=False)
        case ToolSucceeded(result=result):
            return _block(use, _result(result, shown), failed=False)
        case ToolFailed(message=message, hint=hint, retry_after=after):
            return _block(use, _failure(message, hint, after), failed=True)
        case ToolRefused(message=message, hint=hint):
            return _block(use, _failure(message, hint, None), failed=True)
        case ChildFinished(status="finished", output=output, answer=answer):
            return _block(use, result_text(answer if output is None else output), failed=False)
        case ChildFinished(status=status, message=message):
            return _block(use, f"The agent's run has {status}: {message}", failed=True)
        case ToolOutcomeUnknown(reason=reason):
            return _block(use, UNKNOWN.format(reason=reason), failed=True)
        case _:
            return _block(use, f"(no result: {outcome.kind})", failed=True)


def _failure(message: str, hint: str | None, after: float | None) -> str:
    message = message if message.strip() else NO_MESSAGE
    text = message if hint is None else f"{message}\nHint: {hint}"
    return text if after is None else f"{text}\nThe same call may work after {after:g} s."


def _result(result: Json, shown: RenderedResult) -> str:
    hint = shown.spec.when_empty if shown.spec is not None else None
    if hint == "":  # an empty result is an answer like any other
        return _cut(_plain(result), shown)
    blank = isinstance(result, str) and not result.strip()
    if blank or result in ([], {}) or (result is None and hint is not None):
        return f"{EMPTY}\nHint: {hint or TRY_ELSE}"
    if result is None:
        return NO_RESULT
    text = _cut(result_text(result), shown)
    return f"{text}\nHint: {hint}" if hint is not None and _holds_nothing(result) else text


def _plain(result: Json) -> str:
    if result is None:
        return NO_RESULT
    return EMPTY if isinstance(result, str) and not result.strip() else result_text(result)


def _holds_nothing(result: Json) -> bool:
    """An object whose lists are all empty."""
    lists = [v for v in result.values() if isinstance(v, list)] if isinstance(result, dict) else []
    return bool(lists) and not any(lists)


def _cut(text: str, shown: RenderedResult) -> str:
    most = (shown.spec.max_chars if shown.spec is not None else None) or RESULT_CHARS
    if len(text) <= most:
        return text
    more = "Ask for less at once."
    if shown.reads_on:
        more = f'Read on with {READ_RESULT}(key="{shown.key}", offset={most}).'
    return f"{text[:most]}\n[cut: these are {most} of {len(text)} characters. {more}]"


def _block(use: str, content: Json, *, failed: bool) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": use, "content": content}
    if failed:
        block["is_error"] = True
    return block
