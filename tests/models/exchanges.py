"""Replies of the Messages API as it sends them, event by event, written from its reference."""

from typing import Any, NamedTuple

from tests.support.messages_api import Block, message_events, text

EXPIRES = "2090-01-02T03:04:05Z"
CONTAINER = {"id": "container_011", "expires_at": EXPIRES, "skills": None}
CODE_TOOL: Block = {"type": "code_execution_20250825", "name": "code_execution"}
SEARCH_TOOL: Block = {"type": "web_search_20250305", "name": "web_search"}
RAN: list[Block] = [
    {
        "type": "server_tool_use", "id": "srvtoolu_1", "name": "bash_code_execution",
        "input": {"command": "ls"},
    },
    {
        "type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_1",
        "content": {
            "type": "bash_code_execution_result", "stdout": "a.csv\n", "stderr": "",
            "return_code": 0, "content": [],
        },
    },
]  # fmt: skip
SEARCHED: list[Block] = [
    {
        "type": "server_tool_use", "id": "srvtoolu_2", "name": "web_search",
        "input": {"query": "Hue"},
    },
    {
        "type": "web_search_tool_result", "tool_use_id": "srvtoolu_2",
        "content": [{
            "type": "web_search_result", "url": "https://example.org", "title": "Hue",
            "encrypted_content": "ZW5jcnlwdGVk", "page_age": None,
        }],
    },
    {
        "type": "text", "text": "Hue is a city.",
        "citations": [{
            "type": "web_search_result_location", "cited_text": "Hue is a city.",
            "encrypted_index": "aW5kZXg=", "title": "Hue", "url": "https://example.org",
        }],
    },
]  # fmt: skip
SAID = text("There is one file.")
THOUGHT: Block = {"type": "thinking", "thinking": "one\u00a0and\n", "signature": "c2lnbmVk=="}
REDACTED: Block = {"type": "redacted_thinking", "data": "b3BhcXVl"}
COMPACTED: Block = {
    "type": "compaction", "content": "So far: one file.", "encrypted_content": "bWV0YQ==",
}  # fmt: skip
REFUSED = {
    "type": "refusal", "category": "cyber", "explanation": "It asks for an exploit.",
}  # fmt: skip
EDITS = {
    "applied_edits": [{
        "type": "clear_tool_uses_20250919", "cleared_tool_uses": 8, "cleared_input_tokens": 50_000,
    }],
}  # fmt: skip


def tokens(input_tokens: int, output_tokens: int) -> dict[str, Any]:
    """The token fields of an iteration."""
    return {
        "input_tokens": input_tokens, "output_tokens": output_tokens,
        "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
    }  # fmt: skip


ITERATIONS: list[Block] = [
    {"type": "compaction", **tokens(180_000, 3_500)},
    {"type": "message", **tokens(23_000, 1_000), "model": "claude-sonnet-4-6"},
    {"type": "advisor_message", **tokens(2_000, 500), "model": "claude-opus-4-6"},
]


class Exchange(NamedTuple):
    """One reply."""

    blocks: list[Block]
    stop_reason: str
    usage: dict[str, Any] | None = None
    output_tokens: int = 7
    more: dict[str, dict[str, Any]] = {}  # noqa: RUF012 - a constant
    """Further fields, by where they are: see message_events."""

    @property
    def events(self) -> list[Block]:
        """What the API sends."""
        return list(
            message_events(
                self.blocks, self.stop_reason, self.output_tokens, self.usage, **self.more
            )
        )


EXCHANGES = {
    "thinking": Exchange([THOUGHT, REDACTED, SAID], "end_turn"),
    "container": Exchange([*RAN, SAID], "end_turn", more={"delta": {"container": CONTAINER}}),
    "server tools, citations": Exchange(
        SEARCHED, "end_turn",
        more={
            "final": {"server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0}},
        },
    ),
    "pause_turn": Exchange([SEARCHED[0], SEARCHED[1]], "pause_turn"),
    "compaction": Exchange([COMPACTED], "compaction"),
    "iterations": Exchange(
        [COMPACTED, SAID], "end_turn",
        {**tokens(23_000, 1), "service_tier": "standard", "inference_geo": "us"}, 1_000,
        {"final": {"iterations": ITERATIONS}, "beside": {"context_management": EDITS}},
    ),
    "refusal": Exchange([text("I")], "refusal", more={"delta": {"stop_details": REFUSED}}),
    "stop sequence": Exchange([SAID], "stop_sequence", more={"delta": {"stop_sequence": "END"}}),
}  # fmt: skip
"""By what is special about each."""
