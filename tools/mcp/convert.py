"""Converts an MCP server's tools to ours: specs and signatures.

The server is not trusted: its schemas are checked like any other, its annotations are hints that
the caller can overrule, and its definitions are hashed so that a change is noticed.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, TypeAlias

from pydantic import BaseModel

from playhead.events.errors import ToolError, UsageError
from playhead.events.event import Json
from playhead.events.spec.agent import ToolSpec
from playhead.events.spec.tool import Effect, Retry
from playhead.tools.context import OutcomeUnknown, ToolContext
from playhead.tools.options import NeedsApproval
from playhead.tools.signature import Signature
from playhead.tools.tool import AnyTool, Tool, canonical, pinned, with_approval
from playhead.tools.validation.arguments import tool_schema_fault

if TYPE_CHECKING:
    from mcp import types

McpCall: TypeAlias = Callable[["types.Tool", dict[str, Json], ToolContext], Awaitable[object]]
"""(the tool as it was listed, arguments, context) -> the result as our tools return it."""

UNNAMEABLE = re.compile(r"[^a-zA-Z0-9_-]+")

LONGEST = 64

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


class SessionOver(ToolError):
    """The session went with its question: the call has failed, and a `once` call is in doubt."""

    def __init__(self) -> None:
        super().__init__(
            "the server's session ended before its question was answered",
            hint="Call it again if it is still needed: it will ask again.",
        )


def definition_of(listed: "types.Tool") -> str:
    """SHA-256 (hex) of the server's definition of the tool."""
    parts = {"name", "title", "description", "input_schema", "output_schema", "annotations"}
    said = listed.model_dump(mode="json", include=parts, exclude_none=True)
    return sha256(canonical(said)).hexdigest()


def to_tool(
    listed: "types.Tool", how: Adoption, call: McpCall, taken: Sequence[str] = ()
) -> AnyTool:
    """A server's tool as one of ours; `taken` are the names of its other tools.

    Raises UsageError for a schema that no call could meet or that the model API refuses.
    """
    name = api_name(how.prefix + listed.name, taken)
    effect = how.effects.get(listed.name) or _effect(listed)
    schema: dict[str, Json] = {k: v for k, v in listed.input_schema.items() if k != "$schema"}
    if (fault := tool_schema_fault(schema)) is not None:
        msg = f"tool {listed.name}: {fault}"
        raise UsageError(msg)
    spec = ToolSpec(
        name=name,
        description=listed.description or listed.title or listed.name,
        input_schema={"type": "object", **schema},
        effect=effect,
        timeout=how.timeout,
        retry=None if effect == "once" else AGAIN,
        max_chars=how.max_chars,
        source=how.server,
        original=listed.name if listed.name != name else None,
    )

    async def perform(arguments: dict[str, Json], context: ToolContext) -> object:
        try:
            return await call(listed, arguments, context)
        except SessionOver as error:
            if effect != "once":
                raise
            raise OutcomeUnknown(str(error)) from error

    perform.__name__ = perform.__qualname__ = name
    made = Tool(perform, pinned(spec), raw_signature(spec), transient=(ConnectionError,))
    needs = how.needs_approval(listed.name)
    return made if needs is False else with_approval(made, needs, None)


def api_name(wanted: str, taken: Sequence[str] = ()) -> str:
    """A name that the model API accepts; always the same for the same `wanted`."""
    name = UNNAMEABLE.sub("_", wanted).strip("_")[:LONGEST] or "tool"
    if name == wanted and name not in taken:
        return name
    if name in taken or len(wanted) > LONGEST:
        digest = sha256(wanted.encode()).hexdigest()[:6]
        name = f"{name[: LONGEST - 7]}_{digest}"
    return name


def raw_signature(spec: ToolSpec) -> Signature:
    """The signature of a function that takes the arguments as they came."""
    return Signature(
        arguments=BaseModel,
        fields={},
        required=frozenset(),
        context="context",
        given={},
        result=None,
        shows_content=True,
        awaits=True,
        schema=spec.input_schema,
        description=spec.description,
        raw="arguments",
    )


def _effect(listed: "types.Tool") -> Effect:
    hints = listed.annotations
    if hints is not None and hints.read_only_hint:
        return "read"
    return "keyed" if hints is not None and hints.idempotent_hint else "once"
