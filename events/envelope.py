"""What a reply says beside its content: why it stopped, its container, what the API did to it.

A reply's envelope holds every field of the API's message that has no field of its own in Reply,
verbatim; `usage` in it holds the fields of the API's usage that Usage does not have.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from playhead.events.event import Json

Envelope: TypeAlias = Mapping[str, Json]


SHOWN = frozenset({
    "stop_details", "stop_sequence", "container", "context_management", "annotations", "id",
    "usage",
})  # fmt: skip
"""Fields with words of their own, and those that say nothing to a person."""


UNREAD = frozenset({"type", "id", "tool_use_id", "status"})
"""Fields of what the API did that say nothing to a person."""


def container_id(container: Json, at: int) -> str | None:
    """The id of the container in which a reply's code ran, unless it has expired.

    `at` is in microseconds since the epoch.
    """
    match container:
        case {"id": str(name), "expires_at": str(expires)}:
            return name if _microseconds(expires) > at else None
        case {"id": str(name)}:
            return name
        case _:
            return None


def _microseconds(time: str) -> float:
    """An ISO time since the epoch; a time that cannot be read is never reached."""
    try:
        return datetime.fromisoformat(time).timestamp() * 1_000_000
    except ValueError:
        return float("inf")


def stop_text(envelope: Envelope) -> str:
    """Why the model stopped, in the API's words: "cyber: ..."; empty if it did not say."""
    details = envelope.get("stop_details")
    if not isinstance(details, dict):
        return ""
    said = [details.get("category"), details.get("explanation")]
    if model := details.get("recommended_model"):
        said.append(f"(the API recommends {model})")
    return ": ".join(str(each) for each in said[:2] if each) + "".join(f" {x}" for x in said[2:])


def envelope_lines(envelope: Envelope) -> list[str]:
    """An envelope as text for people: one line a field, without what only machines need."""
    lines: list[str] = []
    if stopped := stop_text(envelope):
        lines.append(f"stopped: {stopped}")
    if (sequence := envelope.get("stop_sequence")) is not None:
        lines.append(f"stopped at {sequence!r}")
    if (container := container_id(envelope.get("container"), 0)) is not None:
        lines.append(f"container {container}")
    match envelope.get("context_management"):
        case {"applied_edits": list(edits)}:
            lines += [f"context edited by the API: {_fields(edit)}" for edit in edits]
        case _:
            pass
    match envelope.get("annotations"):
        case list(annotations):
            lines += [f"cites {source_text(each)}" for each in annotations]
        case _:
            pass
    others = (each for each in envelope.items() if each[0] not in SHOWN)
    return [*lines, *(f"{name}: {_fields(value)}" for name, value in others)]


def source_text(citation: Json) -> str:
    """Title and address of one citation or annotation."""
    if not isinstance(citation, dict):
        return str(citation)
    inner = citation.get("url_citation")  # Chat Completions puts it inside
    if isinstance(inner, dict):
        citation = inner
    title = citation.get("title") or citation.get("document_title") or citation.get("filename")
    where = citation.get("url") or citation.get("source") or citation.get("file_id")
    if title and where:
        return f"{title} ({where})"
    return str(title or where or citation.get("cited_text") or readable(citation))


def readable(value: Json) -> str:
    """JSON as text, without what is empty, encrypted or only a machine's."""
    match value:
        case dict():
            kept = [(name, readable(each)) for name, each in value.items() if _says(name)]
            return ", ".join(f"{name} {text}" for name, text in kept if text)
        case list():
            return "; ".join(text for each in value if (text := readable(each)))
        case None | "":
            return ""
        case _:
            return str(value)


def _says(name: str) -> bool:
    return name not in UNREAD and not name.startswith("encrypted_")


def _fields(value: Json) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_fields(each)}" for name, each in value.items())
    return str(value)
