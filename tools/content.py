"""Results that are more than text: images, as content blocks of the Messages API."""

from base64 import b64encode
from dataclasses import dataclass
from typing import cast

from playhead.events.event import Block
from playhead.tools.results import ResultRefused, clean_text

MEDIA = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""What the Messages API takes."""

MAX_BYTES = 5_000_000
"""Of one image."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that a tool returns, alone or in a list with text: `return ["Sales:", Image(b)]`."""

    data: bytes
    media_type: str = "image/png"


def to_content(value: object) -> list[Block] | None:
    """The blocks of an image, or of a list of texts and images; None for any other result.

    Raises ResultRefused for an image that the model cannot be shown.
    """
    if isinstance(value, Image):
        return [_image(value)]
    if not isinstance(value, list | tuple):
        return None
    parts = cast("list[object]", value)
    if not any(isinstance(part, Image) for part in parts):
        return None
    return [_block(part) for part in parts if not isinstance(part, str) or part.strip()]


def _block(part: object) -> Block:
    if isinstance(part, Image):
        return _image(part)
    if isinstance(part, str):
        return {"type": "text", "text": clean_text(part)}
    msg = f"a list with images holds text and images only, not {type(part).__name__}"
    raise ResultRefused(msg)


def _image(image: Image) -> Block:
    if image.media_type not in MEDIA:
        msg = f"an image of {image.media_type}: the model is shown {', '.join(MEDIA)}"
        raise ResultRefused(msg)
    if not 0 < len(image.data) <= MAX_BYTES:
        msg = f"an image of {len(image.data)} bytes: the model is shown 1 to {MAX_BYTES}"
        raise ResultRefused(msg)
    encoded = b64encode(image.data).decode()
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": image.media_type, "data": encoded},
    }
