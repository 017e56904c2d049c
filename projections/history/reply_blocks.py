"""What a reply says beside its text and the calls of the program's tools, for people.

Thoughts that are hidden, what the API did by itself (server tools, their results, compaction), and
the sources that the text cites. Blocks of kinds that nobody knows are named.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from pydantic_core import to_json

from playhead.events.envelope import readable, source_text
from playhead.events.event import Block, Json

Done: TypeAlias = tuple[Literal["Action", "Observation", "Note"], str]
"""A heading and its text."""

HIDDEN = "(encrypted by the provider)"


def thoughts_of(content: Sequence[Block]) -> list[str]:
    """The model's thoughts, in order."""
    found: list[str] = []
    for block in content:
        thought = str(block.get("thinking") or "")
        if block.get("type") == "redacted_thinking" or (
            block.get("type") == "thinking" and not thought.strip()
        ):
            thought = HIDDEN
        found += [thought] if thought.strip() else []
    return found


def done_by_api(content: Sequence[Block]) -> Iterator[Done]:
    """What the API did by itself, each as a call ("Action") or as what it gave ("Observation")."""
    for block in content:
        match block:
            case {"type": "server_tool_use" | "mcp_tool_use", "name": str(name)}:
                yield "Action", f"{name}({_arguments(block.get('input'))}), run by the API"
            case {"type": str(kind)} if kind.endswith("_tool_result"):
                yield "Observation", readable(block.get("content")) or "(nothing)"
            case {"type": "compaction"}:
                said = block.get("content") or HIDDEN
                yield "Note", f"the API compacted the conversation: {said}"
            case {"type": "openai_item", "openai": dict(item)}:
                kind = str(item.get("type"))
                yield "Action", f"{kind}({readable(item)}), run by the API"
            case {"type": "text" | "thinking" | "redacted_thinking" | "tool_use"}:
                pass
            case _:
                yield "Note", f"the reply holds a block of type {block.get('type')}"
    if cited := list(dict.fromkeys(_cited(content))):
        yield "Note", "\n".join(f"cites {each}" for each in cited)


def _cited(content: Sequence[Block]) -> Iterator[str]:
    """The sources of the text, as the Messages API cites them and as OpenAI annotates it."""
    for block in content:
        own = block.get("openai")
        part = own.get("part") if isinstance(own, dict) else None
        annotations = part.get("annotations") if isinstance(part, dict) else None
        for each in (block.get("citations"), annotations):
            yield from map(source_text, each if isinstance(each, list) else ())


def _arguments(given: Json) -> str:
    if not isinstance(given, dict):
        return readable(given)
    return ", ".join(f"{name}={to_json(value).decode()}" for name, value in given.items())
