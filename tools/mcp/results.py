"""A server's result as one of our tools would return it: all of it, in its order.

What the model cannot be shown (audio, an unknown media type, a file that is too large) is named in
its place: a call that took effect is never failed because of what it gave back.
"""

from base64 import b64decode
from typing import TYPE_CHECKING

from pydantic_core import from_json, to_json

from playhead.events.errors import ToolError
from playhead.tools.content import MAX_BYTES, MAX_DOCUMENT, MEDIA, PDF, Document, Image
from playhead.tools.result import MAX_CHARACTERS

if TYPE_CHECKING:
    from mcp import types

ERROR_TEXT = 2_000
"""Characters of an error that the model sees."""

ALL_TEXT = MAX_CHARACTERS // 4
"""Characters of one result that are kept: the log holds no more of a result."""


def to_result(result: "types.CallToolResult") -> object:
    """The server's answer as our tools would return it. Raises ToolError for its errors."""
    parts = _bounded([_part(block) for block in result.content])
    texts = [part for part in parts if isinstance(part, str)]
    if result.is_error:
        message = "\n".join(text for text in texts if text)[:ERROR_TEXT]
        raise ToolError(message or "the server reported a failure without a reason")
    structured = result.structured_content
    shown = len(texts) < len(parts)
    if structured is None:
        return parts if shown else "\n".join(texts)
    size = len(to_json(structured))
    if size > ALL_TEXT:
        structured = f"(structured content of {size} bytes, which is too large)"
    repeated = len(texts) == 1 and _says(texts[0], structured)
    if not shown:
        return structured if repeated or not texts else {"structured": structured, "text": texts}
    said = structured if isinstance(structured, str) else to_json(structured).decode()
    return parts if repeated else [*parts, said]


def _says(text: str, structured: object) -> bool:
    """Whether a text repeats the structured content, as the protocol asks servers to do."""
    try:
        found = from_json(text)
    except ValueError:
        found = text
    return structured in (found, {"result": found}, {"result": text})


def _bounded(parts: list[object]) -> list[object]:
    left, kept = ALL_TEXT, list[object]()
    for part in parts:
        if isinstance(part, str) and len(part) > left:
            kept.append(f"{part[:left]}\n(cut: {len(part) - left} more characters)")
            left = 0
        else:
            kept.append(part)
            left -= len(part) if isinstance(part, str) else 0
    return kept


def _part(block: "types.ContentBlock") -> object:
    match block.type:
        case "text":
            return block.text
        case "image":
            return _file(block.data, block.mime_type, "an image")
        case "audio":
            return _file(block.data, block.mime_type, "audio")
        case "resource":
            return shown_resource(block.resource)
        case "resource_link":
            words = [block.name, block.uri, block.mime_type, block.description]
            return "resource: " + ", ".join(str(word) for word in words if word)


def shown_resource(
    found: "types.TextResourceContents | types.BlobResourceContents",
) -> object:
    """A resource: its text, an image or a document, or words in its place."""
    uri, kind = str(found.uri), found.mime_type or "unknown type"
    text = getattr(found, "text", None)
    if isinstance(text, str):
        return f"{uri}:\n{text}"
    return _file(getattr(found, "blob", ""), kind, uri)


def _file(encoded: str, media_type: str, what: str) -> object:
    """An image or a PDF, if the model can be shown it; otherwise words in its place."""
    try:
        data = b64decode(encoded, validate=True)
    except ValueError:
        return f"({what}, {media_type}: its data is not valid base64)"
    if media_type in MEDIA and 0 < len(data) <= MAX_BYTES:
        return Image(data, media_type)
    if media_type == PDF and data.startswith(b"%PDF-") and len(data) <= MAX_DOCUMENT:
        return Document(data, what)
    return f"({what}, {media_type}, {len(data)} bytes: it cannot be shown to the model)"
