"""What was said, in the shape of the GenAI conventions: on spans only where it was asked for."""

from collections.abc import Iterable
from typing import Any

from pydantic_core import to_json

from playhead.events.event import Block
from playhead.events.model_api import Request


def reply(content: Iterable[Block], finish: str) -> str:
    """A model's reply as gen_ai.output.messages."""
    return _json([{"role": "assistant", "parts": _parts(content), "finish_reason": finish}])


def prompt(request: Request) -> str:
    """A request's messages as gen_ai.input.messages."""
    messages = request.body["messages"]
    return _json([{"role": m["role"], "parts": _parts(m["content"])} for m in messages])


def text(role: str, said: str) -> str:
    """One message of plain text."""
    return _json([{"role": role, "parts": [{"type": "text", "content": said}]}])


def plain(value: object) -> str:
    """A string as it is, another value as JSON."""
    return value if isinstance(value, str) else _json(value)


def _parts(content: str | Iterable[Block]) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "content": content}]
    return [_part(block) for block in content]


def _part(block: Block) -> dict[str, Any]:
    match block.get("type"):
        case "text":
            return {"type": "text", "content": block.get("text")}
        case "thinking":
            return {"type": "reasoning", "content": block.get("thinking")}
        case "tool_use":
            return {
                "type": "tool_call",
                "id": block.get("id"),
                "name": block.get("name"),
                "arguments": block.get("input"),
            }
        case "tool_result":
            answer = block.get("content")
            return {
                "type": "tool_call_response",
                "id": block.get("tool_use_id"),
                "response": answer,
            }
        case kind:
            return {"type": str(kind)}


def _json(value: object) -> str:
    return to_json(value).decode()
