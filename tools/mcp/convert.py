"""Converts an MCP server's tools to ours: specs and signatures.

The server is not trusted: its schemas are checked like any other, its annotations are hints that
the caller can overrule, and its definitions are hashed so that a change is noticed.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from playhead.events.errors import ToolError, UsageError
from playhead.events.event import Json
from playhead.events.spec.agent import ToolSpec
from playhead.events.spec.tool import Effect, Retry
from playhead.tools.context import OutcomeUnknown, ToolContext
from playhead.tools.definition.given_schema import raw_signature
from playhead.tools.definition.names import api_name
from playhead.tools.options import NeedsApproval
from playhead.tools.tool import AnyTool, Tool, canonical, pinned, with_approval
from playhead.tools.validation.dialects import WHOLE
from playhead.tools.validation.schemas import SchemaFault, text_fault, tool_schema

if TYPE_CHECKING:
    from mcp import types

McpCall: TypeAlias = Callable[["types.Tool", dict[str, Json], ToolContext], Awaitable[object]]
"""(the tool as it was listed, arguments, context) -> the result as our tools return it."""

AGAIN = Retry(attempts=3)
"""For calls that may be repeated, when the connection is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """How a server's tools become ours."""

    server: str
    prefix: str = ""
    """Put before each name."""
    timeout: float = 60.0
    effects: Mapping[str, Effect] = field(default_factory=dict[str, Effect])
    """By the tool's name on the server; overrules the server's hints."""
    approval: bool | Mapping[str, NeedsApproval] = False
    """For all tools, or by the tool's name on the server ("*": all others)."""
    max_chars: int | None = None

    def needs_approval(self, name: str) -> NeedsApproval:
        """The approval rule of a tool, by its name on the server."""
        if isinstance(self.approval, bool):
            return self.approval
        return self.approval.get(name, self.approval.get("*", False))


class SessionOver(Exception):
    """The session went with its question: the call has failed, and a `once` call is in doubt."""

    def __init__(self) -> None:
        super().__init__("the server's session ended before its question was answered")


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
        max_chars=how.max_chars,
        source=how.server,
        original=listed.name if listed.name != name else None,
    )

    async def perform(arguments: dict[str, Any], context: ToolContext) -> object:
        try:
            return await call(listed, arguments[WHOLE] if nested else arguments, context)
        except SessionOver as error:
            if effect == "once":
                raise OutcomeUnknown(str(error)) from error
            hint = "Call it again if it is still needed: it will ask again."
            raise ToolError(str(error), hint=hint) from error

    perform.__name__ = perform.__qualname__ = name
    signature = raw_signature(schema, description)
    made = Tool(perform, pinned(spec), signature, transient=(ConnectionError,))
    needs = how.needs_approval(listed.name)
    return made if needs is False else with_approval(made, needs, None)


def _effect(listed: "types.Tool") -> Effect:
    hints = listed.annotations
    if hints is not None and hints.read_only_hint:
        return "read"
    return "keyed" if hints is not None and hints.idempotent_hint else "once"
