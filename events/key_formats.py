"""Recognises API keys by their format and replaces them in text.

Only unmistakable formats are listed: a vendor's prefix followed by enough characters. That is why
masking them is on by default. Secrets specific to one company (a customer number, a password)
cannot be known here; pass patterns for them to `playhead.Redactor`.
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple


class KeyFormat(NamedTuple):
    """The format of one kind of key."""

    name: str
    """The replacement for the key: [redacted name]."""
    markers: tuple[str, ...]
    """Every key of this format contains one of these; searched for first, because that is cheap."""
    pattern: re.Pattern[str]
    """What is masked: the group `key` if there is one, else the whole match."""


def _format(name: str, markers: Sequence[str], pattern: str) -> KeyFormat:
    return KeyFormat(name, tuple(markers), re.compile(pattern))


# A character before a key that would make the key part of a longer word.
ALONE = r"(?<![A-Za-z0-9_])"

KEY_FORMATS: tuple[KeyFormat, ...] = (
    _format("anthropic-key", ["sk-ant-"], ALONE + r"sk-ant-[A-Za-z0-9_-]{16,}"),
    _format("openai-key", ["sk-"], ALONE + r"sk-(?:[a-z]+-)*[A-Za-z0-9_]{20,}[A-Za-z0-9_-]*"),
    _format("aws-key", ["AKIA", "ASIA"], ALONE + r"A[KS]IA[A-Z2-7]{16}(?![A-Za-z0-9])"),
    _format(
        "aws-secret",
        ["ecret"],
        r"(?i)aws_?secret_?(?:access_?)?key[\"'\\\s:=]{1,8}(?P<key>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])",
    ),
    _format(
        "github-token", ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        ALONE + r"gh[pousr]_[A-Za-z0-9]{30,}",
    ),
    _format("github-token", ["github_pat_"], ALONE + r"github_pat_[A-Za-z0-9_]{22,}"),
    _format("gitlab-token", ["glpat-"], ALONE + r"glpat-[A-Za-z0-9_-]{20,}"),
    _format("slack-token", ["xox"], ALONE + r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    _format(
        "slack-webhook", ["hooks.slack.com/"],
        r"hooks\.slack\.com/services/(?P<key>[A-Za-z0-9/]{20,})",
    ),
    _format("google-key", ["AIza"], ALONE + r"AIza[A-Za-z0-9_-]{35}"),
    _format("google-token", ["ya29."], ALONE + r"ya29\.[A-Za-z0-9_-]{20,}"),
    _format("stripe-key", ["k_live_", "k_test_"], ALONE + r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _format("sendgrid-key", ["SG."], ALONE + r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _format("twilio-key", ["SK"], ALONE + r"SK[0-9a-f]{32}(?![A-Za-z0-9])"),
    _format("npm-token", ["npm_"], ALONE + r"npm_[A-Za-z0-9]{36}"),
    _format("pypi-token", ["pypi-"], ALONE + r"pypi-[A-Za-z0-9_-]{40,}"),
    _format("huggingface-token", ["hf_"], ALONE + r"hf_[A-Za-z0-9]{30,}"),
    _format("databricks-token", ["dapi"], ALONE + r"dapi[0-9a-f]{32}"),
    _format("digitalocean-token", ["dop_v1_", "doo_v1_"], ALONE + r"do[op]_v1_[0-9a-f]{64}"),
    _format("azure-key", ["AccountKey="], r"AccountKey=(?P<key>[A-Za-z0-9+/=]{40,})"),
    _format(
        "json-web-token", ["eyJ"],
        ALONE + r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    ),
    _format(
        "private-key",
        ["PRIVATE KEY-----"],
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.|\n)*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    ),
    _format("password", ["://"], r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\"'<>]*:(?P<key>[^\s/@\"'<>]+)@"),
    _format(
        "bearer-token",
        ["earer ", "asic "],
        r"(?i)authorization[\"'\\\s:=]{1,8}(?:bearer|basic)\s+(?P<key>[A-Za-z0-9._~+/=-]{8,})",
    ),
)  # fmt: skip
"""In search order: the first format that matches names the key."""


def hide_keys(text: str, formats: Sequence[KeyFormat] = KEY_FORMATS) -> str:
    """The text, with each key replaced by the name of its format."""
    for known in formats:
        if any(marker in text for marker in known.markers):
            text = known.pattern.sub(partial(_named, name=known.name), text)
    return text


def markers_of(formats: Sequence[KeyFormat] = KEY_FORMATS) -> tuple[bytes, ...]:
    """Markers to search for first: text that contains none of them has no key."""
    return tuple(dict.fromkeys(m.encode() for known in formats for m in known.markers))


def _named(found: re.Match[str], name: str) -> str:
    hidden = f"[redacted {name}]"
    if "key" not in found.re.groupindex:
        return hidden
    begin, end = found.span("key")
    whole, start = found.group(), found.start()
    return whole[: begin - start] + hidden + whole[end - start :]
