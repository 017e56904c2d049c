"""Characters that a model reads and people do not see: hidden, bidirectional, tags."""

import unicodedata
from collections.abc import Iterator

BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

HARMLESS = frozenset("\n\r\t\u00ad")

FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
"""Letters and signs by their class that show nothing."""


def hidden_in(text: str) -> Iterator[str]:
    """Each kind of hidden character in the text, once, in words."""
    seen = set[str]()
    for sign in text:
        if sign in seen or (sign.isascii() and sign.isprintable()) or sign in HARMLESS:
            continue
        seen.add(sign)
        category = unicodedata.category(sign)
        selector = 0xFE00 <= ord(sign) <= 0xFE0F or 0xE0100 <= ord(sign) <= 0xE01EF
        if (
            sign in BIDI
            or sign in FILLERS
            or selector
            or category in ("Cf", "Cc", "Co", "Cn", "Cs")
        ):
            name = unicodedata.name(sign, f"character {ord(sign):#x}")
            yield f"U+{ord(sign):04X} ({name.lower()})"
