"""Results that are more than text: images and documents, as content blocks of the Messages API."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from playhead.events.event import Block
from playhead.tools.result import ResultRefused, clean_text

MEDIA = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""The media types that the Messages API accepts."""

MAX_BYTES = 5_000_000
"""Bytes of one image."""

MAX_DOCUMENT = 10_000_000
"""Bytes of one document."""

PDF = "application/pdf"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that a tool returns, alone or in a list with text: `return ["Sales:", Image(b)]`."""

    data: bytes
    media_type: str = "image/png"


@dataclass(frozen=True, slots=True)
class Document:
    """A document that a tool returns, alone or in a list: a PDF as bytes, or plain text as a str.

    A PDF counts as a full context window against limits of tokens or money: nothing bounds it.
    """

    data: bytes | str
    title: str | None = None
    context: str | None = None
    """What the model should know about the document, apart from its text; it is never cited."""
    citations: bool = False
    """Whether the model cites it. Either all documents and search results of a run are cited, or
    none."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A hit of a search that a tool returns: the model cites its source and title."""

    source: str
    """Where it was found: a URL, a path, an id."""
    title: str
    text: str | Sequence[str]
    """Its text; a sequence: the pieces of which each can be cited."""
    citations: bool = True


@dataclass(frozen=True, slots=True)
class ToolReference:
    """A tool with `defer_loading` that a search of your own has found: the API loads it."""

    tool: str


SHOWN = (Image, Document, SearchResult, ToolReference)
"""The types that become content blocks of their own."""


def to_content(value: object) -> list[Block] | None:
    """The blocks of an image, a document, or a list of those and text; None for anything else.

    Raises ResultRefused for content that the model cannot be shown.
    """
    if isinstance(value, SHOWN):
        return [_block(value)]
    if not isinstance(value, list | tuple):
        return None
    parts = cast("list[object]", value)
    if not any(isinstance(part, SHOWN) for part in parts):
        return None
    return [_block(part) for part in parts if not isinstance(part, str) or part.strip()]


def _block(part: object) -> Block:
    if isinstance(part, Image):
        return _image(part)
    if isinstance(part, Document):
        return _document(part)
    if isinstance(part, SearchResult):
        return _search_result(part)
    if isinstance(part, ToolReference):
        return {"type": "tool_reference", "tool_name": part.tool}
    if isinstance(part, str):
        return {"type": "text", "text": clean_text(part)}
    kind = type(part).__name__
    msg = f"a list with images, documents or other content may hold only that and text, not {kind}"
    raise ResultRefused(msg)


def _image(image: Image) -> Block:
    if image.media_type not in MEDIA:
        msg = f"the image is {image.media_type}; the model accepts {', '.join(MEDIA)}"
        raise ResultRefused(msg)
    if not 0 < len(image.data) <= MAX_BYTES:
        msg = f"the image has {len(image.data)} bytes; the model accepts 1 to {MAX_BYTES}"
        raise ResultRefused(msg)
    encoded = b64encode(image.data).decode()
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": image.media_type, "data": encoded},
    }


def _document(document: Document) -> Block:
    data = document.data
    size = len(data) if isinstance(data, bytes) else len(data.encode("utf-8", "surrogatepass"))
    if not 0 < size <= MAX_DOCUMENT:
        msg = f"the document has {size} bytes; the model accepts 1 to {MAX_DOCUMENT}"
        raise ResultRefused(msg)
    if isinstance(data, bytes) and not data.startswith(b"%PDF-"):
        msg = "the document is bytes but not a PDF: pass plain text as a str"
        raise ResultRefused(msg)
    source: Block
    if isinstance(data, bytes):
        source = {"type": "base64", "media_type": PDF, "data": b64encode(data).decode()}
    else:
        source = {"type": "text", "media_type": "text/plain", "data": clean_text(data)}
    block: Block = {"type": "document", "source": source}
    for name, text in (("title", document.title), ("context", document.context)):
        if text is not None:
            block[name] = clean_text(text)
    return {**block, "citations": {"enabled": True}} if document.citations else block


def _search_result(found: SearchResult) -> Block:
    texts = [found.text] if isinstance(found.text, str) else list(found.text)
    if not texts or not all(text.strip() for text in texts):
        msg = f"the search result {found.source!r} has no text"
        raise ResultRefused(msg)
    return {
        "type": "search_result",
        "source": clean_text(found.source),
        "title": clean_text(found.title),
        "content": [{"type": "text", "text": clean_text(text)} for text in texts],
        "citations": {"enabled": found.citations},
    }
