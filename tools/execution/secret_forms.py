"""Finds a secret's value in a text, in whatever form tools and servers repeat it.

Verbatim, in another case, URL-encoded (wholly or in part), escaped as in JSON, and in base64 at
each of its three alignments, also within something longer ("user:SECRET") and broken into lines.
"""

import json
import re
from base64 import b64encode

SHORTEST_BASE64 = 8
"""Characters of base64; fewer would be found everywhere."""

ENCODED = re.compile(r"[%+\\]")
"""What a text in which a value is encoded or escaped holds at least."""

LINE_ENDS = re.compile(r"(?:\\[rn]|\s)+")


class SecretForms:
    """One value, and how to replace it by its name."""

    def __init__(self, value: str, name: str) -> None:
        self._name = name
        self._lower = value.lower()
        self._plain = re.compile("".join(map(_character, value)), re.IGNORECASE)
        self._cores = _base64_cores(value.encode("utf-8", "surrogatepass"))
        broken = r"(?:\\[rn]|\s)*"  # lines end within it, or escaped ones
        forms = [broken.join(map(re.escape, core)) for core in self._cores]
        edge = "[A-Za-z0-9+/_-]{0,2}"  # holds a few bits of the value's first or last byte
        self._base64 = re.compile(f"{edge}(?:{'|'.join(forms)}){edge}={{0,2}}") if forms else None

    def mask(self, text: str) -> str:
        """The text with each form of the value replaced. Cheap where there is none."""
        if self._lower in text.lower() or ENCODED.search(text):
            text = self._plain.sub(lambda _: self._name, text)
        if self._base64 is not None:
            joined = LINE_ENDS.sub("", text)
            if any(core in joined for core in self._cores):
                text = self._base64.sub(lambda _: self._name, text)
        return text


def _character(char: str) -> str:
    """A pattern for one character: itself, URL-encoded once or twice, escaped as in JSON."""
    code = char.encode("utf-8", "surrogatepass")
    once = "".join(f"%(?:25)?{byte:02x}" for byte in code)
    forms = {re.escape(char), once, re.escape(json.dumps(char)[1:-1])}
    if char == " ":
        forms.add(r"\+")
    return f"(?:{'|'.join(sorted(forms))})"


def _base64_cores(value: bytes) -> list[str]:
    """For each alignment the characters that depend on the value alone, in both alphabets."""
    cores = list[str]()
    for before in range(3):
        whole = b64encode(b"\0" * before + value).decode()
        begin = -(-before * 8 // 6)
        core = whole[begin : (before + len(value)) * 8 // 6]
        if len(core) >= SHORTEST_BASE64:
            cores += {core, core.replace("+", "-").replace("/", "_")}
    return cores
