"""What a caller says: a goal or a message with its parts in order, and messages from elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, TypeAlias, cast

from playhead.events.errors import UsageError
from playhead.events.event import Block
from playhead.tools.content import Document, Image, to_content
from playhead.tools.result import ResultRefused

Said: TypeAlias = "str | Sequence[str | Block | Image | Document]"
"""A text, or texts, images and documents in order; a Block is a content block of the API."""


class Spoken(NamedTuple):
    """What was said, as an event records it."""

    text: str
    content: tuple[Block, ...] | None
    ordered: bool | None
    """Whether the content has the text too, in its place."""


def spoken(said: Said, content: Sequence[Block] = ()) -> Spoken:
    """A text with content before it, or parts in the order given. Raises UsageError."""
    if isinstance(said, str):
        return Spoken(said, tuple(content) or None, None)
    if content:
        msg = "content= goes with a text: put the blocks into the list instead, in their places"
        raise UsageError(msg)
    blocks = [block for part in said for block in _blocks(part)]
    texts = [str(block["text"]) for block in blocks if block.get("type") == "text"]
    if len(blocks) == len(texts):
        return Spoken("\n".join(texts), None, None)
    return Spoken("\n".join(texts), tuple(blocks), True)


def _blocks(part: Any) -> list[Block]:
    if isinstance(part, str):
        return [{"type": "text", "text": part}] if part.strip() else []
    if isinstance(part, dict):
        block = cast("dict[str, Any]", part)
        return [{**block}] if isinstance(block.get("type"), str) else _unknown(block)
    try:
        found = to_content(part)
    except ResultRefused as error:
        raise UsageError(str(error)) from error
    return _unknown(part) if found is None else found


def _unknown(part: object) -> NoReturn:
    msg = f"{part!r} is no part of a message: give texts, Images, Documents or content blocks"
    raise UsageError(msg)


def history_of(messages: Sequence[Mapping[str, Any]]) -> tuple[Block, ...] | None:
    """Messages of the API's form as a run records them; None for none.

    Consecutive ones of one role become one. Raises UsageError for what the API would refuse: they
    begin with the user and end with the assistant, and each tool_use has its tool_result.
    """
    found: list[Block] = []
    for number, message in enumerate(messages, 1):
        role, blocks = message.get("role"), _message(message, number)
        if role not in ("user", "assistant"):
            more = ": give instructions= instead" if role == "system" else ""
            msg = f"message_history: message {number} has the role {role!r}{more}"
            raise UsageError(msg)
        if found and found[-1]["role"] == role:
            found[-1]["content"] = [*cast("list[Any]", found[-1]["content"]), *blocks]
        else:
            found.append({"role": role, "content": cast("list[Any]", blocks)})
    if found and (found[0]["role"], found[-1]["role"]) != ("user", "assistant"):
        msg = "message_history begins with a user message and ends with the assistant's"
        raise UsageError(msg)
    _check_pairs(found)
    return tuple(found) or None


def _message(message: Mapping[str, Any], number: int) -> list[Block]:
    content: Any = message.get("content")
    given: list[Any] = [content] if isinstance(content, str) else list(content or ())
    blocks = [block for part in given for block in _blocks(part)]
    if not blocks:
        msg = f"message_history: message {number} has no content"
        raise UsageError(msg)
    return blocks


def _check_pairs(messages: Sequence[Block]) -> None:
    asked: set[str] = set()
    for message in messages:
        blocks = cast("list[Block]", message["content"])
        answered = {str(b.get("tool_use_id")) for b in blocks if b.get("type") == "tool_result"}
        if message["role"] == "user" and asked != answered:
            wrong = sorted(asked ^ answered)[0]
            msg = f"message_history: {wrong} has no tool_use and tool_result next to each other"
            raise UsageError(msg)
        asked = {str(b.get("id")) for b in blocks if b.get("type") == "tool_use"}
    if asked:
        msg = f"message_history: {sorted(asked)[0]} has no tool_result"
        raise UsageError(msg)
