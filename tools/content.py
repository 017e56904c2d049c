"""Results that are more than text: images and documents, as content blocks of the Messages API."""

from base64 import b64encode
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


SHOWN = (Image, Document)
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
    if isinstance(part, str):
        return {"type": "text", "text": clean_text(part)}
    kind = type(part).__name__
    msg = f"a list with images or documents may contain only those and text, not {kind}"
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
    return block if document.title is None else {**block, "title": clean_text(document.title)}
