"""Converts an MCP server's tools and results to ours: specs, signatures, results.

The server is not trusted: its schemas are checked like any other, its annotations are hints that
the caller can overrule, and its definitions are hashed so that a change is noticed.
"""

from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from playhead.events.errors import ToolError, UsageError
from playhead.events.event import Json
from playhead.events.spec.agent import ToolSpec
from playhead.events.spec.tool import Approval, Effect, Retry
from playhead.tools.content import Image
from playhead.tools.context import ToolContext
from playhead.tools.definition.given_schema import raw_signature
from playhead.tools.definition.names import api_name
from playhead.tools.tool import AnyTool, Tool, canonical, pinned
from playhead.tools.validation.dialects import WHOLE
from playhead.tools.validation.schemas import SchemaFault, text_fault, tool_schema

if TYPE_CHECKING:
    from mcp import types

McpCall: TypeAlias = Callable[[str, dict[str, Json], ToolContext], Awaitable[object]]
"""(the tool's name on the server, arguments, context) -> the result as our tools return it."""

AGAIN = Retry(attempts=3)
"""For calls that may be repeated, when the connection is lost."""

TEXT = 2_000
"""Characters of an error that the model sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """How a server's tools become ours."""

    server: str
    prefix: str = ""
    """Put before each name."""
    timeout: float = 60.0
    effects: Mapping[str, Effect] = field(default_factory=dict[str, Effect])
    """By the tool's name on the server; overrules the server's hints."""
    approval: Approval | None = None
    max_chars: int | None = None


def definition_of(listed: "types.Tool") -> str:
    """SHA-256 (hex) of the server's definition of the tool."""
    parts = {"name", "title", "description", "input_schema", "output_schema", "annotations"}
    said = listed.model_dump(mode="json", include=parts, exclude_none=True)
    return sha256(canonical(said)).hexdigest()


def to_tool(listed: "types.Tool", how: Adoption, call: McpCall) -> AnyTool:
    """A server's tool as one of ours.

    Its schema is said in draft 2020-12, and one that the model API would refuse at its root becomes
    the schema of one argument. Raises UsageError for a schema that no call could meet.
    """
    name = api_name(how.prefix + listed.name)
    effect = how.effects.get(listed.name) or _effect(listed)
    description = listed.description or listed.title or listed.name
    try:
        schema, nested = tool_schema(listed.input_schema, reshape=True)
    except SchemaFault as fault:
        msg = f"tool {listed.name}: {fault}"
        raise UsageError(msg) from fault
    if (wrong := text_fault("its description", description)) is not None:
        msg = f"tool {listed.name}: {wrong}"
        raise UsageError(msg)
    spec = ToolSpec(
        name=name,
        description=description,
        input_schema=schema,
        effect=effect,
        timeout=how.timeout,
        retry=None if effect == "once" else AGAIN,
        approval=how.approval,
        max_chars=how.max_chars,
        source=how.server,
        original=listed.name if listed.name != name else None,
    )

    async def perform(arguments: dict[str, Any], context: ToolContext) -> object:
        return await call(listed.name, arguments[WHOLE] if nested else arguments, context)

    perform.__name__ = perform.__qualname__ = name
    return Tool(
        perform, pinned(spec), raw_signature(schema, description), transient=(ConnectionError,)
    )


def _effect(listed: "types.Tool") -> Effect:
    hints = listed.annotations
    if hints is not None and hints.read_only_hint:
        return "read"
    return "keyed" if hints is not None and hints.idempotent_hint else "once"


def to_result(result: "types.CallToolResult") -> object:
    """The server's answer as our tools would return it. Raises ToolError for its errors."""
    texts = [_text(block) for block in result.content]
    if result.is_error:
        message = "\n".join(text for text in texts if text)[:TEXT]
        raise ToolError(message or "the server reported a failure without a reason")
    if result.structured_content is not None:
        return result.structured_content
    parts: list[object] = [
        Image(b64decode(block.data), block.mime_type) if block.type == "image" else text
        for block, text in zip(result.content, texts, strict=True)
    ]
    return parts if any(isinstance(each, Image) for each in parts) else "\n".join(texts)


def _text(block: Any) -> str:
    match block.type:
        case "text":
            return str(block.text)
        case "resource":
            return str(getattr(block.resource, "text", f"(binary: {block.resource.uri})"))
        case "resource_link":
            return f"({block.name}: {block.uri})"
        case _:
            return f"({block.type})"
