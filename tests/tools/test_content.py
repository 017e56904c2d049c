"""Images and documents that tools return: shown to the model as such, or refused by name."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from playhead import Agent, Document, Image, Runtime, tool
from playhead.events.kinds.tool_calls import ToolSucceeded
from playhead.events.record import Record
from playhead.projections.history.timeline import timeline
from playhead.testing import ScriptedModel
from playhead.testing import call as requested
from playhead.tools.content import to_content
from tests.tools.calls import call, failure_of

PNG = b"\x89PNG\r\n\x1a\n"
PDF = b"%PDF-1.7\n%%EOF\n"


def base64(kind: str, media: str, data: bytes) -> dict[str, Any]:
    encoded = b64encode(data).decode()
    return {"type": kind, "source": {"type": "base64", "media_type": media, "data": encoded}}


PLAIN = {"type": "text", "media_type": "text/plain", "data": "Anna."}

SHOWN: list[tuple[Any, list[dict[str, Any]]]] = [
    (Image(PNG), [base64("image", "image/png", PNG)]),
    (
        ["Sales:", Image(PNG, "image/jpeg")],
        [{"type": "text", "text": "Sales:"}, base64("image", "image/jpeg", PNG)],
    ),
    (Document(PDF), [base64("document", "application/pdf", PDF)]),
    (
        ["Two:", Document("Anna.", title="A letter"), Image(PNG)],
        [
            {"type": "text", "text": "Two:"},
            {"type": "document", "source": PLAIN, "title": "A letter"},
            base64("image", "image/png", PNG),
        ],
    ),
]


@pytest.mark.parametrize(("value", "blocks"), SHOWN)
def test_what_a_tool_shows_is_in_the_next_request_as_the_api_has_it(
    value: Any, blocks: list[dict[str, Any]], tmp_path: Path
) -> None:
    @tool(effect="read")
    def show() -> Image | Document | list[str | Image | Document]:
        """Show it."""
        return value  # type: ignore[no-any-return]

    model = ScriptedModel([requested("show"), "seen"])
    agent = Agent(name="a", model=model, tools=[show])
    with Runtime(tmp_path / "log.db", [agent]) as runtime:
        runtime.run(agent, "look")
    [result] = model.requests[1].body["messages"][-1]["content"][:1]
    assert result["content"] == blocks


def test_people_are_told_what_was_shown() -> None:
    shown = to_content(["Two:", Document("Anna.", title="A letter"), Image(PNG)])
    assert shown is not None
    event = ToolSucceeded(content=tuple(shown), duration_ms=1)
    record = Record("r", 5, 0, "tool", "effect", 4, event)
    [entry] = timeline([record])
    assert entry.text == "Two:\n[document text/plain A letter]\n[image image/png]"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (Image(b""), "the image has 0 bytes"),
        (Image(PNG, "image/tiff"), "the image is image/tiff"),
        (Image(PNG * 1_000_000), "the image has 8000000 bytes"),
        (Document(b"GIF89a"), "not a PDF"),
        (Document(""), "the document has 0 bytes"),
        (Document(PDF + bytes(10_000_000)), "the model accepts 1 to 10000000"),
        ([Image(PNG), 3], "may hold only that and text, not int"),
    ],
)
def test_what_the_model_cannot_be_shown_is_the_tool_s_fault_by_name(value: Any, why: str) -> None:
    @tool(effect="read")
    def show() -> Any:
        """Show it."""
        return value

    failed = failure_of(call(show))
    assert (failed.error, why in failed.message) == ("invalid_result", True)
